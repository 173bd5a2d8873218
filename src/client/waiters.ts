/** Who waits for the replica to reach a position. */
import { TidelockError } from '../core/errors.ts';
import { formatLsn, type Ts } from '../core/lsn.ts';
import type { Clock } from './transport.ts';

/** More waits than this at a time are refused: somebody forgot a time limit. */
export const WAITERS_MAX = 10_000;

type Waiter = { readonly ts: Ts; readonly settle: (error: TidelockError | null) => void };

export class Waiters {
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiter>();
  #position: Ts;

  constructor(clock: Clock, position: Ts) {
    this.#clock = clock;
    this.#position = position;
  }

  /** The furthest position that somebody waits for. */
  get target(): Ts | null {
    let target: Ts | null = null;
    for (const { ts } of this.#waiting) if (target === null || ts > target) target = ts;
    return target;
  }

  /** Resolves at once or when `moved` reaches `ts`. Rejects with `TIMEOUT`, or what `end` was given. */
  wait(ts: Ts, timeoutMs: number): Promise<void> {
    if (this.#position >= ts) return Promise.resolve();
    if (this.#waiting.size >= WAITERS_MAX) return Promise.reject(tooMany());
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(timeoutMs, () => waiter.settle(this.#late(ts, timeoutMs)));
      const waiter: Waiter = {
        ts,
        settle: (error) => {
          cancel();
          this.#waiting.delete(waiter);
          if (error === null) resolve();
          else reject(error);
        },
      };
      this.#waiting.add(waiter);
    });
  }

  /** A new history may stand at a lower position; waits simply go on. */
  moved(position: Ts): void {
    this.#position = position;
    if (this.#waiting.size === 0) return;
    for (const waiter of [...this.#waiting]) if (waiter.ts <= position) waiter.settle(null);
  }

  end(error: TidelockError): void {
    for (const waiter of [...this.#waiting]) waiter.settle(error);
  }

  #late(ts: Ts, timeoutMs: number): TidelockError {
    return new TidelockError({
      code: 'TIMEOUT',
      message: `the replica did not reach ${formatLsn(ts)} within ${timeoutMs} ms; it stands at ${formatLsn(this.#position)}`,
      hint: 'look at the status of the replica and at /v1/status of the server',
    });
  }
}

function tooMany(): TidelockError {
  return new TidelockError({
    code: 'BUSY',
    message: `${WAITERS_MAX} calls wait for a position already`,
    hint: 'give waitFor a shorter timeoutMs',
  });
}
