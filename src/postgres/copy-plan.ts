/**
 * How each column of a table is read by `COPY ... (FORMAT binary)`: in Postgres' binary form where its
 * meaning is plain, else as the text of the type's own output function, so that a copied value equals a
 * streamed one to the byte. A cast to text would not do: `inet`, `bool`, `char(n)`, `"char"` and others
 * print differently when cast.
 */
import { TidelockError } from '../core/errors.ts';
import { EVERYONE, readableSelectors, type WantedSelectors } from '../core/selector.ts';
import { type SelectorExpression, selectorSql } from '../core/selector-expression.ts';
import { quoteName, quoteText, type TableDef } from '../core/table.ts';
import { kindOfType, type ValueKind } from '../core/value.ts';
import { quoteTable, splitTableName } from './names.ts';
import type { PgRow, PgSession } from './session.ts';

export const READ_INT2 = 0;
export const READ_INT4 = 1;
export const READ_INT8 = 2;
export const READ_OID = 3;
export const READ_BOOL = 4;
export const READ_FLOAT8 = 5;
export const READ_BYTES = 6;
const READ_TEXT = 7;
export const READ_UUID = 8;
export const READ_JSONB = 9;
/** Text of the output function, still to be turned into a cell. */
export const READ_PRINTED = 10;

export type CopyPlan = {
  readonly sql: string;
  /** One READ_* per column. */
  readonly readers: readonly number[];
  readonly kinds: readonly ValueKind[];
  /** The selector of every row, or null when each row brings its own in front. */
  readonly selector: string | null;
};

const READER_BY_OID: ReadonlyMap<number, number> = new Map([
  [16, READ_BOOL],
  [17, READ_BYTES],
  [19, READ_TEXT],
  [20, READ_INT8],
  [21, READ_INT2],
  [23, READ_INT4],
  [25, READ_TEXT],
  [26, READ_OID],
  [114, READ_TEXT],
  [701, READ_FLOAT8],
  [1042, READ_TEXT],
  [1043, READ_TEXT],
  [2950, READ_UUID],
  [3802, READ_JSONB],
]);

const COLUMNS_SQL = `
  SELECT a.attname AS name, base.oid AS base_oid, base.typtype AS base_type, c.relkind,
    pg_catalog.quote_ident(fn.nspname) || '.' || pg_catalog.quote_ident(f.proname) AS output,
    coalesce(l.collisdeterministic, true) AS is_deterministic
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
  CROSS JOIN LATERAL (
    WITH RECURSIVE t AS (
      SELECT oid, typtype, typbasetype, typoutput FROM pg_catalog.pg_type WHERE oid = a.atttypid
      UNION ALL
      SELECT b.oid, b.typtype, b.typbasetype, b.typoutput
      FROM t JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype WHERE t.typtype = 'd'
    ) SELECT oid, typtype, typoutput FROM t WHERE typtype <> 'd') base
  JOIN pg_catalog.pg_proc f ON f.oid = base.typoutput
  JOIN pg_catalog.pg_namespace fn ON fn.oid = f.pronamespace
  WHERE n.nspname = $1 AND c.relname = $2 ORDER BY a.attnum`;

/** Asks the catalog and builds the COPY. Throws `TABLE_UNFIT` when a column of `table` is gone. */
export async function planCopy(
  session: PgSession,
  table: TableDef,
  selectors: WantedSelectors,
): Promise<CopyPlan> {
  const rows = await readColumns(session, table.name);
  const facts = new Map(rows.map((row) => [row.name ?? '', row]));
  const columnOf = (column: string): PgRow => {
    const row = facts.get(column);
    if (row !== undefined) return row;
    throw new TidelockError({
      code: 'TABLE_UNFIT',
      message: `column ${column} of ${table.name} is gone: the table changed meanwhile`,
      hint: 'try again: the new definition is on its way through the stream',
    });
  };
  const columns = table.columns.map((column) => columnOf(column.name));
  const { rule, condition, selector } = planSelector(table, selectors, columnOf);
  const list = [...(selector === null ? [rule] : []), ...columns.map(expression)];
  const only = rows[0]?.relkind === 'r' ? 'ONLY ' : '';
  const query = `SELECT ${list.join(', ')} FROM ${only}${quoteTable(table.name)}${condition}`;
  return {
    sql: `COPY (${query}) TO STDOUT (FORMAT binary)`,
    readers: columns.map(readerOf),
    kinds: table.columns.map((column) => column.kind),
    selector,
  };
}

/** A column of any relation, as `planRelation` needs it. */
export type RelationColumn = {
  readonly name: string;
  /** Of the base type. */
  readonly oid: number;
  readonly row: PgRow;
};

/** The columns of a table, view or anything else with rows, and its `relkind`; null when there is none. */
export async function describeColumns(
  session: PgSession,
  relation: string,
): Promise<{ readonly relkind: string; readonly columns: readonly RelationColumn[] } | null> {
  const rows = await readColumns(session, relation);
  const relkind = rows[0]?.relkind;
  if (typeof relkind !== 'string') return null;
  const columns = rows.map((row) => ({
    name: row.name ?? '',
    oid: Number(row.base_oid),
    row,
  }));
  return { relkind, columns };
}

/** A COPY of these columns of any relation; `condition` starts at WHERE. */
export function planRelation(request: {
  readonly relation: string;
  readonly columns: readonly RelationColumn[];
  readonly condition: string;
}): CopyPlan {
  const { relation, columns, condition } = request;
  const list = columns.map(({ row }) => expression(row)).join(', ');
  return {
    sql: `COPY (SELECT ${list} FROM ${quoteTable(relation)} ${condition}) TO STDOUT (FORMAT binary)`,
    readers: columns.map(({ row }) => readerOf(row)),
    kinds: columns.map(({ oid }) => kindOfType(oid)),
    selector: '',
  };
}

function readColumns(session: PgSession, relation: string): Promise<readonly PgRow[]> {
  const { schema, table } = splitTableName(relation);
  return session.query(COLUMNS_SQL, [schema, table]);
}

function planSelector(
  table: TableDef,
  selectors: WantedSelectors,
  columnOf: (column: string) => PgRow,
): { rule: string; condition: string; selector: string | null } {
  if (table.selector.kind === 'everyone') return { rule: '', condition: '', selector: EVERYONE };
  const rule = ruleSql(table.selector.expression, columnOf);
  if (selectors === 'any') return { rule, condition: ` WHERE ${rule} IS NOT NULL`, selector: null };
  const wanted = readableSelectors(table.selector, selectors);
  const [only, ...others] = wanted;
  if (only === undefined) return { rule, condition: ' WHERE false', selector: '' };
  const condition = ` WHERE ${rule} IN (${wanted.map(quoteText).join(', ')})`;
  return { rule, condition, selector: others.length === 0 ? only : null };
}

/** A rule over the columns of one relation, as SQL; rows of `columnOf` have the fields of `COLUMNS_SQL`. */
export function ruleSql(
  expression: SelectorExpression,
  columnOf: (column: string) => PgRow,
): string {
  const plain = (column: string): string => quoteName(columnOf(column).name ?? '');
  const text = (column: string): string => asText(columnOf(column));
  return selectorSql(expression, { text, plain, flag: plain });
}

function readerOf(column: PgRow): number {
  if (column.base_type === 'e') return READ_TEXT;
  return READER_BY_OID.get(Number(column.base_oid)) ?? READ_PRINTED;
}

/** The column itself, or the text of its output function: strict, so NULL stays NULL. */
function expression(column: PgRow): string {
  const name = quoteName(column.name ?? '');
  return readerOf(column) === READ_PRINTED ? printed(column) : name;
}

function printed(column: PgRow): string {
  return `pg_catalog.textin(${column.output}(${quoteName(column.name ?? '')}))`;
}

/** A column as text inside a selector: plain where an index may serve, and equal only when bytes are. */
function asText(column: PgRow): string {
  const isPlainText = column.base_oid === '25' || column.base_oid === '1043';
  const text = isPlainText ? `${quoteName(column.name ?? '')}::pg_catalog.text` : printed(column);
  return column.is_deterministic === 't' ? text : `(${text} COLLATE pg_catalog."C")`;
}
