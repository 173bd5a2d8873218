/**
 * Calls in line: one at a time, those that change something before those that only read. The line is bounded, so that
 * a caller who comes too late is told so at once and not after a minute.
 */
import { TidelockError } from '../../core/errors.ts';

const WAITING_MAX = 64;

type Waiting = { readonly isWrite: boolean; readonly work: () => void };

export class CallLine {
  readonly #writes: Waiting[] = [];
  readonly #reads: Waiting[] = [];
  readonly #waitingMax: number;
  #isDue = false;
  done = 0;
  refused = 0;

  constructor(waitingMax: number = WAITING_MAX) {
    this.#waitingMax = waitingMax;
  }

  get waiting(): number {
    return this.#writes.length + this.#reads.length;
  }

  /** Throws `OVERLOADED`. A write may take the place of nobody: the line has room for twice as many of them. */
  async enter<T>(isWrite: boolean, work: () => T): Promise<T> {
    const max = isWrite ? this.#waitingMax * 2 : this.#waitingMax;
    if (this.waiting >= max) throw this.#overloaded();
    return await new Promise<T>((resolve, reject) => {
      const act = (): void => {
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      };
      (isWrite ? this.#writes : this.#reads).push({ isWrite, work: act });
      this.#soon();
    });
  }

  #soon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => {
      this.#isDue = false;
      const next = this.#writes.shift() ?? this.#reads.shift();
      if (next === undefined) return;
      this.done += 1;
      next.work();
      if (this.waiting > 0) this.#soon();
    });
  }

  #overloaded(): TidelockError {
    this.refused += 1;
    return new TidelockError({
      code: 'OVERLOADED',
      message: `${this.waiting} calls wait already`,
      hint: 'wait as Retry-After says and send the same again; a batch with its key is done once',
    });
  }
}
