/** Prints the results of SQL as they come: aligned tables, or a JSON object a row. */
import type { ResultSink } from '../sql/session.ts';
import { toPostgresText } from '../sql/text-values.ts';
import type { Column, SqlRow, SqlType, SqlValue } from '../sql/types.ts';
import { jsonText, TableWriter, type Value } from './shell-print.ts';

/** So many rows decide the widths of a table's columns; those of a stream come before, after a moment. */
const FIRST_ROWS = 1000;
const FIRST_MS = 50;

const NUMBERS: readonly SqlType[] = ['int2', 'int4', 'int8', 'float4', 'float8'];

export type PrintOptions = {
  readonly isJson: boolean;
  /** Tags of statements without rows are told to people only. */
  readonly tellsTags: boolean;
  readonly out: (text: string) => void;
  readonly onNotice: (message: string) => void;
};

export class ResultPrinter implements ResultSink {
  readonly #options: PrintOptions;
  #columns: readonly Column[] | null = null;
  #table: TableWriter | null = null;
  #waiting: (readonly Value[])[] = [];
  #timer: NodeJS.Timeout | null = null;

  constructor(options: PrintOptions) {
    this.#options = options;
  }

  columns(columns: readonly Column[]): void {
    this.flush();
    this.#columns = columns;
    this.#table = null;
  }

  rows(rows: readonly SqlRow[]): void {
    const columns = this.#columns ?? [];
    const { isJson, out } = this.#options;
    if (isJson) {
      out(jsonRows(columns, rows));
      return;
    }
    for (const row of rows) this.#waiting.push(textRow(columns, row));
    if (this.#table !== null || this.#waiting.length >= FIRST_ROWS) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), FIRST_MS);
  }

  complete(tag: string): void {
    const { isJson, tellsTags, out } = this.#options;
    if (this.#columns !== null && !isJson && this.#table === null) this.#print();
    this.flush();
    if (isJson && this.#columns === null) out(`${JSON.stringify({ tag })}\n`);
    else if (tellsTags) out(`${tag}\n`);
    this.#columns = null;
  }

  notice(message: string): void {
    this.#options.onNotice(message);
  }

  /** Prints what waits for more. */
  flush(): void {
    if (this.#waiting.length > 0) this.#print();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #print(): void {
    const rows = this.#waiting;
    this.#waiting = [];
    const { out } = this.#options;
    if (this.#table === null) {
      const names = (this.#columns ?? []).map(({ name }) => name);
      this.#table = new TableWriter(names, rows);
      out(this.#table.head());
    }
    out(this.#table.rows(rows));
  }
}

/** As PostgreSQL prints them. */
function textRow(columns: readonly Column[], row: SqlRow): readonly Value[] {
  return columns.map(({ type }, index) => toPostgresText(type, row[index] ?? null));
}

function jsonRows(columns: readonly Column[], rows: readonly SqlRow[]): string {
  const names = columns.map(({ name }) => name);
  if (!columns.some(({ type }) => type === 'bool' || type === 'jsonb')) {
    const values = rows.map((row) => columns.map(({ type }, at) => plainOf(type, row[at] ?? null)));
    return jsonText({ columns: names, rows: values, changes: null });
  }
  return rows
    .map((row) =>
      columns.map(({ type }, at) => [names[at], jsonOf(type, row[at] ?? null)] as const),
    )
    .map((pairs) => `${JSON.stringify(Object.fromEntries(pairs))}\n`)
    .join('');
}

function plainOf(type: SqlType, value: SqlValue): Value {
  return NUMBERS.includes(type) && typeof value !== 'boolean' ? value : toPostgresText(type, value);
}

/** Booleans and JSON are themselves; integers beyond what JSON's readers keep exactly are text. */
function jsonOf(type: SqlType, value: SqlValue): unknown {
  if (type === 'bool') return value;
  if (type === 'jsonb' && typeof value === 'string') return JSON.parse(value);
  const plain = plainOf(type, value);
  if (typeof plain !== 'bigint') return plain;
  return Number.isSafeInteger(Number(plain)) ? Number(plain) : String(plain);
}
