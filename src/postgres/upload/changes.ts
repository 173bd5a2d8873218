/** From an upload's lines to changes of rows: pure. Whatever a line gets wrong refuses its transaction. */
import type {
  Rejection,
  RejectionCode,
  UploadChange,
  UploadTransaction,
  UploadValue,
} from '../../core/upload.ts';
import { type Cell, cellFromJson, cellFromText, type ValueKind } from '../../core/value.ts';
import { type ColumnState, deadRow, isAlive, merge, VERSION_MAX } from '../../merge/row-state.ts';
import type { UploadColumn, UploadTable } from './tables.ts';

/** A written column, with the text that Postgres gets. */
export type SentColumn = ColumnState & { readonly text: string | null };

/** A change as `merge` takes it, with the texts of its values. */
export type SentRow = { readonly cl: number; readonly columns: ReadonlyMap<string, SentColumn> };

/** What one local transaction does to one row, all its changes of it in one. */
export type KeyChange = {
  readonly table: UploadTable;
  /** The same for two changes of one row, as far as their texts tell. */
  readonly id: string;
  readonly key: readonly string[];
  readonly change: SentRow;
  /** True when a row was inserted: then the key must be free. */
  readonly isInsert: boolean;
  /** Of an insert, how many places it has: columns that came later get their default. */
  readonly places: number;
  /** Place among the transaction's changes at which it is done. */
  readonly order: number;
  /** The key as it was sent, for rejections. */
  readonly sentKey: readonly UploadValue[];
};

export type LocalTransaction = { readonly number: number; readonly changes: readonly KeyChange[] };

/** Why one transaction lands not. */
export class Refusal extends Error {
  readonly code: RejectionCode;
  readonly place: { readonly table: string; readonly key: readonly UploadValue[] } | undefined;

  constructor(code: RejectionCode, message: string, place?: Refusal['place']) {
    super(message);
    this.code = code;
    this.place = place;
  }

  rejection(number: number): Rejection {
    return { number, code: this.code, message: this.message, ...this.place };
  }
}

/** Reads a transaction. Throws `Refusal`. */
export function readTransaction(
  { number, changes }: UploadTransaction,
  tables: ReadonlyMap<string, UploadTable>,
): LocalTransaction {
  const byKey = new Map<string, KeyChange>();
  changes.forEach((line, order) => {
    const next = readChange(line, tables, order);
    const before = byKey.get(next.id);
    byKey.set(next.id, before === undefined ? next : join(before, next));
  });
  return { number, changes: [...byKey.values()] };
}

/** A row that dies is deleted where it died last; else it is written where it was written first. */
function join(a: KeyChange, b: KeyChange): KeyChange {
  const change = merge(a.change, b.change) as SentRow;
  return {
    ...a,
    change,
    isInsert: a.isInsert || b.isInsert,
    places: Math.max(a.places, b.places),
    order: isAlive(change) ? a.order : b.order,
  };
}

function readChange(
  line: UploadChange,
  tables: ReadonlyMap<string, UploadTable>,
  order: number,
): KeyChange {
  const [tag, name, , sentKey] = line;
  const place = { table: name, key: sentKey };
  const table = tables.get(name);
  if (table === undefined) throw new Refusal('NOT_TWOWAY', `${name} is not two-way`, place);
  if (table.isGone) throw new Refusal('NOT_TWOWAY', `${name} was renamed or dropped`, place);
  try {
    const key = readKey(table, sentKey);
    return {
      table,
      id: `${name}\0${key.join('\0')}`,
      key,
      change: changeOf(line, table),
      isInsert: tag === 'i',
      places: tag === 'i' ? line[4].length : 0,
      order,
      sentKey,
    };
  } catch (error) {
    throw error instanceof Refusal ? new Refusal(error.code, error.message, place) : error;
  }
}

function readKey(table: UploadTable, sent: readonly UploadValue[]): readonly string[] {
  if (sent.length !== table.key.length) {
    throw new Refusal('BAD_VALUE', `the key of ${table.name} has ${table.key.length} columns`);
  }
  return table.key.map((column, index) => {
    const text = textOf(column, sent[index] ?? null);
    if (text === null) throw new Refusal('BAD_VALUE', `${column.name} is in the key and NULL`);
    return text;
  });
}

function changeOf(line: UploadChange, table: UploadTable): SentRow {
  const [tag, , cl] = line;
  const isInRange = Number.isSafeInteger(cl) && cl > 0 && cl <= VERSION_MAX;
  if (!isInRange || (cl % 2 === 0) !== (tag === 'd')) {
    throw new Refusal('BAD_VERSION', `${cl} is no causal length of such a change`);
  }
  if (tag === 'd') return deadRow(cl) as SentRow;
  const columns = new Map<string, SentColumn>();
  if (tag === 'i') {
    if (line[4].length > table.columns.length) {
      throw new Refusal('NOT_TWOWAY', `${table.name} has ${table.columns.length} columns`);
    }
    line[4].forEach((value, place) => {
      const column = table.columns[place];
      if (column) columns.set(column.name, columnOf(column, 1, value));
    });
    return { cl, columns };
  }
  for (const [place, version, value] of line[4]) {
    const column = table.columns[place];
    if (column === undefined) {
      throw new Refusal('NOT_TWOWAY', `${table.name} has no column at place ${place}`);
    }
    if (column === null) continue; // it was dropped in Postgres: there is nothing to write
    if (!Number.isSafeInteger(version) || version < 1 || version > VERSION_MAX) {
      throw new Refusal('BAD_VERSION', `${version} is no version of column ${column.name}`);
    }
    if (columns.has(column.name)) {
      throw new Refusal('BAD_VALUE', `column ${column.name} is written twice in one change`);
    }
    columns.set(column.name, columnOf(column, version, value));
  }
  return { cl, columns };
}

function columnOf(column: UploadColumn, version: number, sent: UploadValue): SentColumn {
  const text = textOf(column, sent);
  return { version, value: cellOf(column.kind, sent, text), text };
}

/** What Postgres' input function gets. Throws `Refusal` for what it cannot be asked about. */
function textOf({ kind, name }: UploadColumn, sent: UploadValue): string | null {
  if (sent === null) return null;
  switch (typeof sent) {
    case 'number':
      return Object.is(sent, -0) ? '-0' : String(sent);
    case 'boolean':
      return sent ? 'true' : 'false';
    case 'string':
      return kind === 'bytes' ? hexOf(sent, name) : plainText(sent, name);
    default:
      if ('text' in sent) return plainText(sent.text, name);
      throw new Refusal('BAD_VALUE', `column ${name} cannot hold bytes`);
  }
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function hexOf(base64: string, name: string): string {
  if (!BASE64.test(base64))
    throw new Refusal('BAD_VALUE', `column ${name}: bytes are sent as base64`);
  return `\\x${Buffer.from(base64, 'base64').toString('hex')}`;
}

function plainText(text: string, name: string): string {
  if (text.isWellFormed() && !text.includes('\0')) return text;
  throw new Refusal('BAD_VALUE', `column ${name}: Postgres cannot store this text`);
}

/** The cell that a replica holds. What does not fit its column is text, about which Postgres decides. */
function cellOf(kind: ValueKind, sent: UploadValue, text: string | null): Cell {
  if (text === null || sent === null) return null;
  if (typeof sent === 'object') return text;
  if (typeof sent === 'string') {
    if (kind === 'bytes') return cellFromText('bytes', text);
    if (kind === 'bigint') return /^-?\d{1,19}$/.test(text) ? cellFromText(kind, text) : text;
    return kind === 'float' && /^-?Infinity$/.test(text) ? Number(text) : text;
  }
  if (typeof sent === 'boolean') return kind === 'bool' ? cellFromJson(kind, sent) : text;
  return sent;
}

/**
 * Cuts transactions into runs in which no row is written twice, so that a run can be applied by one statement
 * for each table and operation.
 */
export function cutRuns(
  transactions: readonly LocalTransaction[],
): readonly (readonly LocalTransaction[])[] {
  const runs: LocalTransaction[][] = [];
  let run: LocalTransaction[] = [];
  let seen = new Set<string>();
  for (const transaction of transactions) {
    if (transaction.changes.some(({ id }) => seen.has(id))) {
      runs.push(run);
      run = [];
      seen = new Set();
    }
    for (const { id } of transaction.changes) seen.add(id);
    run.push(transaction);
  }
  if (run.length > 0) runs.push(run);
  return runs;
}
