/**
 * A replica's storage in memory. Every commit makes a new version of everything; the disk says which versions
 * survive a crash. Digests are the product's, kept row by row.
 */
import type {
  BucketDigests,
  ReplicaIdentity,
  ReplicaState,
  ReplicaStore,
  ReplicaTransaction,
  ResyncCounts,
  ResyncTarget,
  ResyncTransaction,
} from '../client/store.ts';
import { assert } from '../core/assert.ts';
import { bucketOf } from '../core/bucket.ts';
import { Digest } from '../core/digest.ts';
import { TidelockError } from '../core/errors.ts';
import type { Ts } from '../core/lsn.ts';
import type { RowChange } from '../core/row-change.ts';
import { RowHasher } from '../core/row-hasher.ts';
import { keyPositions, type TableDef } from '../core/table.ts';
import { type Cell, cellFromJson } from '../core/value.ts';
import type { DigestEntry } from '../protocol/feed.ts';
import { howItDiffers } from '../sqlite/table-evolution.ts';

export type StoredRow = {
  readonly selector: string;
  readonly cells: readonly Cell[];
  readonly hash: Uint32Array;
};

type StoredTable = {
  readonly table: TableDef;
  readonly isStalled: boolean;
  readonly rows: ReadonlyMap<string, StoredRow>;
};

/** One committed state. Never changed. */
export type Version = {
  readonly identity: ReplicaIdentity;
  readonly tables: ReadonlyMap<string, StoredTable>;
};

/** What the store asks of its disk. */
export type VersionDisk = {
  /** Throws when the disk refuses, or its process is gone. */
  readonly check: () => void;
  readonly commit: (version: Version, durability: 'synced' | 'unsynced') => void;
};

const EMPTY_DIGEST = '0'.repeat(32);

export class MemoryReplica implements ReplicaStore {
  readonly local = null;
  readonly #disk: VersionDisk;
  #version: Version;
  #isOpen = false;

  constructor(version: Version, disk: VersionDisk) {
    this.#version = version;
    this.#disk = disk;
  }

  get version(): Version {
    return this.#version;
  }

  get identity(): ReplicaIdentity {
    return this.#version.identity;
  }

  get tables(): readonly TableDef[] {
    return [...this.#version.tables.values()].map(({ table }) => table);
  }

  get storedTables(): ReplicaStore['storedTables'] {
    return [...this.#version.tables.values()].map(({ table, isStalled }) => ({
      ...{ table, state: isStalled ? 'resyncing' : 'live' },
    }));
  }

  digests(): readonly DigestEntry[] {
    return digestsOf(this.#version);
  }

  async scanDigests(): Promise<readonly DigestEntry[]> {
    return this.digests();
  }

  async scanBuckets(bucketCount: number): Promise<BucketDigests> {
    const tables = [...this.#version.tables.values()].map(({ table, rows }) => {
      const key = keyPositions(table);
      const buckets = Array.from({ length: bucketCount }, () => new Digest());
      for (const { cells, hash } of rows.values()) {
        buckets[bucketOf(keyCells(key, cells), bucketCount)]?.add(hash);
      }
      return [table.name, buckets.map(({ hex, rows: count }) => ({ digest: hex, rows: count }))];
    });
    return { bucketCount, tables: Object.fromEntries(tables) };
  }

  begin(): ReplicaTransaction {
    const draft = this.#open();
    return {
      apply: (changes) => {
        this.#disk.check();
        draft.apply(changes);
      },
      commit: (position) => this.#commit(draft, position),
      rollback: () => {
        this.#isOpen = false;
      },
    };
  }

  beginResync(bucketCount: number): ResyncTransaction {
    const before = this.#version;
    const draft = this.#open();
    return {
      define: (tables) => draft.define(tables),
      replace: (table, buckets) => draft.replace(table, new Set(buckets), bucketCount),
      insert: (changes) => draft.apply(changes),
      apply: (changes) => draft.apply(changes),
      digests: () => digestsOf(draft.version(before.identity)),
      recount: () => undefined,
      commit: (target) => this.#commitResync(draft, target),
      rollback: () => {
        this.#isOpen = false;
      },
    };
  }

  setState(_state: ReplicaState): void {
    this.#disk.check();
  }

  close(): void {}

  #open(): Draft {
    this.#disk.check();
    assert(!this.#isOpen, 'one write transaction at a time');
    this.#isOpen = true;
    return new Draft(this.#version.tables);
  }

  #commit(draft: Draft, position: Ts): readonly DigestEntry[] {
    this.#disk.check();
    const { identity } = this.#version;
    assert(position >= identity.position, 'a position never goes back');
    const before = this.#version;
    this.#version = draft.version({ ...identity, position });
    this.#disk.commit(this.#version, 'unsynced');
    this.#isOpen = false;
    return draft.isTouched ? changedDigests(digestsOf(before), digestsOf(this.#version)) : [];
  }

  #commitResync(draft: Draft, target: ResyncTarget): ResyncCounts {
    this.#disk.check();
    const before = this.#version;
    this.#version = draft.version({ ...before.identity, ...target });
    this.#disk.commit(this.#version, 'synced');
    this.#isOpen = false;
    return countChanges(before, this.#version);
  }
}

/** A version that is being made. */
class Draft {
  readonly #tables: Map<string, StoredTable>;
  readonly #rows = new Map<string, Map<string, StoredRow>>();
  readonly #hashers = new Map<string, RowHasher>();
  isTouched = false;

  constructor(tables: ReadonlyMap<string, StoredTable>) {
    this.#tables = new Map(tables);
  }

  version(identity: ReplicaIdentity): Version {
    const tables = new Map(this.#tables);
    for (const [name, rows] of this.#rows) {
      const stored = tables.get(name);
      if (stored !== undefined) tables.set(name, { ...stored, rows: new Map(rows) });
    }
    return { identity, tables };
  }

  define(tables: readonly TableDef[]): void {
    const names = new Set(tables.map(({ name }) => name));
    for (const name of [...this.#tables.keys()]) if (!names.has(name)) this.#tables.delete(name);
    for (const table of tables) {
      const stored = this.#tables.get(table.name);
      const isLive = stored?.isStalled !== true;
      if (isLive) this.#evolve(table);
      if (!isLive || this.#stored(table.name).isStalled) this.#rebuild(table);
    }
  }

  replace(name: string, buckets: ReadonlySet<number>, bucketCount: number): void {
    const { table } = this.#stored(name);
    const rows = this.#rowsOf(name);
    const key = keyPositions(table);
    for (const [text, { cells }] of [...rows]) {
      if (buckets.has(bucketOf(keyCells(key, cells), bucketCount))) rows.delete(text);
    }
  }

  apply(changes: readonly RowChange[]): void {
    this.isTouched = true;
    for (const change of changes) this.#apply(change);
  }

  #apply(change: RowChange): void {
    if (change.type === 'table') {
      this.#evolve(change.table);
      return;
    }
    const stored = this.#stored(change.table);
    if (change.type === 'resync') {
      this.#tables.set(change.table, { ...stored, isStalled: true });
      return;
    }
    if (change.type === 'drop') this.#tables.delete(change.table);
    else if (!stored.isStalled) this.#applyRow(change, stored.table);
  }

  /** Follows a definition as the real store does: what its rows cannot follow stands still. */
  #evolve(table: TableDef): void {
    const stored = this.#tables.get(table.name);
    if (stored === undefined) {
      this.#tables.set(table.name, { table, rows: new Map(), isStalled: false });
      return;
    }
    if (stored.isStalled) return;
    const difference = howItDiffers(stored.table, table);
    if (difference === 'other') this.#tables.set(table.name, { ...stored, isStalled: true });
    if (difference !== 'extended') return;
    const fills = table.columns
      .slice(stored.table.columns.length)
      .map(({ kind, missing }) => cellFromJson(kind, missing ?? null));
    this.#redefine(table, (cells) => [...cells, ...fills]);
  }

  /** Columns of the same name and kind keep their values. */
  #rebuild(table: TableDef): void {
    const { columns } = this.#stored(table.name).table;
    const from = table.columns.map(({ name, kind }) =>
      columns.findIndex((column) => column.name === name && column.kind === kind),
    );
    this.#redefine(table, (cells) => from.map((place) => cells[place] ?? null));
  }

  #redefine(table: TableDef, move: (cells: readonly Cell[]) => readonly Cell[]): void {
    const rows = this.#rowsOf(table.name);
    this.#tables.set(table.name, { table, rows, isStalled: false });
    this.#hashers.delete(table.name);
    for (const { selector, cells } of [...rows.values()]) {
      this.#put(table, rows, selector, move(cells));
    }
  }

  #applyRow(
    change: Extract<RowChange, { type: 'insert' | 'update' | 'delete' | 'truncate' }>,
    table: TableDef,
  ): void {
    const rows = this.#rowsOf(table.name);
    switch (change.type) {
      case 'truncate':
        rows.clear();
        return;
      case 'delete':
        rows.delete(keyText(change.key));
        return;
      case 'insert':
        this.#put(table, rows, change.selector, change.row);
        return;
      default: {
        const cells = updated(table, rows, change);
        if (change.key !== undefined) rows.delete(keyText(change.key));
        this.#put(table, rows, change.selector, cells);
      }
    }
  }

  #put(
    table: TableDef,
    rows: Map<string, StoredRow>,
    selector: string,
    cells: readonly Cell[],
  ): void {
    const hasher = this.#hashers.get(table.name) ?? new RowHasher(table);
    this.#hashers.set(table.name, hasher);
    const hash = hasher.hash(cells).slice();
    rows.set(keyText(keyCells(keyPositions(table), cells)), { selector, cells, hash });
  }

  #stored(name: string): StoredTable {
    const stored = this.#tables.get(name);
    assert(stored !== undefined, `${name} is defined`);
    return stored;
  }

  #rowsOf(name: string): Map<string, StoredRow> {
    const known = this.#rows.get(name);
    if (known !== undefined) return known;
    const rows = new Map(this.#stored(name).rows);
    this.#rows.set(name, rows);
    return rows;
  }
}

function updated(
  table: TableDef,
  rows: ReadonlyMap<string, StoredRow>,
  change: RowChange & { readonly type: 'update' },
): readonly Cell[] {
  const { cols, row } = change;
  if (cols === undefined) return row;
  const key = change.key ?? keyPositions(table).map((at) => row[cols.indexOf(at)] ?? null);
  const old = rows.get(keyText(key));
  if (old === undefined) {
    throw new TidelockError({ code: 'PROTOCOL', message: 'a part of an absent row was updated' });
  }
  const cells = [...old.cells];
  cols.forEach((column, index) => {
    cells[column] = row[index] ?? null;
  });
  return cells;
}

function keyCells(positions: readonly number[], cells: readonly Cell[]): readonly Cell[] {
  return positions.map((at) => cells[at] ?? null);
}

function keyText(key: readonly Cell[]): string {
  return key.map(String).join('\u0000');
}

const DIGESTS = new WeakMap<Version, readonly DigestEntry[]>();

/** By table and selector, those with rows. A version does not change, so it is summed up once. */
export function digestsOf(version: Version): readonly DigestEntry[] {
  const known = DIGESTS.get(version) ?? summedUp(version);
  DIGESTS.set(version, known);
  return known;
}

function summedUp({ tables }: Version): DigestEntry[] {
  const entries: DigestEntry[] = [];
  for (const [name, { rows }] of tables) {
    const digests = new Map<string, Digest>();
    for (const { selector, hash } of rows.values()) {
      const digest = digests.get(selector) ?? new Digest();
      digest.add(hash);
      digests.set(selector, digest);
    }
    for (const [selector, { hex, rows: count }] of digests) {
      entries.push({ table: name, selector, digest: hex, rows: count });
    }
  }
  return entries;
}

function changedDigests(
  before: readonly DigestEntry[],
  after: readonly DigestEntry[],
): readonly DigestEntry[] {
  const name = ({ table, selector }: DigestEntry): string => `${table}\u0000${selector}`;
  const old = new Map(before.map((entry) => [name(entry), entry.digest]));
  const now = new Set(after.map(name));
  const gone = before.filter((entry) => !now.has(name(entry)));
  return [
    ...after.filter((entry) => old.get(name(entry)) !== entry.digest),
    ...gone.map((entry) => ({ ...entry, digest: EMPTY_DIGEST, rows: 0 })),
  ];
}

function countChanges(before: Version, after: Version): ResyncCounts {
  const counts = { inserted: 0, updated: 0, deleted: 0 };
  for (const [name, { rows }] of after.tables) {
    const old = before.tables.get(name)?.rows;
    for (const [key, row] of rows) {
      const was = old?.get(key);
      if (was === undefined) counts.inserted += 1;
      else if (was !== row && was.hash.join() !== row.hash.join()) counts.updated += 1;
    }
    for (const key of old?.keys() ?? []) if (!rows.has(key)) counts.deleted += 1;
  }
  return counts;
}
