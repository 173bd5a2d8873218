/**
 * Reads an upload at the server. hot path: one JSON.parse for the whole body, and lines are checked in place
 * instead of being copied into objects (ten thousand rows are read in some 20 ms).
 *
 * Whatever is wrong with the form of a line is `BAD_REQUEST` for the whole upload, before anything is done:
 * no program of ours sends it. What only a table can tell (types, places, versions) is judged per transaction.
 */
import { TidelockError } from '../core/errors.ts';
import { parseLsn } from '../core/lsn.ts';
import type {
  ColumnWrite,
  Upload,
  UploadChange,
  UploadHead,
  UploadTransaction,
  UploadValue,
} from '../core/upload.ts';
import { UPLOAD_PROTOCOL } from './upload.ts';

/** Postgres' own limits: columns of a key (32) and of a table. */
const KEY_COLUMNS_MAX = 32;
const COLUMNS_MAX = 1600;
const NAME_CHARS_MAX = 200;
const TIMELINE_CHARS_MAX = 200;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const NONCE = /^[\w-]{8,64}$/;

/** Reads the whole body. Throws `BAD_REQUEST`, naming the line. */
export function readUpload(body: string): Upload {
  const [first, ...rest] = parseLines(body, 1);
  const head = readHead(first);
  const transactions: UploadTransaction[] = [];
  let changes: UploadChange[] = [];
  rest.forEach((line, index) => {
    const place = index + 2;
    if (Array.isArray(line) && line[0] === 't') {
      const before = transactions.at(-1);
      changes = [];
      transactions.push(readTransaction(line, { changes, before, place }));
      return;
    }
    if (!isChange(line)) throw malformed(place, 'it is no change');
    if (transactions.length === 0) throw malformed(place, 'it stands before the first transaction');
    changes.push(line);
  });
  return { head, transactions };
}

/** Whole lines, the first of which is line `place` of the upload. */
export function parseLines(text: string, place: number): readonly unknown[] {
  const lines = text.split('\n');
  while (lines.at(-1) === '') lines.pop();
  try {
    const values = JSON.parse(`[${lines.join(',')}]`) as unknown[];
    // Broken lines can make good ones together; mostly their number gives them away.
    if (values.length === lines.length) return values;
  } catch {
    // The slow way names the line.
  }
  return lines.map((line, index) => parseLine(line, place + index));
}

function parseLine(line: string, place: number): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    throw malformed(place, 'it is not JSON');
  }
}

export function readHead(line: unknown): UploadHead {
  const [tag, site, rest] = Array.isArray(line) ? (line as unknown[]) : [];
  if (tag !== 'site' || typeof site !== 'string' || !UUID.test(site))
    throw malformed(1, 'an upload begins with ["site", "<uuid>", {...}]');
  const { protocol, timeline, position, settled, user } = (rest ?? {}) as Record<string, unknown>;
  if (protocol !== UPLOAD_PROTOCOL)
    throw malformed(1, `protocol ${UPLOAD_PROTOCOL} is spoken here`);
  if (typeof timeline !== 'string' || timeline.length > TIMELINE_CHARS_MAX)
    throw malformed(1, 'timeline is missing');
  if (typeof position !== 'string') throw malformed(1, 'position is missing');
  if (!isNumber(settled)) throw malformed(1, 'settled is missing');
  if (user !== undefined && typeof user !== 'string') throw malformed(1, 'user is no text');
  const head = { site, timeline, position: parseLsn(position, 'position'), settled };
  return user === undefined ? head : { ...head, user };
}

type Opening = {
  readonly changes: readonly UploadChange[];
  readonly before: UploadTransaction | undefined;
  readonly place: number;
};

export function readTransaction(
  [, number, nonce]: readonly unknown[],
  { changes, before, place }: Opening,
): UploadTransaction {
  if (!isNumber(number) || number === 0) throw malformed(place, 'its number is none');
  if (typeof nonce !== 'string' || !NONCE.test(nonce)) throw malformed(place, 'its nonce is none');
  if (before !== undefined && number !== before.number + 1)
    throw malformed(place, `transaction ${number} follows ${before.number}`);
  return { number, nonce, changes };
}

export function isChange(line: unknown): line is UploadChange {
  if (!Array.isArray(line)) return false;
  const [tag, table, cl, key, rest] = line as unknown[];
  if (typeof table !== 'string' || table.length > NAME_CHARS_MAX) return false;
  if (typeof cl !== 'number' || !isValues(key, KEY_COLUMNS_MAX)) return false;
  switch (tag) {
    case 'i':
      return line.length === 5 && isValues(rest, COLUMNS_MAX);
    case 'u':
      return line.length === 5 && isList(rest, COLUMNS_MAX) && rest.every(isWrite);
    default:
      return tag === 'd' && line.length === 4;
  }
}

function isWrite(value: unknown): value is ColumnWrite {
  if (!Array.isArray(value) || value.length !== 3) return false;
  const [place, version, cell] = value as unknown[];
  return isNumber(place) && typeof version === 'number' && isValue(cell);
}

function isValues(value: unknown, countMax: number): value is readonly UploadValue[] {
  return isList(value, countMax) && value.every(isValue);
}

function isList(value: unknown, countMax: number): value is readonly unknown[] {
  return Array.isArray(value) && value.length <= countMax;
}

function isValue(value: unknown): value is UploadValue {
  if (value === null || typeof value !== 'object') return true; // JSON has no others
  const { text, bytes, ...others } = value as Record<string, unknown>;
  if (Object.keys(others).length > 0) return false;
  return bytes === undefined
    ? typeof text === 'string'
    : typeof bytes === 'string' && text === undefined;
}

function isNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

export function malformed(line: number, what: string): TidelockError {
  return new TidelockError({
    code: 'BAD_REQUEST',
    message: `line ${line} of the upload is malformed: ${what}`,
    hint: 'docs/merge.md has the form of an upload',
  });
}
