/** Rows of a run database between SQLite's values and ours. */
import type { RunColumn, RunTable } from '../../planner/run-tables.ts';
import { sqlName } from '../../planner/run-tables.ts';
import { prepareArrays, type Sql, type SqlStatement } from '../sql.ts';

export type SqlValue = string | number | null;
export type Fields = Readonly<Record<string, unknown>>;

export function toSql(column: RunColumn, value: unknown): SqlValue {
  if (column.kind === 'json') return JSON.stringify(value ?? null);
  if (value === null || value === undefined) return null;
  if (column.kind === 'bool') return value === true ? 1 : 0;
  if (column.kind === 'text') return String(value);
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new TypeError(`${column.field}: a number was expected, not ${JSON.stringify(value)}`);
}

function fromSql(column: RunColumn, value: unknown): unknown {
  if (column.kind === 'json') return JSON.parse(String(value));
  if (column.kind === 'bool') return value === 1;
  return value;
}

export function rowOf(columns: readonly RunColumn[], values: readonly unknown[]): Fields {
  const row: Record<string, unknown> = {};
  for (let place = 0; place < columns.length; place += 1) {
    const column = columns[place];
    if (column !== undefined) row[column.field] = fromSql(column, values[place]);
  }
  return row;
}

export function columnList(columns: readonly RunColumn[]): string {
  return columns.map(({ field }) => sqlName(field)).join(', ');
}

const STATEMENTS_MAX = 300;

/** Statements by their text: preparing costs more than most of them. */
export class Statements {
  readonly sql: Sql;
  readonly #byText = new Map<string, SqlStatement>();

  constructor(sql: Sql) {
    this.sql = sql;
  }

  get(text: string): SqlStatement {
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    if (this.#byText.size >= STATEMENTS_MAX) this.#byText.clear();
    const made = prepareArrays(this.sql, text);
    this.#byText.set(text, made);
    return made;
  }

  /** Rows of a table; `rest` is what follows `FROM table`. */
  rows(table: RunTable, rest: string, ...values: readonly SqlValue[]): readonly Fields[] {
    const text = `SELECT ${columnList(table.columns)} FROM ${table.name} ${rest}`;
    const rows = this.get(text).all(...values) as unknown as readonly (readonly unknown[])[];
    return rows.map((row) => rowOf(table.columns, row));
  }

  /** The columns of the first row, or null. */
  first(text: string, ...values: readonly SqlValue[]): readonly unknown[] | null {
    const row = this.get(text).get(...values) as unknown as readonly unknown[] | undefined;
    return row ?? null;
  }

  all(text: string, ...values: readonly SqlValue[]): readonly (readonly unknown[])[] {
    return this.get(text).all(...values) as unknown as readonly (readonly unknown[])[];
  }

  run(text: string, ...values: readonly SqlValue[]): number {
    return Number(this.get(text).run(...values).changes);
  }
}
