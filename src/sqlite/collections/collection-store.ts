/**
 * The collections of one SQLite file (or of memory). One process writes; those that read have connections of their own.
 *
 * A write is one SQLite transaction: rows, frontiers and the list of collections become durable together. A torn
 * write is a harmless rewind to the transaction before.
 */
import { assert } from '../../core/assert.ts';
import type { Stored } from '../../sql/storage.ts';
import type { ItemId } from '../../sql/types.ts';
import {
  asNumber,
  type FunctionSql,
  inTransaction,
  openFunctionSql,
  prepareArrays,
} from '../sql.ts';
import { registerSqlFunctions } from '../sql-functions.ts';
import { type CellDelta, CHUNK_ROWS, Collection } from './collection.ts';
import { columnList, createTables, dropTables, liveTable } from './collection-table.ts';
import { GroupState } from './group-state.ts';
import { createGroupTables, dropGroupTables, layoutOf } from './group-table.ts';
import type { GroupsState } from './kept-plan.ts';
import { addNumericTotals } from './numeric-totals.ts';
import { type ReadText, type RelationPlace, resolveRead } from './read-text.ts';
import { type BagDefinition, type Entry, Registry, textOf } from './registry.ts';
import { bagShape, changeTimesSql, type RelationShape } from './relation-sql.ts';
import type { CollectionState, Upper, Versioned } from './versioned.ts';

/** How long opening waits for a predecessor that is just ending. */
const OPEN_WAIT_MS = 500;
/** What SQLite keeps of the file in memory. */
const CACHE_KIB = 64 * 1024;
/** What is left of a write-ahead log that has grown while somebody read for long. */
const LOG_BYTES = 64 * 1024 * 1024;
/** Pages in the write-ahead log before they go into the file (32 MiB): each time costs two syncs. */
const CHECKPOINT_PAGES = 8000;

export type NewCollection = Omit<BagDefinition, 'kind'> & {
  readonly since: number;
  readonly upper: number;
};

/** Hears of the deltas of a chunk while they stand in `delta_N`, inside of the transaction. */
export type DeltaListener = (collection: Collection, time: number) => void;

export class CollectionStore {
  readonly sql: FunctionSql;
  readonly #registry: Registry;
  #writes = 0;
  readonly #byId = new Map<ItemId, Collection | GroupState>();
  /** Those whose state changes in the transaction that is open; null outside of one. */
  #changed: Set<Versioned> | null = null;
  /** Those whose upper was moved in memory only. */
  readonly #unsaved = new Map<ItemId, number>();
  #onDeltas: DeltaListener = () => {};

  /** `file` may be `:memory:`. Not `isKept`: nobody needs it after a crash of the system. Throws what SQLite throws. */
  static open(
    file: string,
    { isKept = true }: { readonly isKept?: boolean } = {},
  ): CollectionStore {
    const sql = openFunctionSql(file, { timeoutMs: OPEN_WAIT_MS });
    const store = new CollectionStore(sql);
    if (!isKept) sql.exec('PRAGMA synchronous = OFF');
    return store;
  }

  constructor(sql: FunctionSql) {
    this.sql = sql;
    sql.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY;
      PRAGMA cache_size = -${CACHE_KIB}; PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
      PRAGMA journal_size_limit = ${LOG_BYTES}`);
    registerSqlFunctions(sql);
    addNumericTotals(sql);
    this.#registry = new Registry(sql);
    this.#load();
  }

  /** Of all that the file has, in the order in which they were created. */
  get ids(): readonly ItemId[] {
    return [...this.#byId.keys()];
  }

  /** Goes up with every write. */
  get writes(): number {
    return this.#writes;
  }

  has(id: ItemId): boolean {
    return this.#byId.has(id);
  }

  /** Asserts that there is one. */
  versioned(id: ItemId): Collection | GroupState {
    const found = this.#byId.get(id);
    assert(found !== undefined, `there is a collection ${id}`);
    return found;
  }

  /** Asserts that it is a bag of rows. */
  get(id: ItemId): Collection {
    const found = this.versioned(id);
    assert(found instanceof Collection, `${id} is a bag`);
    return found;
  }

  isBag(id: ItemId): boolean {
    return this.#byId.get(id) instanceof Collection;
  }

  /** Who keeps views by delta. One listener. */
  listen(listener: DeltaListener): void {
    this.#onDeltas = listener;
  }

  /** Runs `work` as one transaction: all of it or nothing. Inside of one it is a part of that. */
  write<T>(work: () => T): T {
    if (this.#changed !== null) return work();
    const changed = new Set<Versioned>([...this.#unsaved.keys()].map((id) => this.versioned(id)));
    this.#changed = changed;
    try {
      const result = inTransaction(this.sql, () => {
        const done = work();
        for (const one of changed) {
          one.assertCounts();
          this.#registry.save(one);
        }
        return done;
      });
      this.#unsaved.clear();
      this.#writes += 1;
      return result;
    } catch (error) {
      this.#load(); // the file is as it was before, memory is to follow
      throw error;
    } finally {
      this.#changed = null;
    }
  }

  /** Creates a collection without rows, or goes on with the one of the file that has this id and definition. */
  create(id: ItemId, { since, upper, columns, key }: NewCollection): Collection {
    const definition = { kind: 'bag', columns, key } as const;
    const known = this.#byId.get(id);
    if (known instanceof Collection) {
      const { columns: knownColumns, key: knownKey } = known;
      if (textOf({ columns: knownColumns, key: knownKey }) === textOf({ columns, key }))
        return known;
    }
    if (known !== undefined) this.drop(id);
    return this.write(() => {
      const entry = this.#registry.add(id, definition, { since, upper });
      createTables(this.sql, { number: entry.number, columns });
      this.#add(entry);
      return this.get(id);
    });
  }

  /** Creates a state of groups, readable from `since` on. */
  createGroups(id: ItemId, groups: GroupsState, since: number): GroupState {
    return this.write(() => {
      const entry = this.#registry.add(id, { kind: 'groups', groups }, { since, upper: 0 });
      createGroupTables(this.sql, entry.number, layoutOf(groups));
      this.#add(entry);
      const created = this.versioned(id);
      assert(created instanceof GroupState, 'a state of groups was created');
      created.addEmptyGroup(since);
      this.set(created, { changedAt: since });
      return created;
    });
  }

  drop(id: ItemId): void {
    const dropped = this.versioned(id);
    this.write(() => {
      this.#registry.remove(dropped);
      dropTables(this.sql, dropped.number);
      if (dropped instanceof GroupState) dropGroupTables(this.sql, dropped.number, dropped.layout);
      this.#changed?.delete(dropped);
      this.#unsaved.delete(id);
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
    });
  }

  /** Everything before `upper` is complete now. Never back. */
  advance(id: ItemId, upper: Upper): void {
    const one = this.versioned(id);
    const { state } = one;
    assert(
      state.upper !== null && (upper === null || upper >= state.upper),
      `the upper of ${id} goes from ${state.upper} to ${upper}`,
    );
    if (upper !== state.upper) this.set(one, { upper });
  }

  /**
   * As `advance`, durable with the next write: until then a crash goes back to the upper before, and nothing was changed in
   * between. For whoever moves it on again after a crash.
   */
  advanceLazily(id: ItemId, upper: number): void {
    const one = this.versioned(id);
    const { state } = one;
    assert(state.upper !== null && upper >= state.upper, `the upper of ${id} goes to ${upper}`);
    one.state = { ...state, upper };
    this.#unsaved.set(id, upper);
  }

  /** Times before `since` need not be readable any more. What they needed is forgotten by `purge`. */
  allowCompaction(id: ItemId, since: number): void {
    const one = this.versioned(id);
    if (since > one.state.since) this.set(one, { since });
  }

  /** Changes a state, in a transaction of its own or the one that is open. */
  set(one: Versioned, state: Partial<CollectionState>): void {
    this.write(() => {
      this.#changed?.add(one);
      one.state = { ...one.state, ...state };
    });
  }

  /** Forgets a bounded part of what nobody can read any more. True when there is more. */
  purge(id: ItemId): boolean {
    return this.write(() => this.versioned(id).purge());
  }

  /** The rows at `time`, in the text of a read. */
  place(id: ItemId, time: number): RelationPlace {
    const one = this.versioned(id);
    const { since } = one.state;
    assert(time >= since, `${id} is readable from ${since} on, not at ${time}`);
    return { ...shapeOf(one), id, at: { time } };
  }

  /** Runs a read on this connection. */
  readNow(read: ReadText): Iterable<readonly Stored[]> {
    const text = resolveRead(read, ({ id }) => this.versioned(id).state);
    assert(text !== null, 'what is compiled is read at once');
    return this.read(text);
  }

  /** The changes at times in [from, until), in the text of a read: `c0`, ..., `time`, `n`. */
  changesPlace(id: ItemId, from: number, until: number): RelationPlace {
    const one = this.versioned(id);
    const { since } = one.state;
    assert(from > since, `changes of ${id} are known after ${since}, not from ${from} on`);
    this.#indexTimes(one.number);
    return { ...shapeOf(one), id, at: { from, until } };
  }

  /** Some of the rows of now, with how often they are there; none when it is empty. */
  firstRows(id: ItemId, count: number): CellDelta[] {
    const { number, columns } = this.get(id);
    const names = columnList(columns.length);
    const text = `SELECT n${names && `, ${names}`} FROM ${liveTable(number)} LIMIT ${count}`;
    return [...this.read(text)].map(([n, ...row]) => ({ row, n: Number(n) }));
  }

  /** The times of [from, until) at which the collection changed, in order. */
  changeTimes(id: ItemId, from: number, until: number): number[] {
    const { number } = this.get(id);
    this.#indexTimes(number);
    return prepareArrays(this.sql, changeTimesSql(number, from, until))
      .all()
      .map((row) => asNumber((row as unknown as readonly unknown[])[0]));
  }

  /** What is kept with an id beside its rows, written in the transaction of the caller. */
  setNote(id: ItemId, text: string | null): void {
    this.#registry.setNote(id, text);
  }

  note(id: ItemId): string | null {
    return this.#registry.note(id);
  }

  /** Runs a SELECT. Whole numbers come as bigints, so that none loses a digit. */
  read(text: string): Iterable<readonly Stored[]> {
    const statement = prepareArrays(this.sql, text);
    statement.setReadBigInts(true);
    return statement.iterate() as unknown as Iterable<readonly Stored[]>;
  }

  close(): void {
    if (this.#unsaved.size > 0) this.write(() => undefined);
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

  #load(): void {
    this.#byId.clear();
    for (const entry of this.#registry.all()) this.#add(entry);
    for (const [id, upper] of this.#unsaved) {
      const one = this.versioned(id);
      one.state = { ...one.state, upper };
    }
  }

  #add({ id, number, state, definition }: Entry): void {
    const one =
      definition.kind === 'bag'
        ? new Collection(this.sql, { id, number, state, ...definition })
        : new GroupState(this.sql, { id, number, state, groups: definition.groups });
    this.#byId.set(id, one);
  }
}

function shapeOf(one: Collection | GroupState): RelationShape {
  return one instanceof GroupState ? one.shape : bagShape(one.number, one.columns.length);
}
