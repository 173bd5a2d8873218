/**
 * What a query computes: relational algebra over the catalog's items, typed. Bags, not sets: a row may be there
 * more than once. The one form between the binder (which makes it), the compiler (which makes SQLite's SQL of
 * it), the upkeep of views (which keeps some of it by delta) and EXPLAIN.
 */
import type { Column, ItemId, SqlRow, SqlType, SqlValue } from './types.ts';

export type Plan =
  /** All rows of an item. */
  | { readonly kind: 'get'; readonly columns: readonly Column[]; readonly item: ItemId }
  /** Rows that are known: those of a system collection. */
  | {
      readonly kind: 'facts';
      readonly columns: readonly Column[];
      readonly facts: readonly SqlRow[];
    }
  | {
      readonly kind: 'values';
      readonly columns: readonly Column[];
      readonly rows: readonly (readonly Expression[])[];
    }
  | {
      readonly kind: 'filter';
      readonly columns: readonly Column[];
      readonly input: Plan;
      readonly predicate: Expression;
    }
  | {
      readonly kind: 'project';
      readonly columns: readonly Column[];
      readonly input: Plan;
      readonly expressions: readonly Expression[];
    }
  /** One column: a row for each element of what the function `call` makes, which is a JSON array as text. */
  | { readonly kind: 'function'; readonly columns: readonly Column[]; readonly call: Expression }
  /** A join whose right side is computed for each row of the left one, whose columns it has as `outer` of depth 1. */
  | {
      readonly kind: 'lateral';
      readonly columns: readonly Column[];
      readonly type: 'inner' | 'left';
      readonly left: Plan;
      readonly right: Plan;
      readonly on: Expression;
    }
  | {
      readonly kind: 'join';
      readonly columns: readonly Column[];
      readonly type: 'inner' | 'left' | 'full' | 'cross';
      readonly left: Plan;
      readonly right: Plan;
      readonly on: Expression;
    }
  /** Columns: the keys, then the aggregates. Without keys there is always exactly one row. */
  | {
      readonly kind: 'aggregate';
      readonly columns: readonly Column[];
      readonly input: Plan;
      readonly keys: readonly Expression[];
      readonly aggregates: readonly Aggregate[];
    }
  /** Columns: those of the input, then what the windows give. */
  | {
      readonly kind: 'window';
      readonly columns: readonly Column[];
      readonly input: Plan;
      readonly calls: readonly WindowCall[];
    }
  | { readonly kind: 'distinct'; readonly columns: readonly Column[]; readonly input: Plan }
  | {
      readonly kind: 'set';
      readonly columns: readonly Column[];
      readonly operation: 'union' | 'except' | 'intersect';
      readonly isAll: boolean;
      readonly left: Plan;
      readonly right: Plan;
    }
  /** Sorts, then cuts. Null: no limit. */
  | {
      readonly kind: 'limit';
      readonly columns: readonly Column[];
      readonly input: Plan;
      readonly order: readonly SortKey[];
      readonly limit: Expression | null;
      readonly offset: Expression | null;
    };

/** A bound query. */
export type Query = {
  readonly columns: readonly Column[];
  readonly plan: Plan;
  /** The final order of the rows; rows that are equal under it come column by column, NULL last. */
  readonly order: readonly SortKey[];
  /** The items it reads, each once, in the order in which they were named; views are not looked into. */
  readonly items: readonly ItemId[];
  /** The types of `$1`, `$2`, ... */
  readonly parameters: readonly Column['type'][];
  readonly usesLogicalTimestamp: boolean;
  readonly usesNow: boolean;
  /** Facts about the session or the catalog are in it: it cannot be kept. */
  readonly usesSession: boolean;
};

/** A scalar expression after binding: names are resolved, types are known, casts are explicit. */
export type Expression =
  | { readonly kind: 'constant'; readonly type: SqlType; readonly value: SqlValue }
  /** A column of the plan's input: of the left one first, then of the right one, in a join. */
  | { readonly kind: 'column'; readonly type: SqlType; readonly index: number }
  /** A column of a query around this one, `depth` subqueries out (1 = the next). */
  | {
      readonly kind: 'outer';
      readonly type: SqlType;
      readonly depth: number;
      readonly index: number;
    }
  /** `$n` of a prepared statement, counted from 1. */
  | { readonly kind: 'parameter'; readonly type: SqlType; readonly number: number }
  /** A function or operator of the table in `functions.ts`, by its name there: `int4_add`, `text_lower`. */
  | {
      readonly kind: 'call';
      readonly type: SqlType;
      readonly name: string;
      readonly args: readonly Expression[];
    }
  | { readonly kind: 'and' | 'or'; readonly type: 'bool'; readonly args: readonly Expression[] }
  | { readonly kind: 'not'; readonly type: 'bool'; readonly arg: Expression }
  | { readonly kind: 'isNull'; readonly type: 'bool'; readonly arg: Expression }
  | {
      readonly kind: 'case';
      readonly type: SqlType;
      readonly branches: readonly { readonly when: Expression; readonly result: Expression }[];
      readonly otherwise: Expression;
    }
  | { readonly kind: 'cast'; readonly type: SqlType; readonly arg: Expression }
  /** The timestamp at which the query reads. */
  | { readonly kind: 'logicalTimestamp'; readonly type: 'numeric' }
  /** The wall clock of the transaction (in scripts: the script's clock). */
  | { readonly kind: 'now'; readonly type: 'timestamptz' }
  | { readonly kind: 'exists'; readonly type: 'bool'; readonly plan: Plan }
  | { readonly kind: 'scalar'; readonly type: SqlType; readonly plan: Plan }
  /** `arg IN (plan)`, with the NULL rules of PostgreSQL. */
  | { readonly kind: 'in'; readonly type: 'bool'; readonly arg: Expression; readonly plan: Plan };

export type AggregateName =
  | 'count'
  | 'sum'
  | 'avg'
  | 'min'
  | 'max'
  | 'bool_and'
  | 'bool_or'
  | 'string_agg'
  | 'array_agg';

export type Aggregate = {
  readonly name: AggregateName;
  readonly type: SqlType;
  /** Null for `count(*)`. */
  readonly arg: Expression | null;
  readonly isDistinct: boolean;
  readonly filter: Expression | null;
  /** The second argument of `string_agg`. */
  readonly separator: Expression | null;
  /** Of `string_agg(x, ',' ORDER BY ...)`. */
  readonly order: readonly SortKey[];
};

/** A function over the rows around. */
export type WindowCall = {
  /** `row_number`, `lag`, `sum`, ...: as SQLite names it too. */
  readonly name: string;
  readonly type: SqlType;
  readonly args: readonly Expression[];
  readonly partition: readonly Expression[];
  readonly order: readonly SortKey[];
  readonly filter: Expression | null;
  /** `ROWS BETWEEN ...`; empty for the usual one. */
  readonly frame: string;
  /** Rows that `order` does not tell apart must have some order. */
  readonly needsTies: boolean;
};

export type SortKey = {
  readonly expression: Expression;
  readonly isDescending: boolean;
  readonly areNullsFirst: boolean;
};
