/**
 * The run database against bare SQLite: a change of state as one transaction with its event, roll-up, counts and place in
 * the journal, while a syncer carries it, against an UPDATE of one row; and 10,000 changed rows of 100,000 read as a
 * delta against all of them. Ratios above 1 say how many times dearer the first is.
 *
 *   node bench/perf/runs-storage.ts [--rounds 5]
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import type { RunWrite } from '../../src/planner/run-store.ts';
import { type Home, openHome } from '../../src/runs/database/home.ts';
import { median, spread } from './numbers.ts';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' } } });
const rounds = Number(values.rounds);

const ROWS = 100_000;
const CHANGED = 10_000;
const RUNNING = 50;
const WRITES = 2000;
const BATCH = 5000;
const PAGE_ROWS = 20_000;
const TARGET_P99_MS = 20;

const dir = mkdtempSync(join(tmpdir(), 'tidelock-runs-perf-'));
mkdirSync(join(dir, 'area'));
const home = await openHome({ area: join(dir, 'area'), tempDir: join(dir, 'tmp') });
try {
  const ids = seed(home, ROWS);
  await home.syncer.carried(120_000);
  const writes = [...Array(rounds)].map((_, round) => stateWrites(home, ids, round));
  const bare = [...Array(rounds)].map(() => bareWrites());
  const reads = [...Array(rounds)].map(() => readTimes(home, ids));
  report(writes, bare, reads);
} finally {
  await home.close();
  rmSync(dir, { recursive: true, force: true });
}

function report(
  writes: readonly (readonly number[])[],
  bare: readonly number[],
  reads: readonly { readonly deltaMs: number; readonly fullMs: number }[],
): void {
  const sums = writes.map((times) => times.reduce((sum, ms) => sum + ms, 0));
  const ratios = sums.map((sum, round) => sum / (bare[round] ?? Number.NaN));
  const p99s = writes.map(
    (times) => times.toSorted((a, b) => a - b)[Math.floor(WRITES * 0.99)] ?? 0,
  );
  const fractions = reads.map(({ deltaMs, fullMs }) => deltaMs / fullMs);
  process.stderr.write(
    `a change of state / a bare UPDATE   ${spread(ratios)}
  p99 of a change, ${RUNNING} tests        ${spread(p99s)} ms (at most ${TARGET_P99_MS})
10,000 changed / all of 100,000     ${spread(fractions)}
  the delta takes                   ${spread(reads.map(({ deltaMs }) => deltaMs))} ms\n`,
  );
  const result = {
    stateWrite: median(ratios),
    p99Ms: median(p99s),
    deltaOfFull: median(fractions),
  };
  console.log(JSON.stringify({ name: 'runs-storage', ...result }));
}

function seed({ store }: Home, count: number): readonly number[] {
  const create = { kind: 'createRun', target: 'a', name: 'r' } as const;
  const runId = store.write({ actor: 'bench', writes: [create] }).answers[0]?.id ?? 0;
  const ids: number[] = [];
  for (let from = 0; from < count; from += BATCH) {
    const tests = Array.from({ length: Math.min(BATCH, count - from) }, (_, n) => ({
      ...{ name: `t${Math.floor((from + n) / 100)}`, itemPath: `${from + n}`, isToplevel: false },
    }));
    const put = { kind: 'putTests', runId, tests } as const;
    ids.push(...(store.write({ actor: 'bench', writes: [put] }).answers[0]?.ids ?? []));
  }
  return ids;
}

function force(testId: number, state: 'RUNNING' | 'COMPLETED', status: string): RunWrite {
  const event = { kind: 'force', to: { state, status } } as const;
  return { kind: 'transition', testId, event, facts: {}, cause: 'bench' };
}

/** One transaction each: milliseconds. */
function stateWrites({ store }: Home, ids: readonly number[], round: number): readonly number[] {
  return Array.from({ length: WRITES }, (_, n) => {
    const id = ids[n % RUNNING] ?? 0;
    const isEven = (Math.floor(n / RUNNING) + round) % 2 === 0;
    const write = isEven ? force(id, 'RUNNING', 'n/a') : force(id, 'COMPLETED', 'PASS');
    const start = performance.now();
    store.write({ actor: 'bench', writes: [write] });
    return performance.now() - start;
  });
}

/** The limit: the same number of transactions of one row each. */
function bareWrites(): number {
  const file = join(dir, 'bare.db');
  const sql = new DatabaseSync(file);
  sql.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
    CREATE TABLE t (id INTEGER PRIMARY KEY, state TEXT, seq INTEGER);
    INSERT INTO t WITH RECURSIVE k (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < ${RUNNING})
      SELECT n, 'x', 0 FROM k`);
  const update = sql.prepare('UPDATE t SET state = ?, seq = ? WHERE id = ?');
  const start = performance.now();
  for (let n = 0; n < WRITES; n += 1) update.run(`s${n}`, n, (n % RUNNING) + 1);
  const ms = performance.now() - start;
  sql.close();
  rmSync(file);
  return ms;
}

function readTimes({ store }: Home, ids: readonly number[]): { deltaMs: number; fullMs: number } {
  const since = store.seq;
  for (let from = 0; from < CHANGED; from += BATCH) {
    const writes = ids.slice(from, from + BATCH).map((testId) => ({
      ...({ kind: 'setTest', testId, facts: { cpuMs: from } } as const),
    }));
    store.write({ actor: 'bench', writes });
  }
  return { deltaMs: readAll(home, since), fullMs: readAll(home, 0) };
}

function readAll({ store }: Home, since: number): number {
  const start = performance.now();
  for (let seq = since, isMore = true; isMore; ) {
    const { changes } = store.read({ kind: 'changes', since: seq, limit: PAGE_ROWS });
    isMore = changes?.isMore ?? false;
    seq = changes?.seq ?? 0;
  }
  return performance.now() - start;
}
