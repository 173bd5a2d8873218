/** Notices a connection that is open but dead (half-open sockets, frozen peers): nothing arrives any more. */
import { TidelockError } from '../core/errors.ts';
import type { Clock } from './transport.ts';

export class SilenceGuard {
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #onSilence: (error: TidelockError) => void;
  #ticksMax: number;
  #ticks = 0;
  #cancel: () => void;

  /** Calls `onSilence` once, when nothing was heard for more than `ticksMax` times `tickMs`. */
  constructor(options: {
    readonly clock: Clock;
    readonly tickMs: number;
    readonly ticksMax: number;
    readonly onSilence: (error: TidelockError) => void;
  }) {
    this.#clock = options.clock;
    this.#tickMs = options.tickMs;
    this.#ticksMax = options.ticksMax;
    this.#onSilence = options.onSilence;
    this.#cancel = this.#arm();
  }

  /** A sign of life. From the first one on `ticksMax` may be tighter: a server that prepares is silent longer. */
  heard(ticksMax: number = this.#ticksMax): void {
    this.#ticks = 0;
    this.#ticksMax = ticksMax;
  }

  stop(): void {
    this.#cancel();
  }

  #arm(): () => void {
    return this.#clock.after(this.#tickMs, () => {
      this.#ticks += 1;
      if (this.#ticks <= this.#ticksMax) this.#cancel = this.#arm();
      else this.#onSilence(silent(this.#ticks * this.#tickMs));
    });
  }
}

function silent(silentMs: number): TidelockError {
  return new TidelockError({
    code: 'TIMEOUT',
    message: `nothing came from the server for ${Math.round(silentMs / 1000)} s; the connection is taken for dead`,
    hint: 'the replica connects again by itself',
  });
}
