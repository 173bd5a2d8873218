/**
 * Follows a query: its rows at a time, then what changes, in the order of time. What subscriptions and sinks have in
 * common. Pulls: whoever owns it asks when uppers have moved.
 *
 *   idle --advance--> reading --all steps read--> idle        any --end, failure--> over
 */
import type { Frontier, Time, TimedDelta } from '../../coordinator/sql/worker.ts';
import { isSqlState, type SqlError, sqlError, toSqlError } from '../../sql/errors.ts';
import type { Query } from '../../sql/plan.ts';
import type { ItemId, SqlRow, SqlType } from '../../sql/types.ts';
import type { CollectionStore } from '../../sqlite/collections/collection-store.ts';
import type { Items } from './items.ts';
import type { Readers, ReadRequest, RunningRead } from './readers/read-port.ts';
import { columnNames } from './relations.ts';

/** Changes of one batch, one batch of a reader aside. */
const BATCH_ROWS = 10_000;
/** How often one read is compiled anew because views that it reads are not kept any more. */
const COMPILATIONS_MAX = 10;

/** Everything before `upper` has been told with this; not the last one is a part of what comes after `upper`. */
export type FollowedBatch = {
  readonly deltas: readonly TimedDelta[];
  readonly upper: Frontier;
  readonly isLast: boolean;
};

export type FollowerOptions = {
  readonly query: Query;
  readonly asOf: Time;
  readonly hasSnapshot: boolean;
};

export type FollowerParts = {
  readonly store: CollectionStore;
  readonly items: Items;
  readonly readers: Readers;
  /** How people call an item. */
  readonly nameOf: (id: ItemId) => string;
};

/** Called during `advance`, or later. What `batch` throws is told to `failed`. */
export type FollowerListener = {
  batch(batch: FollowedBatch): void;
  /** It cannot go on. */
  failed(error: SqlError): void;
  /** What was to be read is read: there may be more by now. */
  idle(): void;
};

/** One read: of the rows, or of what has changed. */
type Step = {
  readonly request: () => ReadRequest;
  /** Null: the last column tells it. */
  readonly time: Time | null;
};

/** Steps that bring it from one upper to another. */
type Job = {
  steps: readonly Step[];
  readonly from: Time;
  /** Of changes. */
  readonly until: Time;
  readonly upper: Frontier;
  readonly listener: FollowerListener;
  next: number;
  compilations: number;
  deltas: TimedDelta[];
  read: RunningRead | null;
  /** A read has begun and not ended. */
  isReading: boolean;
  isPumping: boolean;
};

export class Follower {
  readonly #parts: FollowerParts;
  readonly #options: FollowerOptions;
  /** Everything before it has been told; null when there is nothing more. */
  #upper: Frontier = 0;
  #hasStarted = false;
  #job: Job | null = null;
  #isOver = false;

  constructor(parts: FollowerParts, options: FollowerOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  get query(): Query {
    return this.#options.query;
  }

  get isDone(): boolean {
    return this.#hasStarted && this.#upper === null;
  }

  /** What its inputs must stay readable at; null for nothing any more. */
  get needs(): Time | null {
    if (!this.#hasStarted) return this.#options.asOf;
    return this.#upper === null ? null : Math.max(0, this.#upper - 1);
  }

  /** Goes on from where everything before `upper` was told, in an earlier life. */
  resume(upper: Frontier): void {
    this.#hasStarted = true;
    this.#upper = upper;
  }

  /** Reads what has become complete, unless it is at it. Every turn of the loop moves its upper. */
  advance(listener: FollowerListener): void {
    try {
      while (this.#job === null && !this.#isOver) {
        const job = this.#nextJob(listener);
        if (job === null) return;
        this.#job = job;
        this.#pump(job);
      }
    } catch (error) {
      this.end();
      listener.failed(toSqlError(error));
    }
  }

  /** Nobody wants to hear more. */
  end(): void {
    const job = this.#job;
    this.#job = null;
    this.#isOver = true;
    if (job?.isReading === true) job.read?.end();
  }

  #nextJob(listener: FollowerListener): Job | null {
    const upper = this.#parts.items.upperOfAll(this.query.items);
    const { asOf, hasSnapshot } = this.#options;
    if (!this.#hasStarted) {
      if (upper !== null && upper <= asOf) return null;
      this.#assertReadable(asOf);
      this.#hasStarted = true;
      this.#upper = asOf + 1;
      const steps = hasSnapshot ? [this.#snapshot(asOf)] : [];
      const told = upper === null ? asOf + 1 : Math.min(upper, asOf + 1);
      return newJob(listener, { steps, from: asOf, until: asOf + 1, upper: told });
    }
    const from = this.#upper;
    if (from === null || (upper !== null && upper <= from)) return null;
    this.#assertReadable(from - 1);
    const until = Math.max(from, upper ?? this.#lastChange() + 1);
    return newJob(listener, { steps: this.#changes(from, until), from, until, upper });
  }

  /** Begins one read after the other; those that are answered at once do not pile up on the stack. */
  #pump(job: Job): void {
    if (job.isPumping) return;
    job.isPumping = true;
    while (!job.isReading && this.#job === job) {
      const step = job.steps[job.next];
      if (step === undefined) {
        this.#finish(job);
        break;
      }
      job.isReading = true;
      job.read = this.#parts.readers.start(step.request(), {
        rows: (rows, { isLast }) => this.#guard(job, () => this.#take(job, step, rows, isLast)),
        failed: (error) => this.#guard(job, () => fail(error)),
        stale: () => this.#guard(job, () => this.#compileAgain(job)),
      });
    }
    job.isPumping = false;
  }

  /** What a reader tells, later perhaps: a failure ends the following. */
  #guard(job: Job, act: () => void): void {
    if (this.#job !== job) return;
    try {
      act();
    } catch (error) {
      this.end();
      job.listener.failed(toSqlError(error));
      return;
    }
    if (this.#job === null && !job.isPumping) job.listener.idle();
  }

  #take(job: Job, step: Step, rows: readonly SqlRow[], isLast: boolean): void {
    const { length } = this.query.columns;
    const at = Math.max(1, length);
    for (const row of rows) {
      const time = step.time ?? Number(row[at + 1]);
      job.deltas.push({ row: row.slice(0, length), diff: Number(row[at]), time });
    }
    if (job.deltas.length >= BATCH_ROWS) {
      const { deltas, from, listener } = job;
      job.deltas = [];
      listener.batch({ deltas, upper: from, isLast: false });
    }
    if (!isLast) {
      job.read?.next();
      return;
    }
    job.isReading = false;
    job.compilations = 0;
    job.next += 1;
    this.#pump(job);
  }

  #compileAgain(job: Job): void {
    job.isReading = false;
    job.compilations += 1;
    // A view that is not kept any more tells its changes otherwise.
    if (job.steps[job.next]?.time === null) job.steps = this.#changes(job.from, job.until);
    if (job.compilations > COMPILATIONS_MAX) {
      throw sqlError('40001', 'what is read is kept in another way by every moment: try again');
    }
    this.#pump(job);
  }

  #finish({ listener, deltas, upper }: Job): void {
    this.#upper = upper === null || this.#upper === null ? upper : Math.max(upper, this.#upper);
    this.#job = null;
    listener.batch({ deltas, upper, isLast: true });
  }

  /** What was forgotten meanwhile cannot be told; and sources that failed have nothing to tell. */
  #assertReadable(time: Time): void {
    const { items, nameOf } = this.#parts;
    for (const id of this.query.items) {
      const failure = items.failureOf(id);
      const since = items.since(id);
      if (failure !== undefined) {
        throw sqlError(isSqlState(failure.code) ? failure.code : 'XX000', failure.message);
      }
      if (time < since) {
        throw sqlError('55000', `${nameOf(id)} can be read from ${since} on, not at ${time}`);
      }
    }
  }

  #lastChange(): Time {
    const { items, store } = this.#parts;
    const ids = this.query.items.flatMap((id) => items.collectionsOf(id));
    return Math.max(0, ...ids.map((id) => store.get(id).state.changedAt));
  }

  #snapshot(time: Time): Step {
    const columns = this.#columns;
    const { items } = this.#parts;
    const text = (): ReadRequest['text'] =>
      items.rowsText(
        this.query,
        (rows) =>
          `SELECT ${columns}, count(*) FROM (${rows(time)}) GROUP BY ${columns} ORDER BY ${columns}`,
      );
    return this.#step(time, text, () => items.isSmall(this.query, time));
  }

  /** The changes at times of [from, until), consolidated within each time. */
  #changes(from: Time, until: Time): readonly Step[] {
    const { items } = this.#parts;
    const columns = this.#columns;
    const text = items.changesText(
      this.query,
      { from, until },
      (changes) => `SELECT ${columns}, sum(n) AS n, time FROM (${changes}) GROUP BY time, ${columns}
        HAVING sum(n) <> 0 ORDER BY time, ${columns}`,
    );
    if (text === null) return this.#differences(from, until);
    return [
      this.#step(
        null,
        () => text,
        () => items.areSmallChanges(this.query, from),
      ),
    ];
  }

  #differences(from: Time, until: Time): readonly Step[] {
    const times = this.#changeTimes(from, until);
    return times.map((time, index) => {
      const before = times[index - 1] ?? from - 1;
      const { items } = this.#parts;
      const isSmall = (): boolean => items.isSmall(this.query, time);
      return this.#step(time, () => this.#difference(before, time), isSmall);
    });
  }

  #changeTimes(from: Time, until: Time): readonly Time[] {
    const { items, store } = this.#parts;
    const ids = new Set(this.query.items.flatMap((id) => items.collectionsOf(id)));
    const times = [...ids].flatMap((id) => store.changeTimes(id, from, until));
    return [...new Set(times)].sort((left, right) => left - right);
  }

  /** What the rows at one time have over those at another one. */
  #difference(before: Time, time: Time): ReadRequest['text'] {
    const columns = this.#columns;
    return this.#parts.items.rowsText(
      this.query,
      (rows) => `SELECT ${columns}, sum(n) FROM (SELECT ${columns}, 1 AS n FROM (${rows(time)})
      UNION ALL SELECT ${columns}, -1 FROM (${rows(before)}))
      GROUP BY ${columns} HAVING sum(n) <> 0 ORDER BY ${columns}`,
    );
  }

  get #columns(): string {
    return columnNames(this.query.columns).join(', ') || '1';
  }

  /** The columns of the query, how often, and the time when it is not the same for all. */
  #step(time: Time | null, text: () => ReadRequest['text'], isSmall = (): boolean => false): Step {
    const own = this.query.columns.map(({ type }) => type);
    if (own.length === 0) own.push('int8');
    const types: SqlType[] = [...own, 'int8', ...(time === null ? (['int8'] as const) : [])];
    return { time, request: () => ({ text: text(), types, isSmall }) };
  }
}

function newJob(
  listener: FollowerListener,
  span: Pick<Job, 'steps' | 'from' | 'until' | 'upper'>,
): Job {
  const state = { next: 0, compilations: 0, read: null, isReading: false, isPumping: false };
  return { ...span, ...state, listener, deltas: [] };
}

function fail(error: SqlError): never {
  throw error;
}
