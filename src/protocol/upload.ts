/**
 * What a file that writes sends to the server: its local transactions, in their order. NDJSON, one array a line.
 *
 *   ["site", "<uuid>", {"protocol":1,"timeline":"...","position":"0/16B3748","settled":6}]
 *   ["t", 7, "<nonce>"]                                   a local transaction begins
 *   ["i", "public.item", 1, ["k1"], ["a", 1, null]]       insert: cl, key, all other columns by place
 *   ["u", "public.item", 1, ["k1"], [[0, 2, "b"]]]        update: cl, key, [place, version, value] of written columns
 *   ["d", "public.item", 2, ["k1"]]                       delete: cl, key
 *
 * Places are those of `TwowayDef.columns`. The shapes are in core/upload.ts; this is the writer's side, and
 * upload-reader.ts reads what arrives at the server.
 */
import { TidelockError } from '../core/errors.ts';
import { formatLsn, parseLsn } from '../core/lsn.ts';
import { keyPositions, type TableDef, type TwowayDef } from '../core/table.ts';
import type { Rejection, UploadAnswer, UploadHead, UploadValue } from '../core/upload.ts';
import { type Cell, cellToJson, type ValueKind } from '../core/value.ts';
import { isAlive, type RowState } from '../merge/row-state.ts';

export const UPLOAD_PROTOCOL = 1;

/** Media type of an upload's body. */
export const UPLOAD_TYPE = 'application/x-ndjson';

/** The first line of an upload, without line end. */
export function encodeHead({ site, timeline, position, settled, user }: UploadHead): string {
  const rest = {
    protocol: UPLOAD_PROTOCOL,
    timeline,
    position: formatLsn(position),
    settled,
    user,
  };
  return JSON.stringify(['site', site, rest]);
}

/** The line that begins a local transaction. */
export function encodeTransaction(number: number, nonce: string): string {
  return JSON.stringify(['t', number, nonce]);
}

/**
 * The line of a change that `merge/local-change.ts` made. `key` in key order, in SQLite's cells. A change with a
 * column at version 1 is an insert: an update never has one, because it follows the insert of its life.
 */
export function encodeChange(
  table: TableDef & { readonly twoway: TwowayDef },
  key: readonly Cell[],
  change: RowState,
): string {
  const head = `${JSON.stringify(table.name)},${change.cl},${encodeKey(table, key)}`;
  if (!isAlive(change)) return `["d",${head}]`;
  return isInsert(change)
    ? `["i",${head},[${encodeValues(table, change)}]]`
    : `["u",${head},[${encodeWrites(table, change)}]]`;
}

function isInsert({ columns }: RowState): boolean {
  for (const { version } of columns.values()) return version === 1;
  return true;
}

function encodeKey(table: TableDef, key: readonly Cell[]): string {
  const parts = keyPositions(table).map((position, index) =>
    encodeValue(table.columns[position]?.kind ?? 'text', key[index] ?? null),
  );
  return `[${parts.join(',')}]`;
}

function encodeValues(table: TableDef & { readonly twoway: TwowayDef }, change: RowState): string {
  const kinds = kindsOf(table);
  return table.twoway.columns
    .map((name) => encodeValue(kinds.get(name) ?? 'text', change.columns.get(name)?.value ?? null))
    .join(',');
}

function encodeWrites(table: TableDef & { readonly twoway: TwowayDef }, change: RowState): string {
  const kinds = kindsOf(table);
  const writes: string[] = [];
  table.twoway.columns.forEach((name, place) => {
    const column = change.columns.get(name);
    const kind = kinds.get(name);
    if (column === undefined || kind === undefined) return;
    writes.push(`[${place},${column.version},${encodeValue(kind, column.value)}]`);
  });
  return writes.join(',');
}

const KINDS = new WeakMap<TableDef, ReadonlyMap<string, ValueKind>>();

function kindsOf(table: TableDef): ReadonlyMap<string, ValueKind> {
  const known = KINDS.get(table);
  if (known !== undefined) return known;
  const kinds = new Map(table.columns.map(({ name, kind }) => [name, kind]));
  KINDS.set(table, kinds);
  return kinds;
}

/** The JSON text of a value of any type in a column of this kind. */
export function encodeValue(kind: ValueKind, cell: Cell): string {
  if (typeof cell === 'number' && Object.is(cell, -0)) return '-0';
  return JSON.stringify(uploadValue(kind, cell));
}

function uploadValue(kind: ValueKind, cell: Cell): UploadValue {
  if (cell === null) return null;
  if (kind === 'bytes') {
    return cell instanceof Uint8Array ? cellToJson(kind, cell) : { text: String(cell) };
  }
  if (cell instanceof Uint8Array) return { bytes: String(cellToJson('bytes', cell)) };
  if (typeof cell === 'string') return cell;
  return fits(kind, cell) ? cellToJson(kind, cell) : String(cell);
}

function fits(kind: ValueKind, cell: number | bigint): boolean {
  switch (kind) {
    case 'bool':
      return cell === 0 || cell === 1;
    case 'int':
      return typeof cell === 'number' && Number.isInteger(cell);
    case 'bigint':
      return typeof cell === 'bigint' || Number.isSafeInteger(cell);
    case 'float':
      return typeof cell === 'number';
    default:
      return false;
  }
}

/** Reads the server's answer. Throws `PROTOCOL`. */
export function readUploadAnswer(answer: unknown): UploadAnswer {
  const { accepted, position, timeline, rejected } = (answer ?? {}) as Record<string, unknown>;
  if (
    isNumber(accepted) &&
    typeof position === 'string' &&
    typeof timeline === 'string' &&
    Array.isArray(rejected) &&
    rejected.every(isRejection)
  ) {
    return { accepted, position: parseLsn(position, 'position'), timeline, rejected };
  }
  throw new TidelockError({
    code: 'PROTOCOL',
    message: 'the server’s answer to an upload cannot be read',
    hint: 'compare the versions of client and server in /v1/status',
  });
}

/** The body of the server's answer. */
export function encodeUploadAnswer(answer: UploadAnswer): string {
  return JSON.stringify({ ...answer, position: formatLsn(answer.position) });
}

function isRejection(value: unknown): value is Rejection {
  const { number, code, message, table, key } = (value ?? {}) as Record<string, unknown>;
  return (
    isNumber(number) &&
    typeof code === 'string' &&
    typeof message === 'string' &&
    (table === undefined || typeof table === 'string') &&
    (key === undefined || Array.isArray(key))
  );
}

function isNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
