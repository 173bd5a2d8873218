/**
 * How fast a snapshot file is built, against bare 20-row inserts into a file without journal, in one run.
 *
 *   node bench/perf/snapshot-file.ts [--rows 300000] [--rounds 5]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import { toLsn } from '../../src/core/lsn.ts';
import type { Cell } from '../../src/core/value.ts';
import { createSnapshotFile } from '../../src/sqlite/snapshot-file.ts';
import { TABLE } from './lib/table.ts';
import { median, processorMs, spread } from './numbers.ts';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '300000' },
    rounds: { type: 'string', default: '5' },
  },
});
const ROWS = Number(values.rows);
const BATCH = 20;

/** A fresh row per call, as a decoder makes it. */
function rowOf(id: number): Cell[] {
  return [id, id, id + 1, id + 2, `${id}-`.padEnd(100, 'abcdefghij')];
}

function bare(file: string): void {
  const sql = new DatabaseSync(file, { defensive: false });
  sql.exec('PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE');
  sql.exec('PRAGMA cache_size = -65536');
  sql.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER, c INTEGER, t TEXT)');
  const insert = sql.prepare(`INSERT INTO t VALUES ${Array(BATCH).fill('(?,?,?,?,?)').join()}`);
  sql.exec('BEGIN');
  let cells: Cell[] = [];
  for (let id = 0; id < ROWS; id += 1) {
    for (const cell of rowOf(id)) cells.push(cell);
    if (cells.length < BATCH * 5) continue;
    insert.run(...cells);
    cells = [];
  }
  sql.exec('COMMIT');
  sql.close();
}

function ours(file: string): void {
  const snapshot = createSnapshotFile({ file, tables: [TABLE] });
  for (let id = 0; id < ROWS; id += 1) snapshot.row(TABLE.name, '*', rowOf(id));
  snapshot.finish({ timeline: 'bench', position: toLsn(1), selectors: [] });
}

const folder = mkdtempSync(join(tmpdir(), 'tidelock-bench-'));
const rates = new Map<(file: string) => void, number[]>([
  [bare, []],
  [ours, []],
]);
try {
  for (let round = 0; round < Number(values.rounds); round += 1) {
    const turns = round % 2 === 0 ? [bare, ours] : [ours, bare];
    for (const turn of turns) {
      const file = join(folder, 's.db');
      rates.get(turn)?.push(ROWS / processorMs(() => turn(file)));
      rmSync(file);
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const [bareRates = [], ourRates = []] = [...rates.values()];
const ratios = ourRates.map((rate, round) => rate / (bareRates[round] ?? rate));
console.log(
  `snapshot file with digest / bare inserts ${spread(ratios)}  k rows per processor s ${median(ourRates).toFixed(0)} / ${median(bareRates).toFixed(0)}`,
);
console.log(JSON.stringify({ bench: 'snapshot-file', rows: ROWS, ratio: median(ratios) }));
