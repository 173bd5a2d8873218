/** What a replicated table looks like to every part of the system. */
import type { SelectorRule } from './selector.ts';
import type { JsonCell, ValueKind } from './value.ts';

export type ColumnDef = {
  readonly name: string;
  /** Postgres' own name of the type, for people: `character varying(10)`. */
  readonly type: string;
  readonly kind: ValueKind;
  /**
   * The value of rows that existed before the column was added with a constant default; absent when NULL.
   * Only meaningful in a definition that adds the column.
   */
  readonly missing?: JsonCell | undefined;
};

export type IndexDef = { readonly name: string; readonly columns: readonly string[] };

/** What makes a table two-way: where Postgres keeps the versions of its rows. */
export type TwowayDef = {
  /** `schema.table` of the companion, which is a replicated table of its own with the same selector rule. */
  readonly versions: string;
  /**
   * Columns outside the key by place: the place is how versions and uploads name them. Grows at the end only;
   * a dropped column keeps its place, so a name here need not be in the table's `columns`.
   */
  readonly columns: readonly string[];
};

/** A table as it is replicated: its published columns in Postgres' order, its key, its plain indexes. */
export type TableDef = {
  /** `schema.table`, unquoted. The identity of the table on the wire and in digests. */
  readonly name: string;
  readonly columns: readonly ColumnDef[];
  /** Names of the primary key's columns, in key order. Never empty. */
  readonly key: readonly string[];
  /** Secondary indexes over plain columns; replicas create them without uniqueness. */
  readonly indexes: readonly IndexDef[];
  readonly selector: SelectorRule;
  /** Present when replicas may write to the table. */
  readonly twoway?: TwowayDef | undefined;
};

/** `public.cities` -> `cities`, `sales.orders` -> `sales.orders`: the table's name in a SQLite replica. */
export function replicaTableName(table: string): string {
  return table.startsWith('public.') ? table.slice('public.'.length) : table;
}

/** Position of each key column in `columns`. */
export function keyPositions(table: TableDef): readonly number[] {
  return table.key.map((name) => table.columns.findIndex((column) => column.name === name));
}

/** Quotes an identifier for Postgres and SQLite alike. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Quotes a text literal for Postgres and SQLite alike (standard_conforming_strings is on). */
export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
