/** A replica store in memory, slow and obvious, with the transactions of the real one. */

import type {
  BucketDigests,
  ReplicaIdentity,
  ReplicaState,
  ReplicaStore,
  ReplicaTransaction,
  ResyncCounts,
  ResyncTarget,
  ResyncTransaction,
} from '../../../src/client/store.ts';
import { assert } from '../../../src/core/assert.ts';
import { bucketOf } from '../../../src/core/bucket.ts';
import { Digest } from '../../../src/core/digest.ts';
import { TidelockError } from '../../../src/core/errors.ts';
import { type Lsn, type Ts, toLsn } from '../../../src/core/lsn.ts';
import type { RowChange } from '../../../src/core/row-change.ts';
import { RowHasher } from '../../../src/core/row-hasher.ts';
import { EVERYONE } from '../../../src/core/selector.ts';
import { keyPositions, type TableDef } from '../../../src/core/table.ts';
import type { Cell } from '../../../src/core/value.ts';
import type { DigestEntry } from '../../../src/protocol/feed.ts';

type Row = { readonly selector: string; readonly cells: readonly Cell[] };
type Rows = Map<string, Row>;

export type Content = {
  /** Tables that stand still. */
  readonly stalled?: Set<string>;
  readonly tables: Map<string, TableDef>;
  readonly rows: Map<string, Rows>;
};

/** A table `public.cities` (id int, name text, country text) by `country`, as the tests use it. */
export const CITIES: TableDef = {
  name: 'public.cities',
  columns: [
    { name: 'id', type: 'integer', kind: 'int' },
    { name: 'name', type: 'text', kind: 'text' },
    { name: 'country', type: 'text', kind: 'text' },
  ],
  key: ['id'],
  indexes: [],
  selector: {
    kind: 'expression',
    text: 'country',
    expression: { kind: 'column', name: 'country' },
  },
};

export class MemoryStore implements ReplicaStore {
  readonly local = null;
  identity: ReplicaIdentity;
  content: Content;
  state: ReplicaState = 'live';
  isClosed = false;
  isInTransaction = false;
  /** Every position that was committed, in order. */
  readonly commits: Ts[] = [];
  /** Set to make the next write fail. */
  failure: TidelockError | null = null;

  constructor(identity: Partial<ReplicaIdentity> = {}, tables: readonly TableDef[] = [CITIES]) {
    this.identity = {
      replica: 'r1',
      server: 'http://test',
      timeline: 'T1',
      position: toLsn(100),
      selectors: ['FR'],
      schemaVersion: 0,
      ...identity,
    };
    this.content = {
      tables: new Map(tables.map((table) => [table.name, table])),
      rows: new Map(tables.map((table) => [table.name, new Map()])),
    };
  }

  get tables(): readonly TableDef[] {
    return [...this.content.tables.values()];
  }

  get storedTables(): ReplicaStore['storedTables'] {
    return this.tables.map((table) => ({
      table,
      state: this.content.stalled?.has(table.name) === true ? 'resyncing' : 'live',
    }));
  }

  /** All rows of a table, sorted by key, as JSON. */
  dump(table: string = CITIES.name): string[] {
    const rows = [...(this.content.rows.get(table)?.values() ?? [])];
    return rows.map((row) => JSON.stringify(row.cells)).sort();
  }

  digests(): readonly DigestEntry[] {
    return digestsOf(this.content);
  }

  async scanDigests(): Promise<readonly DigestEntry[]> {
    return this.digests();
  }

  async scanBuckets(bucketCount: number): Promise<BucketDigests> {
    return bucketsOf(this.content, bucketCount);
  }

  begin(): ReplicaTransaction {
    this.#enter();
    const before = digestsOf(this.content);
    const content = copy(this.content);
    return {
      apply: (changes) => {
        this.#mayFail();
        for (const change of changes) applyChange(content, change);
      },
      commit: (position) => {
        this.#mayFail();
        assert(position >= this.identity.position, 'a position never goes back');
        this.content = content;
        this.identity = { ...this.identity, position };
        this.commits.push(position);
        this.isInTransaction = false;
        return changedDigests(before, digestsOf(content));
      },
      rollback: () => {
        this.isInTransaction = false;
      },
    };
  }

  beginResync(bucketCount: number): ResyncTransaction {
    this.#enter();
    return new MemoryResync(this, copy(this.content), bucketCount);
  }

  setState(state: ReplicaState): void {
    this.state = state;
  }

  close(): void {
    this.isClosed = true;
  }

  #enter(): void {
    this.#mayFail();
    assert(!this.isInTransaction, 'one write transaction at a time');
    assert(!this.isClosed, 'the store is open');
    this.isInTransaction = true;
  }

  #mayFail(): void {
    const { failure } = this;
    this.failure = null;
    if (failure !== null) throw failure;
  }
}

class MemoryResync implements ResyncTransaction {
  readonly #store: MemoryStore;
  readonly #content: Content;
  readonly #bucketCount: number;
  readonly #old: Content;

  constructor(store: MemoryStore, content: Content, bucketCount: number) {
    this.#store = store;
    this.#old = store.content;
    this.#content = content;
    this.#bucketCount = bucketCount;
  }

  define(tables: readonly TableDef[]): void {
    for (const name of this.#content.tables.keys()) {
      if (tables.some((table) => table.name === name)) continue;
      this.#content.tables.delete(name);
      this.#content.rows.delete(name);
    }
    this.#content.stalled?.clear();
    for (const table of tables) applyChange(this.#content, { type: 'table', table });
  }

  replace(table: string, buckets: readonly number[]): void {
    const rows = this.#content.rows.get(table);
    const definition = this.#content.tables.get(table);
    if (rows === undefined || definition === undefined) return;
    for (const [key, row] of rows) {
      const bucket = bucketOf(keyCells(definition, row.cells), this.#bucketCount);
      if (buckets.includes(bucket)) rows.delete(key);
    }
  }

  insert(changes: readonly RowChange[]): void {
    this.apply(changes);
  }

  apply(changes: readonly RowChange[]): void {
    for (const change of changes) applyChange(this.#content, change);
  }

  digests(): readonly DigestEntry[] {
    return digestsOf(this.#content);
  }

  recount(): void {}

  commit(target: ResyncTarget): ResyncCounts {
    this.#store.content = this.#content;
    this.#store.identity = { ...this.#store.identity, ...target };
    this.#store.state = 'live';
    this.#store.isInTransaction = false;
    return countChanges(this.#old, this.#content);
  }

  rollback(): void {
    this.#store.isInTransaction = false;
  }
}

function copy(content: Content): Content {
  return {
    stalled: new Set(content.stalled),
    tables: new Map(content.tables),
    rows: new Map([...content.rows].map(([name, rows]) => [name, new Map(rows)])),
  };
}

export function applyChange(content: Content, change: RowChange): void {
  if (change.type === 'table') {
    content.tables.set(change.table.name, change.table);
    if (!content.rows.has(change.table.name)) content.rows.set(change.table.name, new Map());
    return;
  }
  if (change.type === 'resync') {
    content.stalled?.add(change.table);
    return;
  }
  if (change.type === 'drop') {
    content.tables.delete(change.table);
    content.rows.delete(change.table);
    return;
  }
  if (content.stalled?.has(change.table) === true) return;
  const table = content.tables.get(change.table);
  const rows = content.rows.get(change.table);
  assert(table !== undefined && rows !== undefined, `${change.table} is defined`);
  if (change.type === 'truncate') rows.clear();
  else if (change.type === 'delete') rows.delete(JSON.stringify(change.key));
  else {
    if (change.type === 'update' && change.key !== undefined)
      rows.delete(JSON.stringify(change.key));
    const cells = change.type === 'update' ? merged(table, rows, change) : change.row;
    rows.set(JSON.stringify(keyCells(table, cells)), { selector: change.selector, cells });
  }
}

function merged(
  table: TableDef,
  rows: Rows,
  change: RowChange & { type: 'update' },
): readonly Cell[] {
  if (change.cols === undefined) return change.row;
  const [position = 0] = keyPositions(table);
  const key = change.key ?? [change.row[change.cols.indexOf(position)] ?? null];
  const old = rows.get(JSON.stringify(key));
  if (old === undefined) {
    throw new TidelockError({ code: 'PROTOCOL', message: 'a part of an absent row was updated' });
  }
  const cells = [...old.cells];
  change.cols.forEach((column, index) => {
    cells[column] = change.row[index] ?? null;
  });
  return cells;
}

function keyCells(table: TableDef, cells: readonly Cell[]): readonly Cell[] {
  return keyPositions(table).map((position) => cells[position] ?? null);
}

export function digestsOf(content: Content): DigestEntry[] {
  const entries: DigestEntry[] = [];
  for (const [name, rows] of content.rows) {
    const table = content.tables.get(name);
    if (table === undefined) continue;
    const hasher = new RowHasher(table);
    const digests = new Map<string, Digest>();
    for (const row of rows.values()) {
      const selector = table.selector.kind === 'everyone' ? EVERYONE : row.selector;
      const digest = digests.get(selector) ?? new Digest();
      digest.add(hasher.hash(row.cells));
      digests.set(selector, digest);
    }
    for (const [selector, digest] of digests) {
      entries.push({ table: name, selector, digest: digest.hex, rows: digest.rows });
    }
  }
  return entries;
}

export function bucketsOf(content: Content, bucketCount: number): BucketDigests {
  const tables: Record<string, { digest: string; rows: number }[]> = {};
  for (const [name, rows] of content.rows) {
    const table = content.tables.get(name);
    if (table === undefined) continue;
    const hasher = new RowHasher(table);
    const digests = Array.from({ length: bucketCount }, () => new Digest());
    for (const row of rows.values()) {
      digests[bucketOf(keyCells(table, row.cells), bucketCount)]?.add(hasher.hash(row.cells));
    }
    tables[name] = digests.map((digest) => ({ digest: digest.hex, rows: digest.rows }));
  }
  return { bucketCount, tables };
}

function changedDigests(
  before: readonly DigestEntry[],
  after: readonly DigestEntry[],
): DigestEntry[] {
  const name = (entry: DigestEntry): string => `${entry.table} ${entry.selector}`;
  const old = new Map(before.map((entry) => [name(entry), entry]));
  const now = new Map(after.map((entry) => [name(entry), entry]));
  const gone = before.filter((entry) => !now.has(name(entry)));
  return [
    ...after.filter((entry) => old.get(name(entry))?.digest !== entry.digest),
    ...gone.map((entry) => ({ ...entry, digest: '0'.repeat(32), rows: 0 })),
  ];
}

function countChanges(before: Content, after: Content): ResyncCounts {
  let [inserted, updated, deleted] = [0, 0, 0];
  for (const [name, rows] of after.rows) {
    for (const [key, row] of rows) {
      const old = before.rows.get(name)?.get(key);
      if (old === undefined) inserted += 1;
      else if (JSON.stringify(old.cells) !== JSON.stringify(row.cells)) updated += 1;
    }
  }
  for (const [name, rows] of before.rows) {
    for (const key of rows.keys()) if (after.rows.get(name)?.has(key) !== true) deleted += 1;
  }
  return { inserted, updated, deleted };
}

export function lsn(value: number): Lsn {
  return toLsn(value);
}
