/** Lets a few run at a time; the others wait in line, not for ever. */
import { TidelockError } from '../core/errors.ts';

export type GateOptions = {
  /** For the message: `snapshots`. */
  readonly name: string;
  readonly runningMax: number;
  readonly queueMax: number;
  readonly queueMs: number;
};

type Waiter = { readonly admit: () => void };

export class Gate {
  readonly #options: GateOptions;
  readonly #waiting = new Set<Waiter>();
  readonly #whenEmpty = new Set<() => void>();
  #running = 0;

  constructor(options: GateOptions) {
    this.#options = options;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Waits for a place. The returned function gives it back; calling it twice is harmless.
   * Throws `BUSY` when the line is full or the wait too long, the signal's reason when it aborts.
   */
  async enter(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#running < this.#options.runningMax) this.#running += 1;
    else if (this.#waiting.size >= this.#options.queueMax) throw this.#busy();
    else await this.#wait(signal);
    let isInside = true;
    return () => {
      if (isInside) this.#leave();
      isInside = false;
    };
  }

  /** Resolves when nobody is inside, at the latest after `ms`. */
  async whenEmpty(ms: number): Promise<void> {
    if (this.#running === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#whenEmpty.add(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        this.#waiting.delete(waiter);
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        act();
      };
      const waiter = { admit: () => settle(resolve) };
      const onAbort = (): void => settle(() => reject(signal.reason));
      const timer = setTimeout(() => settle(() => reject(this.#busy())), this.#options.queueMs);
      signal.addEventListener('abort', onAbort);
      this.#waiting.add(waiter);
    });
  }

  /** The place goes straight to the next in line, so nobody can overtake. */
  #leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#running -= 1;
    else next.admit();
    if (this.#running > 0) return;
    for (const resolve of this.#whenEmpty) resolve();
    this.#whenEmpty.clear();
  }

  #busy(): TidelockError {
    const { name, runningMax, queueMax } = this.#options;
    return new TidelockError({
      code: 'BUSY',
      message: `${runningMax} ${name} are under way and ${this.#waiting.size} of ${queueMax} wait`,
      hint: 'try again after the time in the Retry-After header',
    });
  }
}
