/**
 * Follows a query: its rows at a time, then what changes, in the order of time. What subscriptions and sinks have in
 * common. Pulls: whoever owns it asks when uppers have moved.
 */
import type { Frontier, Time, TimedDelta } from '../../coordinator/sql/worker.ts';
import { isSqlState, sqlError } from '../../sql/errors.ts';
import type { Query } from '../../sql/plan.ts';
import type { Stored } from '../../sql/storage.ts';
import type { CollectionStore } from '../../sqlite/collections/collection-store.ts';
import type { ReadText } from '../../sqlite/collections/read-text.ts';
import type { Items } from './items.ts';
import { columnNames } from './relations.ts';
import { valuesOf } from './stored-rows.ts';

/** Changes of one batch, one transaction's worth aside. */
const BATCH_ROWS = 10_000;

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

export class Follower {
  readonly #store: CollectionStore;
  readonly #items: Items;
  readonly #options: FollowerOptions;
  /** Everything before it has been told; null when there is nothing more. */
  #upper: Frontier = 0;
  #hasStarted = false;

  constructor(store: CollectionStore, items: Items, options: FollowerOptions) {
    this.#store = store;
    this.#items = items;
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

  /** What has become complete since the last call, in batches of a bounded size; nothing when nothing has. */
  *batches(): Generator<FollowedBatch> {
    const upper = this.#items.upperOfAll(this.query.items);
    const { asOf } = this.#options;
    if (!this.#hasStarted) {
      if (upper !== null && upper <= asOf) return;
      this.#assertReadable(asOf);
      this.#hasStarted = true;
      this.#upper = asOf + 1;
      const rows = this.#options.hasSnapshot ? this.#snapshot(asOf) : [];
      yield* inBatches(rows, asOf, upper === null ? asOf + 1 : Math.min(upper, asOf + 1));
    }
    const from = this.#upper;
    if (from === null || (upper !== null && upper <= from)) return;
    this.#assertReadable(from - 1);
    const until = upper ?? this.#lastChange() + 1;
    this.#upper = upper;
    yield* inBatches(this.#changes(from, Math.max(from, until)), from, upper);
  }

  /** What was forgotten meanwhile cannot be told; and sources that failed have nothing to tell. */
  #assertReadable(time: Time): void {
    for (const id of this.query.items) {
      const failure = this.#items.failureOf(id);
      const since = this.#items.since(id);
      if (failure !== undefined) {
        throw sqlError(isSqlState(failure.code) ? failure.code : 'XX000', failure.message);
      }
      if (time < since) {
        throw sqlError('55000', `${id} can be read from ${since} on, not at ${time}`);
      }
    }
  }

  #lastChange(): Time {
    const ids = this.query.items.flatMap((id) => this.#items.collectionsOf(id));
    return Math.max(0, ...ids.map((id) => this.#store.get(id).state.changedAt));
  }

  *#snapshot(time: Time): Generator<TimedDelta> {
    const columns = columnNames(this.query.columns).join(', ') || '1';
    const text = this.#items.rowsText(
      this.query,
      (rows) =>
        `SELECT ${columns}, count(*) FROM (${rows(time)}) GROUP BY ${columns} ORDER BY ${columns}`,
    );
    for (const cells of this.#store.readNow(text)) yield this.#delta(cells, time);
  }

  /** The changes at times of [from, until), consolidated within each time. */
  *#changes(from: Time, until: Time): Generator<TimedDelta> {
    const columns = columnNames(this.query.columns).join(', ') || '1';
    const changes = this.#items.queryChanges(this.query, from, until);
    if (changes !== null) {
      const text = `SELECT ${columns}, sum(n) AS n, time FROM (${changes}) GROUP BY time, ${columns}
        HAVING sum(n) <> 0 ORDER BY time, ${columns}`;
      for (const cells of this.#store.read(text)) yield this.#delta(cells, Number(cells.at(-1)));
      return;
    }
    let before = from - 1;
    for (const time of this.#changeTimes(from, until)) {
      for (const cells of this.#store.readNow(this.#difference(before, time))) {
        yield this.#delta(cells, time);
      }
      before = time;
    }
  }

  #changeTimes(from: Time, until: Time): readonly Time[] {
    const ids = new Set(this.query.items.flatMap((id) => this.#items.collectionsOf(id)));
    const times = [...ids].flatMap((id) => this.#store.changeTimes(id, from, until));
    return [...new Set(times)].sort((left, right) => left - right);
  }

  /** What the rows at one time have over those at another one. */
  #difference(before: Time, time: Time): ReadText {
    const columns = columnNames(this.query.columns).join(', ') || '1';
    return this.#items.rowsText(
      this.query,
      (rows) => `SELECT ${columns}, sum(n) FROM (SELECT ${columns}, 1 AS n FROM (${rows(time)})
      UNION ALL SELECT ${columns}, -1 FROM (${rows(before)}))
      GROUP BY ${columns} HAVING sum(n) <> 0 ORDER BY ${columns}`,
    );
  }

  /** Cells: the columns, then how often. */
  #delta(cells: readonly Stored[], time: Time): TimedDelta {
    const { columns } = this.query;
    return { row: valuesOf(columns, cells), diff: Number(cells[columns.length]), time };
  }
}

/** Pieces, of which only the last one tells the new upper. */
function* inBatches(
  deltas: Iterable<TimedDelta>,
  from: Time,
  upper: Frontier,
): Generator<FollowedBatch> {
  let batch: TimedDelta[] = [];
  for (const delta of deltas) {
    if (batch.length >= BATCH_ROWS) {
      yield { deltas: batch, upper: from, isLast: false };
      batch = [];
    }
    batch.push(delta);
  }
  yield { deltas: batch, upper, isLast: true };
}
