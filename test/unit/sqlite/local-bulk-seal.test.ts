import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Cell } from '../../../src/core/value.ts';
import { openReplicaStore } from '../../../src/sqlite/replica-store.ts';
import { createSnapshotFile } from '../../../src/sqlite/snapshot-file.ts';
import { companionOf, twowayOf } from './local-bed.ts';
import { temporaryFolder, ts } from './replicas.ts';

const COLUMNS = ['k', 'note', 'n|int', 'big|bigint', 'ok|bool', 'f|float', 'raw|bytes', 'op'];
const WIDE = twowayOf('public.wide', COLUMNS, ['k']);
const NAMES = ['note', 'n', 'big', 'ok', 'f', 'raw', 'op'];
/** A key of several columns, a dropped column, and names that the statements use themselves. */
const PAIR = twowayOf('public.pair', ['b|int', 'id', 'versions', 'cl|int'], ['id', 'b']);
const DROPPED = { ...PAIR, twoway: { ...PAIR.twoway, columns: ['versions', 'gone', 'cl'] } };

const TEXTS = [null, '', 'text', 'quote \' and " and \\', 'ключ\n\u0001\u2028', '{"a":1}'];
/** Values that columns may hold in SQLite; what changes on its way to the server and back is not among them. */
const CELLS: Readonly<Record<string, readonly Cell[]>> = {
  ...{ note: TEXTS, op: TEXTS, versions: TEXTS },
  ...{ n: [null, 0, -5, 2 ** 31, 'odd'], cl: [null, 0, 7, 'odd'] },
  ...{ big: [null, 0, 2 ** 53, 2n ** 62n, -(2n ** 60n), 'odd'], ok: [null, 0, 1, 'odd'] },
  ...{ f: [null, 0.5, -0, 0, 1e300, 3, 'odd'], raw: [null, new Uint8Array([1, 0, 255])] },
};

const write = fc.record({
  table: fc.constantFrom('wide', 'pair'),
  kind: fc.constantFrom(
    'insert',
    'insert',
    'update',
    'update',
    'replace',
    'delete',
    'move',
    'none',
  ),
  key: fc.nat(5),
  column: fc.nat(6),
  value: fc.nat(20),
  isBoundary: fc.boolean(),
});
type Write = typeof write extends fc.Arbitrary<infer T> ? T : never;

function statementOf({
  table,
  kind,
  key,
  column,
  value,
}: Write): readonly [string, readonly Cell[]] {
  const keys: readonly Cell[] = table === 'wide' ? [`k${key}'"`] : [key, `p${key % 2}`];
  const names = table === 'wide' ? NAMES : ['versions', 'cl'];
  const name = names[column % names.length] ?? '';
  const where = table === 'wide' ? 'k = ?' : 'b = ? AND id = ?';
  const cellOf = (each: string, salt: number): Cell => {
    const cells = CELLS[each] ?? [];
    return cells[(value + salt) % cells.length] ?? null;
  };
  const cell = cellOf(name, 0);
  const values = names.map(cellOf);
  const places = [...keys, ...values].map(() => '?').join();
  switch (kind) {
    case 'insert':
      return [`INSERT OR IGNORE INTO ${table} VALUES (${places})`, [...keys, ...values]];
    case 'replace':
      return [`INSERT OR REPLACE INTO ${table} VALUES (${places})`, [...keys, ...values]];
    case 'update':
      return [`UPDATE ${table} SET ${name} = ? WHERE ${where}`, [cell, ...keys]];
    case 'delete':
      return [`DELETE FROM ${table} WHERE ${where}`, keys];
    case 'move':
      return table === 'wide'
        ? [`UPDATE OR IGNORE wide SET k = k || 'x' WHERE k = ?`, keys]
        : [`UPDATE OR IGNORE pair SET b = b + 10 WHERE ${where}`, keys];
    default:
      return [`UPDATE ${table} SET ${name} = ${name} WHERE ${where}`, keys];
  }
}

/** A file with rows of every age: never changed, changed, deleted, inserted again. */
function prepare(file: string): void {
  const tables = [WIDE, companionOf(WIDE), DROPPED, companionOf(DROPPED)];
  const snapshot = createSnapshotFile({ file, tables });
  for (const key of [0, 1, 2]) {
    snapshot.row(WIDE.name, '*', [`k${key}'"`, 'a', 1, 2n, 1, 0.5, new Uint8Array([1]), 'b']);
  }
  const companions = [
    ['1', 1, '{2,NULL,1,1,7,1,3}'],
    ['2', 3, null],
    ['3', 2, null],
    ['4', 4, null],
  ] as const;
  for (const [key, cl, versions] of companions) {
    snapshot.row(WIDE.twoway.versions, '*', [`k${key}'"`, cl, versions]);
  }
  for (const key of [0, 1, 2]) snapshot.row(DROPPED.name, '*', [key, `p${key % 2}`, 'v', 1]);
  snapshot.row(DROPPED.twoway.versions, '*', ['p1', 1, 1, '{1,5,2}']);
  snapshot.finish({ timeline: 't1', position: ts(100), selectors: [] });
}

/** Everything that sealing wrote. */
function sealed(file: string): unknown {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    const all = (sql: string): unknown => {
      const statement = db.prepare(sql);
      statement.setReadBigInts(true);
      return statement.all();
    };
    return [
      all('SELECT number, state FROM tidelock_transactions ORDER BY number'),
      all('SELECT number, table_name, key, line FROM tidelock_pending ORDER BY number, seq'),
      all('SELECT * FROM tidelock_base_1 ORDER BY k'),
      all('SELECT * FROM tidelock_base_2 ORDER BY id, b'),
      all('SELECT last, (SELECT count(*) FROM tidelock_log) AS logged FROM tidelock_local'),
    ];
  } finally {
    db.close();
  }
}

test('statements seal what the sealer row by row does, to the byte', () => {
  const batches = fc.array(fc.array(write, { minLength: 1, maxLength: 12 }), { maxLength: 4 });
  fc.assert(
    fc.property(batches, (all) => {
      using folder = temporaryFolder();
      const files = [join(folder.path, 'rows.db'), join(folder.path, 'bulk.db')] as const;
      prepare(files[0]);
      copyFileSync(...files);
      const stores = [Number.MAX_SAFE_INTEGER, 1].map((bulkEntriesMin, index) =>
        openReplicaStore({ file: files[index] ?? '', isWritten: true, bulkEntriesMin }),
      );
      for (const batch of all) {
        for (const [index, file] of files.entries()) {
          const db = new DatabaseSync(file);
          for (const each of batch) {
            const [sql, cells] = statementOf(each);
            db.prepare(sql).run(...cells);
            if (each.isBoundary) db.exec('INSERT INTO tidelock_boundary VALUES (NULL)');
          }
          db.close();
          stores[index]?.local?.seal();
        }
        expect(sealed(files[1])).toEqual(sealed(files[0]));
      }
      for (const store of stores) store.close();
    }),
    { numRuns: 40 },
  );
}, 60_000);

test('ten thousand rows of one statement are sealed by statements, and a few odd ones among them', () => {
  using folder = temporaryFolder();
  const file = join(folder.path, 'r.db');
  prepare(file);
  using store = Object.assign(openReplicaStore({ file, isWritten: true }), {
    [Symbol.dispose]: () => store.close(),
  });
  const db = new DatabaseSync(file);
  db.exec(`INSERT INTO wide (k, note, f) WITH RECURSIVE g(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM g WHERE i < 10000)
    SELECT 'n' || i, 'text', CASE i WHEN 77 THEN 0.25 END FROM g; UPDATE wide SET note = 'x' WHERE k = 'n5'`);
  db.close();
  store.local?.seal();
  const upload = store.local?.nextUpload(0, 100_000_000);
  expect(upload).toMatchObject({ transactions: 1, changes: 10_001 });
  expect(upload?.lines[77]).toBe(
    '["i","public.wide",1,["n77"],["text",null,null,null,0.25,null,null]]',
  );
  expect(upload?.lines.at(-1)).toBe(`["u","public.wide",1,["n5"],[[0,2,"x"]]]`);
});
