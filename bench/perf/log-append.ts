/**
 * How fast the change log takes groups, against a plain segment file with one sync per append, in the same
 * run; how long a restart takes with a full log; and what a trickle of one-row transactions costs, before and
 * after its groups are merged.
 *
 *   node --expose-gc bench/perf/log-append.ts [--mb 64] [--restart-mb 256] [--trickle 200000] [--rounds 5]
 */
import {
  closeSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { toLsn } from '../../src/core/lsn.ts';
import { systemClock } from '../../src/engine/clock.ts';
import { LogMerger } from '../../src/engine/log-merger.ts';
import { LogTail } from '../../src/engine/log-tail.ts';
import { type NewGroup, SEGMENT_COMMIT } from '../../src/log/group.ts';
import type { LogStore } from '../../src/log/port.ts';
import { openLogStore } from '../../src/sqlite/log-store.ts';
import { median, spread } from './numbers.ts';

const { values } = parseArgs({
  options: {
    mb: { type: 'string', default: '64' },
    'restart-mb': { type: 'string', default: '256' },
    trickle: { type: 'string', default: '200000' },
    rounds: { type: 'string', default: '5' },
    dir: { type: 'string', default: tmpdir() },
  },
});
const BYTES = Number(values.mb) * 1024 * 1024;
const ROUNDS = Number(values.rounds);
const ROW_BYTES = 200;
const SELECTORS = Array.from({ length: 64 }, (_, index) => `tenant-${index}`);

/** A group of `transactions` one-row transactions over 64 selectors, or of one transaction of many rows. */
function groupOf(ts: number, rows: number, transactions: number): NewGroup {
  const body = Buffer.alloc(rows * ROW_BYTES, 'x');
  const segments = new Uint32Array(transactions * 4);
  const facts = new Float64Array(transactions * 3);
  for (let index = 0; index < transactions; index += 1) {
    const end = Math.floor(((index + 1) * body.length) / transactions);
    segments.set([index % 64, end - 40, SEGMENT_COMMIT, end], index * 4);
    facts.set([ts + index, ts + index, 1.7e15], index * 3);
  }
  return {
    head: {
      firstTs: toLsn(ts),
      lastTs: toLsn(ts + transactions - 1),
      part: 'whole',
      txCount: transactions,
      minTxid: ts,
      maxTxid: ts + transactions - 1,
      selectors: SELECTORS.slice(0, Math.min(64, transactions)),
      hasAll: false,
      sizeBytes: body.length,
    },
    content: { segments, transactions: facts, body },
  };
}

function openEmpty(dir: string): LogStore {
  const store = openLogStore({ dir });
  store.reset({ systemId: 'bench', walTimeline: 1, generation: 1, startTs: toLsn(1) }, []);
  return store;
}

/** Appends per second. */
function appendToStore(dir: string, groups: readonly NewGroup[]): number {
  const store = openEmpty(dir);
  const start = performance.now();
  for (const group of groups) store.append([group]);
  const rate = (groups.length / (performance.now() - start)) * 1000;
  store.close();
  rmSync(dir, { recursive: true });
  return rate;
}

function appendToFile(file: string, groups: readonly NewGroup[]): number {
  const descriptor = openSync(file, 'wx');
  const start = performance.now();
  for (const { content } of groups) {
    writeSync(descriptor, content.body);
    fdatasyncSync(descriptor);
  }
  const rate = (groups.length / (performance.now() - start)) * 1000;
  closeSync(descriptor);
  rmSync(file);
  return rate;
}

function measureAppend(folder: string, shape: { rows: number; transactions: number }): void {
  const bytes = shape.rows * ROW_BYTES;
  const count = Math.max(20, Math.min(2000, Math.floor(BYTES / bytes)));
  const groups = Array.from({ length: count }, (_, index) =>
    groupOf(1000 + index * shape.transactions, shape.rows, shape.transactions),
  );
  const store: number[] = [];
  const file: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const turns = [
      () => store.push(appendToStore(join(folder, 'log'), groups)),
      () => file.push(appendToFile(join(folder, 'segment'), groups)),
    ];
    for (const turn of round % 2 === 0 ? turns : turns.reverse()) turn();
  }
  const ratios = store.map((rate, round) => rate / (file[round] ?? rate));
  const ratio = spread(ratios);
  const mbPerS = (median(store) * bytes) / 1024 / 1024;
  console.log(
    `groups of ${shape.rows} rows in ${shape.transactions} transactions: store/file ${ratio}  appends/s ${median(store).toFixed(0)} / ${median(file).toFixed(0)}  ${mbPerS.toFixed(0)} MB/s`,
  );
  console.log(JSON.stringify({ bench: 'log-append', ...shape, ratio: median(ratios) }));
}

/** What it costs to write down a position. */
function measurePosition(dir: string): void {
  const store = openEmpty(dir);
  const count = 5000;
  const start = performance.now();
  for (let index = 0; index < count; index += 1) store.noteUpper(toLsn(1000 + index));
  const each = ((performance.now() - start) / count) * 1000;
  console.log(`noteUpper: ${each.toFixed(0)} microseconds each`);
  store.close();
}

function measureRestart(dir: string): void {
  const store = openEmpty(dir);
  const bytes = Number(values['restart-mb']) * 1024 * 1024;
  const groupRows = 500;
  const count = Math.floor(bytes / (groupRows * ROW_BYTES));
  for (let index = 0; index < count; index += 1) {
    store.append([groupOf(1000 + index * 100, groupRows, 100)]);
  }
  const startPurge = performance.now();
  store.purge(store.heads[Math.floor(count / 2)]?.seq ?? 0);
  const purgeMs = performance.now() - startPurge;
  store.close();
  const before = process.memoryUsage().heapUsed;
  const start = performance.now();
  const again = openLogStore({ dir });
  const openMs = performance.now() - start;
  const heapBytes = process.memoryUsage().heapUsed - before;
  console.log(
    `log of ${(statSync(join(dir, 'log.db')).size / 1024 / 1024).toFixed(0)} MB, ${count} groups: purging half ${purgeMs.toFixed(0)} ms, reopened in ${openMs.toFixed(0)} ms with ${again.heads.length} heads, about ${Math.round(heapBytes / again.heads.length)} bytes of memory each`,
  );
  again.close();
}

function heapBytes(): number {
  // Twice: what a native object held is free only after the first.
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** Opens a log as the engine does; what it costs. */
function openTail(dir: string, when: string): LogTail {
  const before = heapBytes();
  const start = performance.now();
  const tail = new LogTail(openLogStore({ dir }), 1024 * 1024);
  const openMs = performance.now() - start;
  const mb = (heapBytes() - before) / 1024 / 1024;
  const { length } = tail.store.heads;
  console.log(`${when}: ${length} groups, opened in ${openMs.toFixed(0)} ms, ${mb.toFixed(1)} MB`);
  return tail;
}

function fillTrickle(dir: string): void {
  const store = openEmpty(dir);
  const transactions = Number(values.trickle);
  for (let at = 0; at < transactions; at += 1000) {
    store.append(Array.from({ length: 1000 }, (_, index) => groupOf(1000 + at + index, 1, 1)));
  }
  store.close();
}

function mergeTrickle(dir: string): void {
  const tail = openTail(dir, 'trickle, as it came');
  const merger = new LogMerger({ tail, clock: systemClock, onMerged: () => undefined });
  const times: number[] = [];
  for (let start = performance.now(); merger.mergeSome(); start = performance.now()) {
    times.push(performance.now() - start);
  }
  tail.store.close();
  console.log(`trickle: ${times.length} merges, ${spread(times)} ms each`);
}

const folder = mkdtempSync(join(values.dir, 'tidelock-bench-'));
try {
  measureAppend(folder, { rows: 1, transactions: 1 });
  measureAppend(folder, { rows: 100, transactions: 100 });
  measureAppend(folder, { rows: 1000, transactions: 1 });
  measureAppend(folder, { rows: 5000, transactions: 50 });
  measurePosition(join(folder, 'position'));
  measureRestart(join(folder, 'full'));
  fillTrickle(join(folder, 'trickle'));
  mergeTrickle(join(folder, 'trickle'));
  openTail(join(folder, 'trickle'), 'trickle, merged').store.close();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
