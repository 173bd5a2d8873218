/**
 * Tells the server now and then how far the replica is, so that the log is kept for it and not longer.
 * A report that fails is no trouble of its own: the next one says the same and more.
 */
import type { Ts } from '../core/lsn.ts';
import type { Clock } from './transport.ts';

export const LEASE_REPORT_MS = 10_000;
/** How long a report may take. */
const REPORT_MS_MAX = 5000;

export class LeaseReporter {
  readonly #clock: Clock;
  readonly #delayMs: number;
  readonly #report: (position: Ts, signal: AbortSignal) => Promise<void>;
  readonly #position: () => Ts;
  #reported: Ts | null = null;
  #cancel: (() => void) | null = null;
  /** Ends the reports that are under way. */
  #stopping = new AbortController();

  constructor(options: {
    readonly clock: Clock;
    /** How soon a move is reported; default `LEASE_REPORT_MS`. */
    readonly delayMs?: number | undefined;
    readonly position: () => Ts;
    /** Must not reject. */
    readonly report: (position: Ts, signal: AbortSignal) => Promise<void>;
  }) {
    this.#clock = options.clock;
    this.#delayMs = options.delayMs ?? LEASE_REPORT_MS;
    this.#position = options.position;
    this.#report = options.report;
  }

  /** The position moved: it will be reported soon, with all that comes until then. */
  moved(): void {
    this.#cancel ??= this.#clock.after(this.#delayMs, () => {
      this.#cancel = null;
      const position = this.#position();
      if (position === this.#reported) return;
      this.#reported = position;
      void this.#send(position);
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#stopping.abort(new Error('reporting has ended'));
    this.#stopping = new AbortController();
  }

  async #send(position: Ts): Promise<void> {
    const late = new AbortController();
    const cancel = this.#clock.after(REPORT_MS_MAX, () =>
      late.abort(new Error(`there was no answer for ${REPORT_MS_MAX / 1000} s`)),
    );
    await this.#report(position, AbortSignal.any([this.#stopping.signal, late.signal]));
    cancel();
  }
}
