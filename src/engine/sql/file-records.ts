/**
 * The records of a file that may still grow: text lines, JSON documents one a line, CSV as RFC 4180 has it (a quoted
 * field may hold line ends). A record counts when its line end is there.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { messageOf } from '../../core/errors.ts';
import { type SqlError, sqlError } from '../../sql/errors.ts';
import type { FileFormat } from '../../sql/statement.ts';

/** Bytes of one read. */
const READ_BYTES = 256 * 1024;
/** Bytes of one record. */
const RECORD_BYTES_MAX = 16 * 1024 * 1024;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const NEW_LINE = 0x0a;
const QUOTE = 0x22;

/** Where reading goes on. Lines count from 1. */
export type FilePlace = { readonly offset: number; readonly line: number };

export type FileRecord = {
  /** Without its line end. */
  readonly text: string;
  /** The line in which it begins. */
  readonly line: number;
  /** Where the next one begins. */
  readonly next: FilePlace;
};

export type ReadFileOptions = {
  readonly path: string;
  readonly format: FileFormat;
  readonly from: FilePlace;
  /** Nothing will be appended: what stands after the last line end is a record too. */
  readonly isClosed: boolean;
};

/**
 * Gives the complete records from a place on. Throws 58P01 for a missing file, 58030 for one that cannot be read or has
 * become shorter, 54000 for an endless record, 22P02 for bytes that are no UTF-8.
 */
export function* readRecords(options: ReadFileOptions): Generator<FileRecord> {
  const { path, from } = options;
  const file = openFile(path);
  try {
    const { size } = fstatSync(file);
    if (size < from.offset) {
      throw sqlError('58030', `${path} has become shorter than what was read of it`, {
        hint: 'files of sources may only grow: drop the source and create it again',
      });
    }
    yield* split(file, options);
  } finally {
    closeSync(file);
  }
}

/** Throws as `readRecords` does. */
export function assertReadable(path: string): void {
  closeSync(openFile(path));
}

function openFile(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    throw isMissing
      ? sqlError('58P01', `there is no file ${path}`, { cause: error })
      : sqlError('58030', `${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

function* split(file: number, options: ReadFileOptions): Generator<FileRecord> {
  const { format, isClosed, path } = options;
  let { offset, line } = options.from;
  let pending = Buffer.alloc(0);
  const finish = (length: number, endLength: number): FileRecord => {
    const bytes = pending.subarray(0, length);
    const begin = line;
    line += countOf(bytes, NEW_LINE) + 1;
    offset += length + endLength;
    const text = decode(bytes, `${path} line ${begin}`);
    return { text: withoutReturn(text), line: begin, next: { offset, line } };
  };
  for (;;) {
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    const count = readSync(file, buffer, 0, READ_BYTES, offset + pending.length);
    let searched = pending.length;
    pending = Buffer.concat([pending, buffer.subarray(0, count)]);
    for (;;) {
      const end = endOfRecord(pending, searched, format);
      if (end < 0) break;
      const record = finish(end, 1);
      pending = pending.subarray(end + 1);
      searched = 0;
      yield record;
    }
    if (pending.length > RECORD_BYTES_MAX) throw tooLong(path, line);
    if (count > 0) continue;
    if (isClosed && pending.length > 0) yield finish(pending.length, 0);
    return;
  }
}

/** The line end that ends the record at the start of `bytes`, or -1. `searched` bytes hold none. */
function endOfRecord(bytes: Buffer, searched: number, format: FileFormat): number {
  let end = bytes.indexOf(NEW_LINE, format === 'csv' ? 0 : searched);
  if (format !== 'csv') return end;
  // Within quotes a line end is data; a doubled quote keeps the count even.
  let quotes = 0;
  for (let start = 0; end >= 0; end = bytes.indexOf(NEW_LINE, start)) {
    quotes += countOf(bytes.subarray(start, end), QUOTE);
    if (quotes % 2 === 0) return end;
    start = end + 1;
  }
  return -1;
}

function countOf(bytes: Buffer, byte: number): number {
  let count = 0;
  for (let at = bytes.indexOf(byte); at >= 0; at = bytes.indexOf(byte, at + 1)) count += 1;
  return count;
}

function decode(bytes: Buffer, where: string): string {
  try {
    return utf8.decode(bytes);
  } catch (error) {
    throw sqlError('22P02', `${where}: not UTF-8`, { cause: error });
  }
}

function withoutReturn(text: string): string {
  return text.endsWith('\r') ? text.slice(0, -1) : text;
}

function tooLong(path: string, line: number): SqlError {
  return sqlError('54000', `${path} line ${line}: a record of more than ${RECORD_BYTES_MAX} bytes`);
}
