/**
 * How fast a replica applies rows, against a bare upsert loop on the same file layout, in the same run.
 *
 *   node bench/perf/apply.ts [--rows 200000] [--rounds 5]
 *
 * Per workload, three contestants take turns (the order rotates): `bare` binds rows to a prepared 20-row
 * upsert and commits every 10,000 rows; `off` is the replica store without digests; `on` with them. Rates are
 * rows per millisecond of processor time: nothing here waits for the disk.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import { toLsn } from '../../src/core/lsn.ts';
import type { RowChange } from '../../src/core/row-change.ts';
import type { Cell } from '../../src/core/value.ts';
import { openReplicaStore } from '../../src/sqlite/replica-store.ts';
import { createSnapshotFile } from '../../src/sqlite/snapshot-file.ts';
import { TABLE } from './lib/table.ts';
import { median, processorMs, spread } from './numbers.ts';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '200000' },
    rounds: { type: 'string', default: '5' },
  },
});
const ROWS = Number(values.rows);
const ROUNDS = Number(values.rounds);
const COMMIT_ROWS = 10_000;
const BATCH = 20;

type Row = Cell[];
type Workload = {
  readonly name: string;
  /** Rows that are there before the clock starts. */
  readonly before: readonly Row[];
  readonly changes: readonly RowChange[];
  readonly commitRows: number;
};

function rowsOf(salt: number): Row[] {
  return Array.from({ length: ROWS }, (_, id) => {
    return [id, id + salt, id + 1, id + 2, `${id + salt}-`.padEnd(100, 'abcdefghij')];
  });
}

function workloads(): readonly Workload[] {
  const before = rowsOf(0);
  const shuffled = (row: Row): number => (Number(row[0]) * 7919) % ROWS;
  const after = rowsOf(7);
  const insert = (row: Row): RowChange => ({
    type: 'insert',
    table: TABLE.name,
    selector: '*',
    row,
  });
  const update = (row: Row): RowChange => ({
    type: 'update',
    table: TABLE.name,
    selector: '*',
    row,
  });
  const remove = (row: Row): RowChange => ({
    type: 'delete',
    table: TABLE.name,
    selector: '*',
    key: [row[0] ?? null],
  });
  return [
    { name: 'insert', before: [], changes: before.map(insert), commitRows: COMMIT_ROWS },
    { name: 'update in order', before, changes: after.map(update), commitRows: COMMIT_ROWS },
    {
      name: 'update at random',
      before,
      changes: after.map((row) => update(after[shuffled(row)] ?? row)),
      commitRows: COMMIT_ROWS,
    },
    { name: 'delete', before, changes: before.map(remove), commitRows: COMMIT_ROWS },
    {
      name: 'insert, commit per 100',
      before: [],
      changes: before.map(insert),
      commitRows: 100,
    },
    {
      name: 'insert, commit per row',
      before: [],
      changes: before.slice(0, ROWS / 10).map(insert),
      commitRows: 1,
    },
  ];
}

function ours(file: string, workload: Workload, isDigestKept: boolean): number {
  const store = openReplicaStore({ file, isDigestKept });
  let position = 1;
  const elapsedMs = processorMs(() => {
    for (let index = 0; index < workload.changes.length; index += workload.commitRows) {
      const transaction = store.begin();
      transaction.apply(workload.changes.slice(index, index + workload.commitRows));
      position += 1;
      transaction.commit(toLsn(position));
    }
  });
  store.close();
  return elapsedMs;
}

function bare(file: string, workload: Workload): number {
  const sql = new DatabaseSync(file);
  sql.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16384');
  const tail =
    'ON CONFLICT (id) DO UPDATE SET a = excluded.a, b = excluded.b, c = excluded.c, t = excluded.t';
  const text = (count: number) =>
    `INSERT INTO t VALUES ${Array(count).fill('(?,?,?,?,?)').join()} ${tail}`;
  const many = sql.prepare(text(BATCH));
  const one = sql.prepare(text(1));
  const removal = sql.prepare('DELETE FROM t WHERE id = ?');
  const position = sql.prepare('UPDATE tidelock_replica SET position = ?');
  const elapsedMs = processorMs(() => {
    for (let index = 0; index < workload.changes.length; index += workload.commitRows) {
      sql.exec('BEGIN IMMEDIATE');
      let cells: Cell[] = [];
      for (const change of workload.changes.slice(index, index + workload.commitRows)) {
        if (change.type === 'delete') removal.run(change.key[0] ?? null);
        if (change.type !== 'insert' && change.type !== 'update') continue;
        for (const cell of change.row) cells.push(cell);
        if (cells.length < BATCH * 5) continue;
        many.run(...cells);
        cells = [];
      }
      for (let at = 0; at < cells.length; at += 5) one.run(...cells.slice(at, at + 5));
      position.run(String(index));
      sql.exec('COMMIT');
    }
  });
  sql.close();
  return elapsedMs;
}

function prepare(file: string, workload: Workload): void {
  const snapshot = createSnapshotFile({ file, tables: [TABLE] });
  for (const row of workload.before) snapshot.row(TABLE.name, '*', row);
  snapshot.finish({ timeline: 'bench', position: toLsn(1), selectors: [] });
}

const CONTESTANTS: readonly {
  readonly name: string;
  readonly run: (file: string, workload: Workload) => number;
}[] = [
  { name: 'bare', run: bare },
  { name: 'off', run: (file, workload) => ours(file, workload, false) },
  { name: 'on', run: (file, workload) => ours(file, workload, true) },
];

function measure(workload: Workload, folder: string): void {
  const rates = new Map<string, number[]>(CONTESTANTS.map(({ name }) => [name, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (let turn = 0; turn < CONTESTANTS.length; turn += 1) {
      const contestant = CONTESTANTS[(round + turn) % CONTESTANTS.length];
      if (contestant === undefined) continue;
      const file = join(folder, `${round}-${contestant.name}.db`);
      prepare(file, workload);
      const elapsedMs = contestant.run(file, workload);
      rates.get(contestant.name)?.push(workload.changes.length / elapsedMs);
      for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true });
    }
  }
  const [bareRates = [], off = [], on = []] = [...rates.values()];
  const ratio = (a: readonly number[], b: readonly number[]) =>
    spread(a.map((rate, round) => rate / (b[round] ?? rate)));
  console.log(
    `${workload.name.padEnd(24)} on/off ${ratio(on, off)}  off/bare ${ratio(off, bareRates)}  on/bare ${ratio(on, bareRates)}  k rows per processor s: bare ${median(bareRates).toFixed(0)} off ${median(off).toFixed(0)} on ${median(on).toFixed(0)}`,
  );
  const ratios = on.map((rate, round) => rate / (off[round] ?? rate));
  const result = { bench: 'apply', workload: workload.name, ratio: median(ratios) };
  console.log(JSON.stringify(result));
}

const folder = mkdtempSync(join(tmpdir(), 'tidelock-bench-'));
try {
  for (const workload of workloads()) measure(workload, folder);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
