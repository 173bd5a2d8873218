/**
 * What local writes cost: capture against untracked SQLite, sealing against the least that makes lines, and applying into a file that is written to
 * against one that is not. Everything in one run, contestants take turns.
 *
 *   node bench/perf/capture.ts [--rounds 9]
 *
 * 10,000 rows in one transaction, one statement a row but for `update all`. Rates are rows per millisecond of
 * processor time: nothing here waits for the disk.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import { toLsn } from '../../src/core/lsn.ts';
import type { RowChange } from '../../src/core/row-change.ts';
import type { TableDef } from '../../src/core/table.ts';
import type { Cell } from '../../src/core/value.ts';
import { openReplicaStore, type ReplicaStore } from '../../src/sqlite/replica-store.ts';
import { createSnapshotFile } from '../../src/sqlite/snapshot-file.ts';
import { TABLE } from './lib/table.ts';
import { median, processorMs, spread } from './numbers.ts';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '9' } } });
const ROUNDS = Number(values.rounds);
const ROWS = 10_000;
const APPLIED_ROWS = 50_000;

const VERSIONS = 'tidelock.versions_t';
const INTEGER = { name: 'id', type: 'integer', kind: 'int' } as const;
const TEXT_KEYED: TableDef = {
  ...TABLE,
  columns: TABLE.columns.map((column) =>
    column.name === TABLE.key[0] ? { ...column, type: 'text', kind: 'text' } : column,
  ),
};

/** The table as one that is written to, with its companion. */
function twoway(table: TableDef): readonly TableDef[] {
  const columns = table.columns.map(({ name }) => name).filter((name) => !table.key.includes(name));
  const [key = INTEGER] = table.columns;
  const companion: TableDef = {
    ...table,
    name: VERSIONS,
    columns: [
      key,
      { name: 'tidelock_cl', type: 'bigint', kind: 'bigint' },
      { name: 'tidelock_versions', type: 'integer[]', kind: 'text' },
    ],
    indexes: [],
  };
  return [{ ...table, twoway: { versions: VERSIONS, columns } }, companion];
}

type Rates = Map<string, number[]>;

function note(rates: Rates, name: string, rows: number, elapsedMs: number): void {
  rates.set(name, [...(rates.get(name) ?? []), rows / elapsedMs]);
}

function rowOf(table: TableDef, id: number, salt: number): Cell[] {
  const key = table.columns[0]?.kind === 'text' ? `k${String(id).padStart(8, '0')}` : id;
  return [key, id + salt, id + 1, id + 2, `${id + salt}-`.padEnd(100, 'abcdefghij')];
}

/**
 * The least that makes upload lines of rows: each one's text with its key, in a table with the same two indexes, and a
 * copy of the row; one statement for each.
 */
function sealLimit(db: DatabaseSync, { key }: TableDef, name: string): void {
  db.exec(`CREATE TABLE IF NOT EXISTS lines (number INTEGER, seq INTEGER, key TEXT, line TEXT,
      PRIMARY KEY (number, seq)) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS lines_key ON lines (key);
    CREATE TABLE IF NOT EXISTS images AS SELECT * FROM t WHERE false;
    CREATE UNIQUE INDEX IF NOT EXISTS images_key ON images (${key.join()})`);
  const rows = name === 'delete' ? 'images' : 't';
  const text =
    name === 'insert'
      ? 'json_array(id, a, b, c, t)'
      : name === 'delete'
        ? 'json_array(id)'
        : 'json_array(id, a, t)';
  db.exec('BEGIN IMMEDIATE');
  db.exec(
    `INSERT INTO lines SELECT (SELECT coalesce(max(number), 0) + 1 FROM lines), row_number() OVER (), id, ${text} FROM ${rows}`,
  );
  if (name !== 'delete') db.exec(`DELETE FROM images; INSERT INTO images SELECT * FROM t`);
  db.exec('COMMIT');
}

/** Program's writes into a fresh replica file, captured or not. */
function writeLocally(file: string, table: TableDef, isTracked: boolean): Rates {
  const rates: Rates = new Map();
  createSnapshotFile({ file, tables: isTracked ? twoway(table) : [table] }).finish({
    ...{ timeline: 'bench', position: toLsn(1), selectors: [] },
  });
  const store = openReplicaStore({ file, isWritten: isTracked });
  const db = new DatabaseSync(file);
  db.exec('PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16384');
  const ids = Array.from({ length: ROWS }, (_, id) => id);
  const measured = (name: string, work: () => void): void => {
    const elapsedMs = processorMs(() => {
      db.exec('BEGIN IMMEDIATE');
      work();
      db.exec('COMMIT');
    });
    note(rates, name, ROWS, elapsedMs);
    if (!isTracked) {
      note(
        rates,
        `seal ${name}`,
        ROWS,
        processorMs(() => sealLimit(db, table, name)),
      );
      return;
    }
    note(
      rates,
      `seal ${name}`,
      ROWS,
      processorMs(() => void store.local?.seal()),
    );
  };
  const rows = ids.map((id) => rowOf(table, id, 0));
  const insert = db.prepare('INSERT INTO t VALUES (?, ?, ?, ?, ?)');
  measured('insert', () => rows.forEach((row) => void insert.run(...row)));
  const update = db.prepare('UPDATE t SET a = ?, t = ? WHERE id = ?');
  const news = ids.map((id) => rowOf(table, id, 7));
  measured('update', () => {
    for (const [key = null, a = null, , , t = null] of news) update.run(a, t, key);
  });
  measured('update all', () => db.exec('UPDATE t SET b = b + 1'));
  const remove = db.prepare('DELETE FROM t WHERE id = ?');
  measured('delete', () => rows.forEach(([key = null]) => void remove.run(key)));
  db.close();
  store.close();
  return rates;
}

function applyAll(store: ReplicaStore, changes: readonly RowChange[], perCommit: number): void {
  for (let index = 0; index < changes.length; index += perCommit) {
    const transaction = store.begin();
    transaction.apply(changes.slice(index, index + perCommit));
    transaction.commit(toLsn(store.identity.position + 1));
  }
}

/** Remote changes into a file without pending writes. */
function applyRemotely(file: string, isWritten: boolean, perCommit: number): Rates {
  const rates: Rates = new Map();
  createSnapshotFile({ file, tables: isWritten ? twoway(TABLE) : [TABLE] }).finish({
    ...{ timeline: 'bench', position: toLsn(1), selectors: [] },
  });
  const store = openReplicaStore({ file, isWritten });
  const rows = perCommit === 1 ? APPLIED_ROWS / 10 : APPLIED_ROWS;
  for (const type of ['insert', 'update'] as const) {
    const changes = Array.from({ length: rows }, (_, id): RowChange => {
      const row = rowOf(TABLE, id, type === 'insert' ? 0 : 7);
      return { type, table: TABLE.name, selector: '*', row };
    });
    const elapsedMs = processorMs(() => applyAll(store, changes, perCommit));
    note(rates, `apply ${type}, commit per ${perCommit}`, rows, elapsedMs);
  }
  store.close();
  return rates;
}

function compare(
  title: string,
  folder: string,
  run: (file: string, isTracked: boolean) => Rates,
): void {
  const totals = [new Map<string, number[]>(), new Map<string, number[]>()] as const;
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const turn of [round % 2, 1 - (round % 2)]) {
      const file = join(folder, `${round}-${turn}.db`);
      for (const [name, rates] of run(file, turn === 1)) {
        totals[turn === 1 ? 1 : 0].set(name, [
          ...(totals[turn === 1 ? 1 : 0].get(name) ?? []),
          ...rates,
        ]);
      }
      for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true });
    }
  }
  for (const [name, rates] of totals[1]) {
    const plain = totals[0].get(name);
    const ratio =
      plain === undefined ? '' : spread(rates.map((rate, index) => rate / (plain[index] ?? rate)));
    const rate = `${median(rates).toFixed(0)} k rows/s`;
    const against = plain === undefined ? '' : `of ${median(plain).toFixed(0)}`;
    console.log(`${title} ${name}`.padEnd(44), rate.padStart(14), against.padEnd(9), ratio);
  }
}

const folder = mkdtempSync(join(tmpdir(), 'tidelock-bench-'));
try {
  compare('text key:', folder, (file, isTracked) => writeLocally(file, TEXT_KEYED, isTracked));
  compare('integer key:', folder, (file, isTracked) => writeLocally(file, TABLE, isTracked));
  for (const perCommit of [10_000, 1000, 100, 1]) {
    compare('', folder, (file, isWritten) => applyRemotely(file, isWritten, perCommit));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
