/** What binding works with. */
import { sqlError } from '../errors.ts';
import type { Node, SelectStmt, WindowDef } from '../pg-parser.ts';
import type { Aggregate, Expression, Plan, WindowCall } from '../plan.ts';
import type { Name } from '../statement.ts';
import type { Column, ItemId, SqlRow, SqlType } from '../types.ts';
import type { Scope } from './scope.ts';

/** An item that a query can read. */
export type Relation = { readonly item: ItemId; readonly columns: readonly Column[] };

/** A system collection: its rows are known, and plain values stand in the plan. */
export type Facts = { readonly columns: readonly Column[]; readonly rows: readonly SqlRow[] };

/** What a name means in the catalog; null when there is nothing of the name. */
export type Lookup = (name: Name) => Relation | Facts | null;

/** What functions like `current_user` give. */
export type SessionFacts = {
  readonly user: string;
  readonly database: string;
  readonly schema: string;
  /** The whole sentence of `version()`. */
  readonly version: string;
  readonly connection: number;
  /** The value of a setting; null when there is none of the name. */
  readonly setting: (name: string) => string | null;
};

/** One for a whole statement. */
export type Binding = {
  readonly lookup: Lookup;
  /** Null where no session asks: for defaults of columns. */
  readonly session: SessionFacts | null;
  readonly items: Set<ItemId>;
  /** Types of `$1`, ...: `unknown` until the context tells. */
  readonly parameters: SqlType[];
  /** Statements may have none. */
  readonly hasParameters: boolean;
  usesNow: boolean;
  usesLogicalTimestamp: boolean;
  /** Facts about the session, or rows of system collections, stand in the plan: they are those of now. */
  usesSession: boolean;
};

/** Where an expression stands. */
export type Context = {
  readonly binding: Binding;
  /** Columns that can be named; queries around are its parents. */
  readonly scope: Scope;
  readonly ctes: Ctes | null;
  /** Aggregates found so far, where they may stand; else the clause that has none: `WHERE`. */
  readonly aggregates: Aggregate[] | string;
  readonly bindSelect: BindSelect;
  /** Window functions found so far, where they may stand, and the windows that have names. */
  readonly windows: Windows | null;
};

export type Windows = { readonly calls: WindowCall[]; readonly named: readonly WindowDef[] };

/** `WITH` names, the nearest first. */
export type Ctes = {
  readonly name: string;
  readonly bound: Bound;
  /** How many queries are around it. */
  readonly depth: number;
  readonly next: Ctes | null;
};

/** A query as a plan; names and types are those of its columns. */
export type Bound = { readonly plan: Plan; readonly columns: readonly Column[] };

/** Binds a query inside of another one: `outer` are the columns around it. */
export type BindSelect = (select: SelectStmt, around: Around) => Bound;

/** Binds an expression inside of another one. */
export type BindExpression = (node: Node | undefined, context: Context) => Expression;

export type Around = {
  readonly binding: Binding;
  readonly outer: Scope | null;
  readonly ctes: Ctes | null;
};

/**
 * Aggregates are bound to columns with this index and above, until the row that has them is known.
 */
export const AGGREGATE_BASE = 1_000_000;

/** Where a node stands in the batch. */
export function offsetOf(node: Node | undefined): number | undefined {
  if (node === undefined) return undefined;
  for (const inner of Object.values(node)) {
    if (typeof inner !== 'object' || inner === null) continue;
    if ('location' in inner && typeof inner.location === 'number' && inner.location >= 0) {
      return inner.location;
    }
  }
  return undefined;
}

/** The node of a list at `index`, which the grammar promises. */
export function required<T>(value: T | undefined, offset?: number): T {
  if (value === undefined) throw sqlError('42601', 'syntax error', { offset });
  return value;
}
