/**
 * A process that reads: computes one read after the other, and hands its rows over in batches as they are taken. Whoever
 * started it may end it at any moment, also within SQLite, which cannot be interrupted.
 */
import { Worker } from 'node:worker_threads';
import { toSqlError } from '../../../sql/errors.ts';
import { fromStored, type Stored } from '../../../sql/storage.ts';
import type { SqlRow, SqlType } from '../../../sql/types.ts';
import { ReadConnection, StaleRead } from '../../../sqlite/collections/read-connection.ts';
import {
  BATCH_BYTES_MAX,
  BATCH_ROWS_MAX,
  BATCHES_AHEAD,
  MEMORY_SIGNAL,
  type ReaderCommand,
  type ReaderNews,
} from './messages.ts';
import type { ReadRequest } from './read-port.ts';

/** Between two looks at whether the one who started us is still there, and at our memory. */
const WATCH_MS = 100;

/** While SQLite computes, nothing on this thread is heard: another one looks. In plain JavaScript, as it is passed on. */
const WATCH = `
  const { workerData: { isBusy, memoryBytesMax } } = require('node:worker_threads');
  const parent = process.ppid;
  for (;;) {
    Atomics.wait(isBusy, 0, 0);
    if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL');
    if (process.memoryUsage.rss() > memoryBytesMax) process.kill(process.pid, '${MEMORY_SIGNAL}');
    Atomics.wait(isBusy, 0, 1, ${WATCH_MS});
  }`;

const isBusy = new Int32Array(new SharedArrayBuffer(4));
let connection: ReadConnection | null = null;
/** Batches that may still be sent. */
let credit = 0;
let isUnwanted = false;
let wake: (() => void) | null = null;

process.on('message', (command: ReaderCommand) => hear(command));
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));

function tell(news: ReaderNews): void {
  process.send?.(news);
}

function hear(command: ReaderCommand): void {
  switch (command.kind) {
    case 'open':
      open(command.file, command.memoryBytesMax);
      break;
    case 'read':
      tell({ kind: 'begun' });
      void read(command);
      break;
    case 'next':
      credit += 1;
      wake?.();
      break;
    case 'end':
      isUnwanted = true;
      wake?.();
      break;
    default:
  }
}

function open(file: string, memoryBytesMax: number): void {
  connection = new ReadConnection(file);
  const watch = new Worker(WATCH, {
    eval: true,
    workerData: { isBusy, memoryBytesMax },
    resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 8, stackSizeMb: 1 },
  });
  watch.unref();
  tell({ kind: 'ready' });
}

function setBusy(value: 0 | 1): void {
  Atomics.store(isBusy, 0, value);
  Atomics.notify(isBusy, 0);
}

async function read({ text, types }: Pick<ReadRequest, 'text' | 'types'>): Promise<void> {
  credit = BATCHES_AHEAD;
  isUnwanted = false;
  setBusy(1);
  try {
    if (connection === null) throw new TypeError('a reader is opened before it reads');
    for (const { isLast, ...batch } of batches(connection.read(text), types)) {
      credit -= 1;
      tell({ kind: 'rows', ...batch, isLast });
      // Before the next one is computed: who computes does not hear that nobody wants the rest.
      if (credit === 0 && !isLast) await taken();
      if (isUnwanted) break;
    }
    if (isUnwanted) tell({ kind: 'ended' });
  } catch (error) {
    tell(newsOf(error));
  } finally {
    setBusy(0);
  }
}

/** Waits for a `next` or an `end`. */
function taken(): Promise<void> {
  return new Promise((resolve) => {
    wake = resolve;
  });
}

function newsOf(error: unknown): ReaderNews {
  if (error instanceof StaleRead) return { kind: 'stale' };
  const { sqlState, message } = toSqlError(error);
  return { kind: 'failed', code: sqlState, message };
}

/** The last batch may be empty. */
function* batches(
  cells: Iterable<readonly Stored[]>,
  types: readonly SqlType[],
): Generator<{ readonly rows: SqlRow[]; readonly bytes: number; readonly isLast: boolean }> {
  let rows: SqlRow[] = [];
  let bytes = 0;
  for (const row of cells) {
    if (rows.length === BATCH_ROWS_MAX || bytes >= BATCH_BYTES_MAX) {
      yield { rows, bytes, isLast: false };
      rows = [];
      bytes = 0;
    }
    bytes += sizeOf(row);
    rows.push(types.map((type, index) => fromStored(type, row[index] ?? null)));
  }
  yield { rows, bytes, isLast: true };
}

const CELL_BYTES = 8;

function sizeOf(row: readonly Stored[]): number {
  let bytes = 0;
  for (const cell of row) {
    const isLong = typeof cell === 'string' || cell instanceof Uint8Array;
    bytes += CELL_BYTES + (isLong ? cell.length : 0);
  }
  return bytes;
}
