/** The types of SQL values, and how a value of each is held in memory. Source: PostgreSQL's types of the same names. */

/** A type of the declared subset. `unknown` is a literal (or NULL) whose context has not decided yet. */
export type SqlType =
  | 'bool'
  | 'int2'
  | 'int4'
  | 'int8'
  | 'float4'
  | 'float8'
  | 'numeric'
  | 'text'
  | 'uuid'
  | 'bytea'
  | 'date'
  | 'timestamp'
  | 'timestamptz'
  | 'interval'
  | 'jsonb'
  /** Numbers of objects in the catalog. */
  | 'oid'
  /** Texts in braces, as PostgreSQL prints them; of the catalog, and made only by `ARRAY(query)`. */
  | '_text'
  | 'unknown';

/**
 * A value, by type: bool is a boolean; int2, int4, oid a number; int8 a bigint; float4, float8 a number (NaN and
 * infinities too); bytea a Uint8Array; all others are the text that PostgreSQL prints for them (numeric with its
 * scale, timestamps in UTC with `+00`). NULL is null.
 */
export type SqlValue = null | boolean | number | bigint | string | Uint8Array;

/** Values by the position of their columns. */
export type SqlRow = readonly SqlValue[];

export type Column = {
  readonly name: string;
  readonly type: SqlType;
  readonly isNullable: boolean;
  /** Of a table's column: `[10, 2]` of `numeric(10, 2)`, `[20]` of `varchar(20)`. Values written are made to fit. */
  readonly modifier?: readonly number[];
};

/** A row and how often it is added (above zero) or taken away (below). */
export type RowDelta = { readonly row: SqlRow; readonly diff: number };

/** `u12`: an item of the catalog. */
export type ItemId = string;
