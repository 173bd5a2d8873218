import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { quoteName } from '../../../src/core/table.ts';
import type { Cell } from '../../../src/core/value.ts';
import type { LocalWrites } from '../../../src/sqlite/local-writes.ts';
import { openReplicaStoreOn, type ReplicaStore } from '../../../src/sqlite/replica-store.ts';
import { createSnapshotFile } from '../../../src/sqlite/snapshot-file.ts';
import { openSql } from '../../../src/sqlite/sql.ts';
import { FailingSql } from './failing-sql.ts';
import { type Answer, ModelSource, type Twoway, twowayOf } from './local-bed.ts';
import { brokenInvariants, readAll, show } from './local-inspector.ts';
import { commit, temporaryFolder, ts } from './replicas.ts';

/** Few keys, so that writes meet; row ids, texts and pairs as keys; names that need quotes. */
const TABLES: readonly Twoway[] = [
  twowayOf('public.text', ['id', 'name', 'n|bigint', 'raw|bytes'], ['id']),
  twowayOf('public.row id', ['id|int', 'share|float', 'flag|bool'], ['id']),
  twowayOf('public.p"air', ['a "b"|int', "it's", 'note'], ["it's", 'a "b"']),
];

/** Resolved against the table's own names when it runs. */
type Write = {
  readonly table: number;
  readonly kind: number;
  readonly key: number;
  readonly other: number;
  readonly value: number;
};

type Step =
  | { readonly kind: 'local'; readonly writes: readonly Write[]; readonly isRecursive: boolean }
  | { readonly kind: 'boundary' | 'seal' | 'lost' | 'settle' | 'reopen' | 'crash' | 'resync' }
  | { readonly kind: 'upload'; readonly bytesMax: number; readonly refused: readonly boolean[] }
  | { readonly kind: 'remote'; readonly write: Write }
  | { readonly kind: 'pull'; readonly commits: number };

const write: fc.Arbitrary<Write> = fc.record({
  table: fc.nat({ max: TABLES.length - 1 }),
  kind: fc.nat({ max: 11 }),
  key: fc.nat({ max: 3 }),
  other: fc.nat({ max: 3 }),
  value: fc.nat({ max: 5 }),
});

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(fc.array(write, { minLength: 1, maxLength: 4 }), fc.boolean())
      .map(([writes, isRecursive]): Step => ({ kind: 'local', writes, isRecursive })),
  },
  { weight: 6, arbitrary: write.map((each): Step => ({ kind: 'remote', write: each })) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.constantFrom(1, 200, 100_000), fc.array(fc.boolean(), { maxLength: 5 }))
      .map(([bytesMax, refused]): Step => ({ kind: 'upload', bytesMax, refused })),
  },
  { weight: 5, arbitrary: fc.nat({ max: 3 }).map((commits): Step => ({ kind: 'pull', commits })) },
  {
    weight: 7,
    arbitrary: fc
      .constantFrom('boundary', 'seal', 'lost', 'settle', 'settle', 'reopen', 'crash', 'resync')
      .map((kind): Step => ({ kind }) as Step),
  },
);

/** One file, the programs that write to it, and its way to the server. */
class World {
  readonly #folder: string;
  readonly source = new ModelSource(TABLES);
  store: ReplicaStore;
  #file: string;
  #files = 0;
  readonly #bulkEntriesMin: number;
  /** An answer that is on its way. */
  #answer: Answer | null = null;

  constructor(folder: string, isBulk: boolean) {
    this.#folder = folder;
    this.#bulkEntriesMin = isBulk ? 1 : Number.MAX_SAFE_INTEGER;
    this.#file = join(folder, 'r0.db');
    const file = this.#file;
    for (const [table] of TABLES.entries()) {
      for (const key of [0, 1]) this.#writeRemotely({ table, kind: 1, key, other: 0, value: 2 });
    }
    this.source.commits.length = 0;
    const snapshot = createSnapshotFile({ file, tables: this.source.definitions });
    for (const change of this.source.snapshot()) {
      if (change.type === 'insert') snapshot.row(change.table, change.selector, change.row);
    }
    snapshot.finish({
      timeline: this.source.timeline,
      position: ts(this.source.position),
      selectors: [],
    });
    this.store = this.#open();
  }

  get local(): LocalWrites {
    if (this.store.local === null) throw new Error('the store was opened for writing');
    return this.store.local;
  }

  async run(step: Step): Promise<void> {
    switch (step.kind) {
      case 'local':
        this.#writeLocally(step.writes, step.isRecursive);
        return;
      case 'boundary':
        this.#foreign((db) => db.exec('INSERT INTO tidelock_boundary VALUES (NULL)'));
        return;
      case 'seal':
        this.#seal();
        return;
      case 'lost':
        this.#answer = null;
        return;
      case 'settle':
        if (this.#answer !== null) this.local.settle(this.#answer);
        return;
      case 'reopen':
        this.store.close();
        this.store = this.#open();
        return;
      case 'crash':
        this.#crash();
        return;
      case 'resync':
        this.#resync();
        return;
      case 'upload':
        this.#upload(step.bytesMax, [...step.refused]);
        return;
      case 'remote':
        this.#writeRemotely(step.write);
        return;
      default:
        this.#pull(step.commits);
    }
  }

  /** Everything arrives everywhere. */
  quiesce(): void {
    for (let round = 0; round < 3; round += 1) {
      this.#seal();
      this.#upload(100_000, []);
      if (this.#answer !== null) this.local.settle(this.#answer);
      this.#pull(1000);
    }
  }

  /** What a program reads, by table. */
  rows(): Readonly<Record<string, readonly string[]>> {
    const stored = this.store.storedTables;
    return this.#foreign((db) =>
      Object.fromEntries(
        TABLES.map(({ name }) => {
          const table = stored.find((each) => each.table.name === name)?.table;
          if (table === undefined) throw new Error(`no table ${name}`);
          return [name, readAll(db, table, table.localName).map(show).toSorted()];
        }),
      ),
    );
  }

  #open(): ReplicaStore {
    // Syncs nothing: hundreds of these files are made, and none outlives a crash of the machine.
    const { sql } = new FailingSql(openSql(this.#file, { timeoutMs: 100 }));
    const bulkEntriesMin = this.#bulkEntriesMin;
    return openReplicaStoreOn(sql, { file: this.#file, isWritten: true, bulkEntriesMin });
  }

  #foreign<T>(work: (db: DatabaseSync) => T): T {
    const db = new DatabaseSync(this.#file, { defensive: true });
    try {
      return work(db);
    } finally {
      db.close();
    }
  }

  #writeLocally(writes: readonly Write[], isRecursive: boolean): void {
    this.#foreign((db) => {
      db.exec(`PRAGMA recursive_triggers = ${isRecursive ? 'ON' : 'OFF'}`);
      db.exec('BEGIN IMMEDIATE');
      for (const each of writes) {
        const [sql, cells] = statementOf(each) ?? ['SELECT 1', []];
        db.prepare(sql).run(...cells);
      }
      db.exec('COMMIT');
    });
  }

  #seal(): void {
    const before = this.rows();
    this.local.seal();
    expect(this.rows()).toEqual(before);
  }

  #upload(bytesMax: number, refused: boolean[]): void {
    const upload = this.local.nextUpload(this.local.settled, bytesMax);
    if (upload === null) return;
    const lines = [...upload.lines, ...[...(upload.rest?.() ?? [])].flat()];
    this.#answer = this.source.upload(this.local.site, lines, () => refused.pop() ?? false);
  }

  #writeRemotely({ table: index, kind, key, value }: Write): void {
    const table = TABLES[index % TABLES.length];
    if (table === undefined) return;
    const values =
      kind % 4 === 0
        ? null
        : new Map(table.twoway.columns.map((name) => [name, cellFor(table, name, value + kind)]));
    this.source.write(table.name, keyFor(table, key), values);
  }

  #pull(commits: number): void {
    for (const { position, changes } of this.source.commits.splice(0, commits)) {
      commit(this.store, position, changes);
    }
  }

  /** The process dies, and what is on the disk is copied while it still has the file open. */
  #crash(): void {
    const old = this.store;
    this.#files += 1;
    const next = join(this.#folder, `r${this.#files}.db`);
    for (const suffix of ['', '-wal']) {
      if (existsSync(this.#file + suffix)) copyFileSync(this.#file + suffix, next + suffix);
    }
    this.#file = next;
    this.store = this.#open();
    old.close();
    this.#answer = null;
  }

  #resync(): void {
    const { source } = this;
    const resync = this.store.beginResync(4);
    resync.define(source.definitions);
    for (const { name } of source.definitions) resync.replace(name, [0, 1, 2, 3]);
    resync.insert(source.snapshot());
    resync.commit({
      server: 'test',
      timeline: source.timeline,
      position: ts(source.position),
      selectors: [],
    });
    source.commits.length = 0;
  }
}

/** One statement of a program. */
function statementOf({
  table: index,
  kind,
  key,
  other,
  value,
}: Write): readonly [sql: string, cells: readonly Cell[]] | null {
  const table = TABLES[index % TABLES.length];
  if (table === undefined) return null;
  const name = quoteName(table.name.slice('public.'.length));
  const all = table.columns.map((column) => quoteName(column.name));
  const keys = table.key.map(quoteName);
  const values = table.twoway.columns.map(quoteName);
  const [first = ''] = values;
  const row = (salt: number): Cell[] =>
    table.columns.map((column) => {
      const place = table.key.indexOf(column.name);
      return place >= 0
        ? (keyFor(table, key)[place] ?? null)
        : cellFor(table, column.name, value + salt);
    });
  const cell = cellFor(table, table.twoway.columns[0] ?? '', value);
  const where = keys.map((each) => `${each} = ?`).join(' AND ');
  const places = all.map(() => '?').join();
  const insert = `INTO ${name} (${all.join()}) VALUES (${places})`;
  const [to, from] = [keyFor(table, other), keyFor(table, key)];
  const sets = keys.map((each) => `${each} = ?`).join();
  switch (kind) {
    case 0:
    case 1:
      return [`INSERT OR REPLACE ${insert}`, row(0)];
    case 2:
      return [
        `INSERT ${insert} ON CONFLICT (${keys.join()}) DO UPDATE SET ${first} = excluded.${first}`,
        row(0),
      ];
    case 3:
      return [`INSERT OR IGNORE ${insert}`, row(0)];
    case 4:
    case 5:
      return [`UPDATE ${name} SET ${first} = ? WHERE ${where}`, [cell, ...from]];
    case 6:
      return [`UPDATE OR REPLACE ${name} SET ${sets} WHERE ${where}`, [...to, ...from]];
    case 7:
      return [
        `UPDATE OR IGNORE ${name} SET ${sets}, ${first} = ? WHERE ${where}`,
        [...to, cell, ...from],
      ];
    case 8:
      return [`UPDATE ${name} SET ${values.map((each) => `${each} = NULL`).join()}`, []];
    case 9:
      return value === 0 ? [`DELETE FROM ${name}`, []] : null;
    default:
      return [`DELETE FROM ${name} WHERE ${where}`, from];
  }
}

function keyFor(table: Twoway, key: number): readonly Cell[] {
  return table.key.map((name) => {
    const kind = table.columns.find((column) => column.name === name)?.kind;
    if (table.key.length > 1) return kind === 'int' ? key % 2 : `k${key >> 1}`;
    return kind === 'int' ? key : `k${key}`;
  });
}

function cellFor(table: Twoway, name: string, value: number): Cell {
  if (value % 5 === 4) return null;
  switch (table.columns.find((column) => column.name === name)?.kind) {
    case 'bigint':
      return value % 2 === 0 ? value : 9_007_199_254_740_993n + BigInt(value);
    case 'bytes':
      return new Uint8Array([value, 0, 255]);
    case 'float':
      return [-0, 0.5, Number.POSITIVE_INFINITY, 1e300][value % 4] ?? 0;
    case 'bool':
      return value % 2;
    default:
      return `v${value}'"`;
  }
}

const RUNS = 40;
const steps = fc.array(step, { minLength: 5, maxLength: 40 });

test('P9: after any local and remote writes, answers, crashes and snapshots, file, base and Postgres are equal', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.boolean(), async (steps, isBulk) => {
      using folder = temporaryFolder();
      const world = new World(folder.path, isBulk);
      for (const each of steps) {
        await world.run(each);
        expect(await brokenInvariants(world.store)).toEqual([]);
      }
      world.quiesce();
      expect(await brokenInvariants(world.store)).toEqual([]);
      const { source, local, store } = world;
      expect(world.rows()).toEqual(
        Object.fromEntries(
          TABLES.map((table) => [table.name, source.rows(table).map(show).toSorted()]),
        ),
      );
      expect(local.counts).toMatchObject({ pending: 0, uploaded: 0 });
      expect(local.included).toBe(local.last);
      expect(local.rejections().map(({ line }) => JSON.parse(line))).toEqual(source.rejected);
      store.close();
    }),
    { numRuns: RUNS },
  );
}, 60_000);
