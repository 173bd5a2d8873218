/**
 * Reads one relation for all who follow it: one query per round, however many they are.
 *
 *   idle (nobody follows) --reader--> waiting --interval over, or woken--> reading --> waiting
 *
 * Never busier than configured: rounds begin at least `pollMs` apart (`wakeMs` when something was written),
 * and a query that is slow takes at most a named share of the time.
 */
import { hasCode, messageOf } from '../core/errors.ts';
import { type LockstepRelation, readRows } from '../postgres/lockstep-relation.ts';
import { sqlStateOf } from '../postgres/pg-errors.ts';
import type { PgSession } from '../postgres/session.ts';
import type { RelationStatus } from './api.ts';
import type { ReaderClock } from './clock.ts';
import type { Reader } from './reader.ts';
import { Round } from './round.ts';
import type { SessionPool } from './session-pool.ts';

/**
 * A query that is slow is followed by a pause of so many times its length. The faster one of two rounds tells: one
 * that took long because Postgres stood still, or because it brought much, is not followed by a long silence.
 */
const PAUSE_FACTOR = 4;
const RETRY_MS_MAX = 10_000;
/** SQLSTATE classes of errors that pass: conflicts, resources, locks, cancellations, the system. */
const PASSING_STATES = /^(40|53|55|57|58)/;

export type PollerOptions = {
  readonly sessions: SessionPool;
  readonly relation: string;
  readonly clock: ReaderClock;
  readonly pollMs: number;
  readonly wakeMs: number;
  /** Called after every query. */
  readonly onRound: () => void;
  /** Called when a round has ended that nobody waits for any more. */
  readonly onIdle: (poller: Poller) => void;
};

export class Poller {
  readonly #options: PollerOptions;
  readonly #readers = new Set<Reader>();
  /** Of the round that is under way. */
  #session: PgSession | null = null;
  #stopTimer: (() => void) | null = null;
  #startedAt = 0;
  #tookMs = 0;
  /** The faster one of the last two rounds. */
  #fasterMs = 0;
  #failures = 0;
  #since = 0;
  #trouble: string | null = null;
  #isReading = false;
  #isWoken = false;

  constructor(options: PollerOptions) {
    this.#options = options;
  }

  get isIdle(): boolean {
    return this.#readers.size === 0 && !this.#isReading;
  }

  get status(): RelationStatus {
    return {
      relation: this.#options.relation,
      readers: this.#readers.size,
      since: this.#since,
      trouble: this.#trouble,
    };
  }

  /** The reader's copy must be complete. */
  add(reader: Reader): void {
    this.#readers.add(reader);
    this.#plan();
  }

  remove(reader: Reader): void {
    reader.release();
    this.#readers.delete(reader);
    if (this.#readers.size === 0) this.#rest();
  }

  wake(): void {
    this.#isWoken = true;
    this.#plan();
  }

  async close(): Promise<void> {
    for (const reader of [...this.#readers]) {
      this.remove(reader);
      reader.sink.end();
    }
    this.#session?.destroy();
  }

  #rest(): void {
    this.#stopTimer?.();
    this.#stopTimer = null;
  }

  #plan(): void {
    if (this.#isReading || this.#readers.size === 0) return;
    this.#stopTimer?.();
    const { clock } = this.#options;
    const dueAt = this.#startedAt + this.#tookMs + this.#pauseMs();
    this.#stopTimer = clock.after(Math.max(0, dueAt - clock.now()), () => void this.#read());
  }

  #pauseMs(): number {
    const { pollMs, wakeMs } = this.#options;
    if (this.#failures > 0) return Math.min(RETRY_MS_MAX, pollMs * 2 ** this.#failures);
    return Math.max(this.#isWoken ? wakeMs : pollMs, this.#fasterMs * PAUSE_FACTOR);
  }

  async #read(): Promise<void> {
    const { clock } = this.#options;
    this.#isReading = true;
    this.#isWoken = false;
    this.#stopTimer = null;
    this.#startedAt = clock.now();
    try {
      await this.#round([...this.#readers]);
      this.#failures = 0;
      this.#trouble = null;
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#isReading = false;
      const tookMs = clock.now() - this.#startedAt;
      this.#fasterMs = Math.min(tookMs, this.#tookMs);
      this.#tookMs = tookMs;
    }
    if (this.#readers.size > 0) return this.#plan();
    this.#rest();
    this.#options.onIdle(this);
  }

  async #round(readers: readonly Reader[]): Promise<void> {
    const { relation, sessions, clock } = this.#options;
    const from = readers.reduce((least, reader) => Math.min(least, reader.from), Number.MAX_VALUE);
    const isSettledOnly = readers.every(({ mode }) => mode === 'strict');
    const request = { relation, from, isSettledOnly, omitsDeleted: false, omitsFuture: true };
    let round: Round | null = null;
    await sessions.use(async (session) => {
      this.#session = session;
      try {
        await readRows(session, request, {
          onStart: (found: LockstepRelation, snapshot) => {
            round = new Round({ readers, clock }, found, snapshot);
            this.#since = snapshot.xmin;
          },
          onRows: async (rows) => round?.take(rows),
        });
      } finally {
        this.#session = null;
      }
    });
    (round as Round | null)?.end();
    this.#options.onRound();
  }

  /**
   * A source that is away comes back; a relation that is gone, unfit or cannot be read ends the streams. So does
   * a failure behind the first rows of a round for readers in strict mode: the next round would repeat them.
   */
  #failed(error: unknown): void {
    this.#failures += 1;
    this.#trouble = messageOf(error);
    const isPassing = hasCode(error, 'SOURCE_DOWN') || PASSING_STATES.test(sqlStateOf(error) ?? '');
    for (const reader of [...this.#readers]) {
      if (isPassing && !(reader.mode === 'strict' && reader.isAmid)) continue;
      this.remove(reader);
      reader.sink.fail(error);
    }
  }
}
