/** Logs of tests on their way to the terminal: from the disk on the home host, in ranges from its server elsewhere. */
import { createReadStream, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { hasCode } from '../../core/errors.ts';
import type { TestRow } from '../../planner/rows.ts';
import type { Away } from '../../runs/database/away.ts';
import { logTail, TAIL_BYTES, tailText } from '../../runs/run-results.ts';
import type { Session } from './session.ts';

const RANGE_BYTES = 1024 * 1024;

/** Prints what a file of an execution has behind `from`, and gives where it ends now. */
export type CopyLog = (row: TestRow, file: string, from: number) => Promise<number>;

export function logCopier({ away }: Pick<Session, 'away'>): CopyLog {
  if (away === null) return copyFile;
  return async (row, file, from) => {
    try {
      return await copyRanges(away.away, { row, file, from });
    } catch (error) {
      // Disks are often shared: what can be seen from here is shown without a server too.
      const isSilent = hasCode(error, 'SERVER_UNREACHABLE') || hasCode(error, 'OFF_HOME');
      if (!isSilent || sizeOf(row, file) === null) throw error;
      return await copyFile(row, file, from);
    }
  };
}

/** Ends of the logs of a few executions: from the disk, off the home host from its server when it can be asked. */
export async function tailsOf(
  { away }: Pick<Session, 'away'>,
  rows: readonly TestRow[],
): Promise<(row: TestRow) => string | null> {
  if (away === null) return logTail;
  const found = await Promise.all(
    rows.map(async (row) => [row.id, await farTail(away.away, row)] as const),
  );
  const tails = new Map(found);
  return (row) => tails.get(row.id) ?? logTail(row);
}

/** Null: it cannot be had. Failures are told with or without their logs. */
async function farTail(away: Away, { id, log }: TestRow): Promise<string | null> {
  if (log === null) return null;
  try {
    const { bytes, from } = await away.readLog({ test: id, file: log, bytes: TAIL_BYTES });
    return tailText(bytes, from > 0);
  } catch {
    return null;
  }
}

const pathOf = ({ runDir }: TestRow, file: string): string => resolve(runDir ?? '', file);

function sizeOf(row: TestRow, file: string): number | null {
  return statSync(pathOf(row, file), { throwIfNoEntry: false })?.size ?? null;
}

async function copyFile(row: TestRow, file: string, from: number): Promise<number> {
  const size = sizeOf(row, file) ?? 0;
  if (size <= from) return from;
  const piece = createReadStream(pathOf(row, file), { start: from, end: size - 1 });
  await pipeline(piece, process.stdout, { end: false });
  return size;
}

type Place = { readonly row: TestRow; readonly file: string; readonly from: number };

async function copyRanges(away: Away, { row, file, from }: Place): Promise<number> {
  for (let at = from; ; ) {
    const range = await away.readLog({ test: row.id, file, from: at, bytes: RANGE_BYTES });
    if (range.bytes.length === 0) return at;
    await written(range.bytes);
    at = range.from + range.bytes.length;
    if (at >= range.size) return at;
  }
}

/** Not faster than the terminal takes it. */
function written(bytes: Uint8Array): Promise<void> {
  return new Promise((done, failed) => {
    process.stdout.write(bytes, (error) => (error == null ? done() : failed(error)));
  });
}
