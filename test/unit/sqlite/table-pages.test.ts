import { closeSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { TableDef } from '../../../src/core/table.ts';
import type { Cell } from '../../../src/core/value.ts';
import { PageFile } from '../../../src/sqlite/page-file.ts';
import { openReplicaStore } from '../../../src/sqlite/replica-store.ts';
import { ReplicaTable } from '../../../src/sqlite/replica-table.ts';
import { RowStatements } from '../../../src/sqlite/row-statements.ts';
import { createSnapshotFile } from '../../../src/sqlite/snapshot-file.ts';
import { openSql } from '../../../src/sqlite/sql.ts';
import { TablePages } from '../../../src/sqlite/table-pages.ts';
import { tableOf, temporaryFolder, ts } from './replicas.ts';

const ALL_KINDS = tableOf(
  'public.all',
  ['id|bigint', 'i|int', 'big|bigint', 'f|float', 'b|bool', 'bytes|bytes', 'at|timestamptz', 't'],
  ['id'],
);
const NARROW = tableOf('public.t', ['id|int', 't'], ['id']);
const SMALL_PAGE = 512;
/** Children of an interior page of 512 bytes. */
const CHILDREN = 36;

/** These files need not survive a crash of the machine. */
const HASTY = 'PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY';

/** Writes rows as pages into a new file; returns how many were taken. */
function write(file: string, definition: TableDef, rows: readonly Cell[][], pageSize: number) {
  const table = new ReplicaTable(definition, 't');
  const sql = new DatabaseSync(file);
  sql.exec(`PRAGMA page_size = ${pageSize}; ${HASTY}`);
  sql.exec('CREATE TABLE other (a); INSERT INTO other VALUES (1)');
  sql.exec(table.createSql());
  const root = sql.prepare(`SELECT rootpage AS r FROM sqlite_schema WHERE name = 't'`).get()?.r;
  const pages = PageFile.open(file);
  const tree = new TablePages(pages, table, Number(root));
  const taken = rows.filter((row) => tree.add(row)).length;
  tree.finish();
  pages.flush();
  pages.close();
  return { sql, taken, table };
}

function check(sql: DatabaseSync): void {
  expect(sql.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }]);
}

/** What is stored, with SQLite's own types and texts. */
function stored(sql: DatabaseSync, table: ReplicaTable): unknown {
  const cells = table.columns.flatMap((name) => [`typeof(${name})`, `quote(${name})`]);
  const statement = sql.prepare(`SELECT ${cells.join()} FROM t ORDER BY 2`);
  statement.setReturnArrays(true);
  return statement.all();
}

const integer = fc.oneof(
  fc.constantFrom(0, 1, -1, 127, 128, -128, -129, 32_767, 32_768, -32_768, -32_769, 8_388_607),
  fc.constantFrom(8_388_608, -8_388_608, -8_388_609, 2 ** 31 - 1, 2 ** 31, -(2 ** 31)),
  fc.constantFrom(-(2 ** 31) - 1, 2 ** 47 - 1, 2 ** 47, -(2 ** 47), -(2 ** 47) - 1, 2 ** 53 - 1),
  fc.maxSafeInteger(),
);
const text = fc.oneof(
  fc.string({ maxLength: 30 }),
  fc.string({ unit: 'grapheme', maxLength: 30 }),
  fc.tuple(fc.constantFrom('x', 'é', '\0'), fc.nat(3000)).map(([unit, size]) => unit.repeat(size)),
);
const cells = fc.tuple(
  fc.option(integer),
  fc.option(fc.oneof(integer, fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }))),
  fc.option(fc.oneof(fc.double({ noNaN: true }), fc.constant('NaN'))),
  fc.option(fc.constantFrom(0, 1)),
  fc.option(fc.uint8Array({ maxLength: 1500 })),
  fc.option(fc.constantFrom('infinity', '2026-01-01 00:00:00+00:00')),
  fc.option(text),
) as fc.Arbitrary<Cell[]>;
const rowsOfAllKinds = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 2 ** 40 }), cells), { maxLength: 60 })
  .map((gaps) => {
    let id = -1;
    return gaps.map(([gap, rest]) => {
      id += gap;
      return [id, ...rest];
    });
  });

describe('the pages of a table', () => {
  test.each([SMALL_PAGE, 4096, 65_536])(
    'hold what SQLite would have stored, by %s bytes',
    (pageSize) => {
      fc.assert(
        fc.property(rowsOfAllKinds, (rows) => {
          using folder = temporaryFolder();
          const { sql, taken, table } = write(join(folder.path, 'a.db'), ALL_KINDS, rows, pageSize);
          expect(taken).toBe(rows.length);
          check(sql);
          const other = openSql(join(folder.path, 'b.db'), { timeoutMs: 0 });
          other.exec(HASTY);
          other.exec(table.createSql());
          new RowStatements(other, table).insert(rows);
          expect(stored(sql, table)).toEqual(stored(other as DatabaseSync, table));
          sql.close();
          other.close();
        }),
        { numRuns: 25 },
      );
    },
  );

  test.each([
    ...Array.from({ length: 4 * CHILDREN }, (_, count) => count),
    ...[-2, -1, 0, 1, 2, 3].flatMap((more) => [
      CHILDREN * CHILDREN + more,
      CHILDREN * (CHILDREN + 1) + more,
      CHILDREN * (CHILDREN + 2) + more,
    ]),
  ])('are a sound tree over %s leaves, before and after SQLite changed it', (count) => {
    using folder = temporaryFolder();
    // One row fills a leaf.
    const rows = Array.from({ length: count }, (_, id): Cell[] => [
      id * 3,
      `${id}`.padEnd(400, 'x'),
    ]);
    const { sql } = write(join(folder.path, 'a.db'), NARROW, rows, SMALL_PAGE);
    check(sql);
    expect(sql.prepare('SELECT count(*) AS n, sum(id) AS s FROM t').get()).toEqual({
      n: count,
      s: count === 0 ? null : (3 * count * (count - 1)) / 2,
    });
    const insert = sql.prepare('INSERT INTO t VALUES (?, ?)');
    for (let id = 1; id < 3 * count; id += 97 + (id % 2)) insert.run(id * 3 + 1, 'y'.repeat(300));
    sql.prepare('DELETE FROM t WHERE id % 7 < 3').run();
    check(sql);
    sql.close();
  });

  test('of four levels are sound', () => {
    using folder = temporaryFolder();
    const count = CHILDREN ** 3 + 5; // pages of one row each
    const rows = Array.from({ length: count }, (_, id): Cell[] => [id, 'x'.repeat(400)]);
    const { sql } = write(join(folder.path, 'a.db'), NARROW, rows, SMALL_PAGE);
    check(sql);
    expect(sql.prepare('SELECT count(*) AS n FROM t').get()).toEqual({ n: count });
    sql.close();
  });

  test('take no row whose key is not above the last, or is not plain', () => {
    using folder = temporaryFolder();
    const rows: Cell[][] = [
      [-5, 'no'],
      [3, 'yes'],
      [3, 'no'],
      [2, 'no'],
      [2n ** 60n, 'no'],
      [2 ** 53 - 1, 'yes'],
    ];
    const { sql, taken } = write(join(folder.path, 'a.db'), NARROW, rows, 4096);
    expect(taken).toBe(2);
    expect(sql.prepare('SELECT t FROM t ORDER BY id').all()).toEqual([{ t: 'yes' }, { t: 'yes' }]);
    sql.close();
  });

  test('leave out the page of SQLite’s locks', () => {
    using folder = temporaryFolder();
    const file = join(folder.path, 'a.db');
    const sql = new DatabaseSync(file);
    sql.exec('PRAGMA page_size = 65536; CREATE TABLE t (a)');
    sql.close();
    const lockPage = 2 ** 30 / 65_536 + 1;
    const descriptor = openSync(file, 'r+');
    const count = Buffer.alloc(4);
    count.writeUInt32BE(lockPage - 2);
    writeSync(descriptor, count, 0, 4, 28);
    ftruncateSync(descriptor, (lockPage - 2) * 65_536);
    const pages = PageFile.open(file);
    const page = Buffer.alloc(65_536, 1);
    expect([pages.append(page), pages.next, pages.append(page), pages.append(page)]).toEqual([
      lockPage - 1,
      lockPage + 1,
      lockPage + 1,
      lockPage + 2,
    ]);
    pages.flush();
    pages.close();
    const byteAt = (position: number): number => {
      const byte = Buffer.alloc(1);
      readSync(descriptor, byte, 0, 1, position);
      return byte[0] ?? 0;
    };
    const places = [-2, -1, 0, 1].map((more) => byteAt((lockPage + more) * 65_536));
    expect(places).toEqual([1, 0, 1, 1]);
    closeSync(descriptor);
  });
});

/** Every row once, in a random order; `disorder`: how many of ten rows stay out of place. */
function shuffled(count: number, disorder: number): number[] {
  const ids = Array.from({ length: count }, (_, id) => id - 3);
  for (let index = 0; index < count; index += 1) {
    const other = (index * 7919 + 13) % count;
    if (index % 10 >= disorder) continue;
    [ids[index], ids[other]] = [ids[other] ?? 0, ids[index] ?? 0];
  }
  return ids;
}

describe('a snapshot file', () => {
  // The name of a collation too, which REINDEX must not take it for.
  const TEXT_KEY = tableOf('public.nocase', ['k', 'n|int'], ['k'], 'k');
  const TWO_KEYS: TableDef = {
    ...tableOf('public.two', ['a|int', 'b', 'n|int'], ['b', 'a']),
    indexes: [{ name: 'by_n', columns: ['n'] }],
  };
  const BIG_KEY = tableOf('public.big', ['id|bigint', 't'], ['id']);

  test.each([0, 1, 5, 10])(
    'is sound whatever the order of rows, %s of ten out of place',
    async (disorder) => {
      using folder = temporaryFolder();
      const file = join(folder.path, 's.db');
      const tables = [NARROW, TEXT_KEY, TWO_KEYS, BIG_KEY];
      const snapshot = createSnapshotFile({ file, tables });
      const ids = shuffled(5000, disorder);
      const big = (id: number): Cell => (id < 0 ? BigInt(id) - 2n ** 60n : id);
      for (const id of ids) snapshot.row('public.t', '*', [id, `row ${id}`]);
      for (const id of ids) snapshot.row('public.nocase', `k${id}`, [`k${id}`, id]);
      for (const id of ids) snapshot.row('public.two', '*', [id, 'b'.repeat(id & 7), id % 10]);
      for (const id of ids) snapshot.row('public.big', '*', [big(id), `${id}`.repeat(id & 15)]);
      snapshot.finish({ timeline: 't', position: ts(1), selectors: [] });
      const sql = new DatabaseSync(file);
      check(sql);
      for (const name of ['t', 'nocase', 'two', 'big']) {
        expect(sql.prepare(`SELECT count(*) AS n FROM ${name}`).get()).toEqual({ n: ids.length });
      }
      expect(sql.prepare('SELECT n FROM nocase WHERE k = ?').get('k4000')).toEqual({ n: 4000 });
      expect(sql.prepare('SELECT count(*) AS n FROM two WHERE n = 3').get()).toEqual({ n: 500 });
      sql.close();
      const store = openReplicaStore({ file });
      const bySelector = (entries: Awaited<ReturnType<typeof store.scanDigests>>) =>
        [...entries].sort((a, b) =>
          `${a.table}${a.selector}` < `${b.table}${b.selector}` ? -1 : 1,
        );
      expect(bySelector(await store.scanDigests())).toEqual(bySelector(store.digests()));
      store.close();
    },
  );

  test('is sound with more text keys than are indexed in one go', () => {
    using folder = temporaryFolder();
    const file = join(folder.path, 's.db');
    const snapshot = createSnapshotFile({ file, tables: [TEXT_KEY] });
    const count = 100_500;
    for (let n = 0; n < count; n += 1) {
      snapshot.row('public.nocase', 'all', [`${(n * 7919) % count} ${n}`, n]);
    }
    snapshot.finish({ timeline: 't', position: ts(1), selectors: [] });
    const sql = new DatabaseSync(file);
    check(sql);
    expect(sql.prepare('SELECT count(k) AS n FROM nocase').get()).toEqual({ n: count });
    sql.close();
  });

  test.each([
    ['in order', [1, 2, 2]],
    ['out of order', [1, 3, 2, 1]],
  ])('refuses a key that comes twice, %s', (_name, ids) => {
    using folder = temporaryFolder();
    const snapshot = createSnapshotFile({ file: join(folder.path, 's.db'), tables: [NARROW] });
    for (const id of ids) snapshot.row('public.t', '*', [id, '']);
    expect(() => snapshot.finish({ timeline: 't', position: ts(1), selectors: [] })).toThrow();
    snapshot.abort();
  });

  test('refuses a text key that comes twice', () => {
    using folder = temporaryFolder();
    const snapshot = createSnapshotFile({ file: join(folder.path, 's.db'), tables: [TEXT_KEY] });
    for (const k of ['a', 'b', 'a']) snapshot.row('public.nocase', k, [k, 1]);
    expect(() => snapshot.finish({ timeline: 't', position: ts(1), selectors: [] })).toThrow();
    snapshot.abort();
  });
});
