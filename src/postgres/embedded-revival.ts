/** Starts an embedded server again that died alone: after a moment, then after longer and longer ones. */
import { messageOf } from '../core/errors.ts';

const DELAY_MS_MIN = 200;
const DELAY_MS_MAX = 30_000;
/** A server that lived for so long died of something new. */
const HEALTHY_MS = 60_000;

export class Revival {
  readonly #restart: () => Promise<void>;
  readonly #onNotice: (notice: string) => void;
  #delayMs = DELAY_MS_MIN;
  #bornAt = performance.now();
  #timer: NodeJS.Timeout | null = null;
  #isStopped = false;

  constructor(restart: () => Promise<void>, onNotice: (notice: string) => void) {
    this.#restart = restart;
    this.#onNotice = onNotice;
  }

  /** Call it when the server has ended and nobody wanted it. */
  died(): void {
    if (this.#isStopped || this.#timer !== null) return;
    if (performance.now() - this.#bornAt > HEALTHY_MS) this.#delayMs = DELAY_MS_MIN;
    this.#onNotice(`the embedded Postgres has died, it is started again in ${this.#delayMs} ms`);
    this.#later();
  }

  /** No more attempts; one that is under way goes on. */
  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #later(): void {
    this.#timer = setTimeout(() => void this.#revive(), this.#delayMs);
    this.#delayMs = Math.min(DELAY_MS_MAX, this.#delayMs * 2);
  }

  async #revive(): Promise<void> {
    try {
      await this.#restart();
      this.#timer = null;
      this.#bornAt = performance.now();
      this.#onNotice('the embedded Postgres runs again');
    } catch (error) {
      if (this.#isStopped) return;
      this.#onNotice(`the embedded Postgres does not start: ${messageOf(error)}`);
      this.#later();
    }
  }
}
