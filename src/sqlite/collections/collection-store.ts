/**
 * The collections of one SQLite file (or of memory), owned by one process.
 *
 * A write is one SQLite transaction: rows, frontiers and the list of collections become durable together. A torn
 * write is a harmless rewind to the transaction before.
 */
import { assert } from '../../core/assert.ts';
import type { Cell } from '../../sql/cell.ts';
import type { Column, ItemId } from '../../sql/types.ts';
import {
  asNumber,
  inTransaction,
  openSql,
  prepareArrays,
  type Sql,
  type SqlStatement,
} from '../sql.ts';
import {
  type CellDelta,
  CHUNK_ROWS,
  Collection,
  type CollectionState,
  type Upper,
} from './collection.ts';
import { createTables, dropTables, liveTable } from './collection-table.ts';
import { bagShape, changesSql, relationSql } from './relation-sql.ts';

/** How long opening waits for a predecessor that is just ending. */
const OPEN_WAIT_MS = 500;
/** Pages that SQLite keeps in memory, as KiB. */
const CACHE_KIB = 64 * 1024;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS tidelock_collections (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, definition TEXT NOT NULL, upper INTEGER,
    since INTEGER NOT NULL, "changedAt" INTEGER NOT NULL, "hasRepeats" INTEGER NOT NULL, "hasMoved" INTEGER NOT NULL)`;

export type CollectionDefinition = {
  readonly columns: readonly Column[];
  /** Positions of columns that tell rows apart, if any: rows are found by them. */
  readonly key: readonly number[];
};

export type NewCollection = CollectionDefinition & {
  readonly since: number;
  readonly upper: number;
};

/** Hears of the deltas of a chunk while they stand in `delta_N`, inside of the transaction. */
export type DeltaListener = (collection: Collection, time: number) => void;

export class CollectionStore {
  readonly sql: Sql;
  readonly #byId = new Map<ItemId, Collection>();
  readonly #save: SqlStatement;
  /** Those whose state changes in the transaction that is open; null outside of one. */
  #changed: Set<Collection> | null = null;
  #onDeltas: DeltaListener = () => {};

  /** `file` may be `:memory:`. Throws what SQLite throws. */
  static open(file: string): CollectionStore {
    return new CollectionStore(openSql(file, { timeoutMs: OPEN_WAIT_MS }));
  }

  constructor(sql: Sql) {
    this.sql = sql;
    sql.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY;
      PRAGMA cache_size = -${CACHE_KIB}`);
    sql.exec(SCHEMA);
    this.#save = sql.prepare(
      `UPDATE tidelock_collections SET upper = ?, since = ?, "changedAt" = ?, "hasRepeats" = ?, "hasMoved" = ?
       WHERE number = ?`,
    );
    this.#load();
  }

  get ids(): readonly ItemId[] {
    return [...this.#byId.keys()];
  }

  /** Asserts that there is one. */
  get(id: ItemId): Collection {
    const collection = this.#byId.get(id);
    assert(collection !== undefined, `there is a collection ${id}`);
    return collection;
  }

  has(id: ItemId): boolean {
    return this.#byId.has(id);
  }

  /** Who keeps views by delta. One listener. */
  onDeltas(listener: DeltaListener): void {
    this.#onDeltas = listener;
  }

  /** Runs `work` as one transaction: all of it or nothing. Inside of one it is a part of that. */
  write<T>(work: () => T): T {
    if (this.#changed !== null) return work();
    const changed = new Set<Collection>();
    this.#changed = changed;
    try {
      return inTransaction(this.sql, () => {
        const result = work();
        this.#saveStates(changed);
        return result;
      });
    } catch (error) {
      this.#load(); // the file is as it was before, memory is to follow
      throw error;
    } finally {
      this.#changed = null;
    }
  }

  /** Creates a collection without rows, or goes on with the one of the file that has this id and definition. */
  create(id: ItemId, { since, upper, ...definition }: NewCollection): Collection {
    const text = JSON.stringify({ columns: definition.columns, key: definition.key });
    const known = this.#byId.get(id);
    if (known !== undefined) {
      if (JSON.stringify({ columns: known.columns, key: known.key }) === text) return known;
      this.drop(id);
    }
    return this.write(() => {
      const { lastInsertRowid } = this.sql
        .prepare(
          `INSERT INTO tidelock_collections (id, definition, upper, since, "changedAt", "hasRepeats", "hasMoved")
           VALUES (?, ?, ?, ?, 0, 0, 0)`,
        )
        .run(id, text, upper, since);
      const number = Number(lastInsertRowid);
      createTables(this.sql, { number, columns: definition.columns });
      const state = { upper, since, changedAt: 0, hasRepeats: false, hasMoved: false };
      return this.#add({ id, number, ...definition, state });
    });
  }

  drop(id: ItemId): void {
    const collection = this.get(id);
    this.write(() => {
      this.sql.prepare('DELETE FROM tidelock_collections WHERE number = ?').run(collection.number);
      dropTables(this.sql, collection.number);
      this.#changed?.delete(collection);
      this.#byId.delete(id);
    });
  }

  /** Applies changes at one time, in chunks: their number is not limited, they are never all in memory here. */
  apply(id: ItemId, time: number, deltas: Iterable<CellDelta>): void {
    const collection = this.get(id);
    this.write(() => {
      this.#changed?.add(collection);
      let chunk: CellDelta[] = [];
      for (const delta of deltas) {
        chunk.push(delta);
        if (chunk.length < CHUNK_ROWS) continue;
        this.#applyChunk(collection, time, chunk);
        chunk = [];
      }
      if (chunk.length > 0) this.#applyChunk(collection, time, chunk);
      collection.assertCounts();
    });
  }

  /** Everything before `upper` is complete now. Never back. */
  advance(id: ItemId, upper: Upper): void {
    const collection = this.get(id);
    const { state } = collection;
    assert(
      state.upper !== null && (upper === null || upper >= state.upper),
      `the upper of ${id} goes from ${state.upper} to ${upper}`,
    );
    if (upper === state.upper) return;
    this.#set(collection, { upper });
  }

  /** Times before `since` need not be readable any more. What they needed is forgotten by `purge`. */
  allowCompaction(id: ItemId, since: number): void {
    const collection = this.get(id);
    if (since <= collection.state.since) return;
    this.#set(collection, { since });
  }

  /** Forgets a bounded part of what nobody can read any more. True when there is more. */
  purge(id: ItemId): boolean {
    return this.write(() => this.get(id).purge());
  }

  /** A SELECT of the rows at `time`, columns `c0`, `c1`, ... */
  relation(id: ItemId, time: number): string {
    const { number, columns, state } = this.get(id);
    assert(time >= state.since, `${id} is readable from ${state.since} on, not at ${time}`);
    return relationSql(bagShape(number, columns.length), state, time);
  }

  /** A SELECT of the changes at times in [from, until): `c0`, ..., `time`, `n`. */
  changes(id: ItemId, from: number, until: number): string {
    const { number, columns, state } = this.get(id);
    assert(from >= state.since, `${id} is readable from ${state.since} on, not at ${from}`);
    this.#indexTimes(number);
    return changesSql(bagShape(number, columns.length), from, until);
  }

  /** Runs a SELECT. Whole numbers come as bigints, so that none loses a digit. */
  read(text: string): Iterable<readonly Cell[]> {
    const statement = prepareArrays(this.sql, text);
    statement.setReadBigInts(true);
    return statement.iterate() as unknown as Iterable<readonly Cell[]>;
  }

  close(): void {
    this.sql.close();
  }

  #applyChunk(collection: Collection, time: number, chunk: readonly CellDelta[]): void {
    if (collection.apply(time, chunk)) this.#onDeltas(collection, time);
  }

  /** Only those whose changes are read pay for finding rows by time. */
  #indexTimes(number: number): void {
    this.sql.exec(
      `CREATE INDEX IF NOT EXISTS live_${number}_from ON ${liveTable(number)} ("from")`,
    );
  }

  #set(collection: Collection, state: Partial<CollectionState>): void {
    this.write(() => {
      this.#changed?.add(collection);
      collection.state = { ...collection.state, ...state };
    });
  }

  #saveStates(changed: ReadonlySet<Collection>): void {
    for (const { number, state } of changed) {
      const { upper, since, changedAt, hasRepeats, hasMoved } = state;
      this.#save.run(upper, since, changedAt, Number(hasRepeats), Number(hasMoved), number);
    }
  }

  #load(): void {
    this.#byId.clear();
    const rows = prepareArrays(
      this.sql,
      `SELECT id, number, definition, upper, since, "changedAt", "hasRepeats", "hasMoved"
       FROM tidelock_collections ORDER BY number`,
    ).all() as unknown as (string | number | null)[][];
    for (const [id, number, definition, upper, since, changedAt, hasRepeats, hasMoved] of rows) {
      // The cast trusts what we wrote.
      const { columns, key } = JSON.parse(String(definition)) as CollectionDefinition;
      this.#add({
        id: String(id),
        number: asNumber(number),
        columns,
        key,
        state: {
          upper: upper === null ? null : asNumber(upper),
          since: asNumber(since),
          changedAt: asNumber(changedAt),
          hasRepeats: hasRepeats !== 0,
          hasMoved: hasMoved !== 0,
        },
      });
    }
  }

  #add(init: ConstructorParameters<typeof Collection>[1]): Collection {
    const collection = new Collection(this.sql, init);
    this.#byId.set(init.id, collection);
    return collection;
  }
}
