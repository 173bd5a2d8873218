/**
 * Brings leases into the log and back. The coordinator says what to store and when; here monotonic time becomes
 * wall clock time, and what the disk refuses waits.
 */
import { LEASES_MAX } from '../coordinator/state.ts';
import type { CoordinatorEffect, LoadedLease } from '../coordinator/types.ts';
import { hasCode } from '../core/errors.ts';
import type { LogStore, StoredLease } from '../log/port.ts';
import type { Clock, TimerHandle } from './clock.ts';

type StoreLeases = Extract<CoordinatorEffect, { readonly kind: 'storeLeases' }>;

const RETRY_MS = 5000;
/** What cannot be stored is remembered for so many replicas: all that have a lease, and as many that had one. */
const WAITING_MAX = 2 * LEASES_MAX;

export class LeaseBook {
  readonly #log: LogStore;
  readonly #clock: Clock;
  /** To be stored; null = to be forgotten. */
  readonly #waiting = new Map<string, StoredLease | null>();
  #isDue = false;
  #retry: TimerHandle | null = null;

  constructor(log: LogStore, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** Throws `LOG_CORRUPT`. */
  load(): readonly LoadedLease[] {
    const nowMs = this.#clock.wallMicros() / 1000;
    return this.#log.readLeases().map(({ replica, ts, heardAtMs }) => {
      return { replica, ts, heardMsAgo: nowMs - heardAtMs };
    });
  }

  /** Everything of one turn of the event loop is stored in one transaction. */
  add({ kept, ended }: StoreLeases): void {
    const offsetMs = this.#clock.wallMicros() / 1000 - this.#clock.now();
    for (const { replica, ts, heardAt } of kept) {
      const heardAtMs = Math.floor(heardAt + offsetMs);
      this.#await(replica, { replica, ts, heardAtMs });
    }
    for (const replica of ended) this.#await(replica, null);
    if (this.#isDue) return;
    this.#isDue = true;
    this.#clock.soon(() => this.flush());
  }

  /** Stores what waits, now. */
  flush(): void {
    this.#isDue = false;
    this.#retry?.cancel();
    this.#retry = null;
    if (this.#waiting.size === 0) return;
    const kept = [...this.#waiting.values()].filter((lease) => lease !== null);
    const ended = [...this.#waiting].flatMap(([name, lease]) => (lease === null ? [name] : []));
    try {
      this.#log.storeLeases(kept, ended);
      this.#waiting.clear();
    } catch (error) {
      if (!hasCode(error, 'LOG_WRITE_FAILED')) throw error;
      this.#retry = this.#clock.after(RETRY_MS, () => this.flush());
    }
  }

  /** Their history is over. */
  clear(): void {
    this.#waiting.clear();
  }

  /** Stores what waits, and nothing later. */
  close(): void {
    this.flush();
    this.#retry?.cancel();
    this.#waiting.clear();
  }

  #await(replica: string, lease: StoredLease | null): void {
    if (this.#waiting.size >= WAITING_MAX && !this.#waiting.has(replica)) return;
    this.#waiting.set(replica, lease);
  }
}
