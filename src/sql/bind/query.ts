/** The door to binding: a parse tree and a catalog in, a typed plan out. */
import { notSupported, sqlError } from '../errors.ts';
import type { Node, SelectStmt } from '../pg-parser.ts';
import type { Expression, Query } from '../plan.ts';
import type { SqlType } from '../types.ts';
import { coerceTo, known } from './coerce.ts';
import { type Binding, type Lookup, offsetOf, type SessionFacts } from './context.ts';
import { bindExpression } from './expression.ts';
import { emptyScope } from './scope.ts';
import { bindInner, bindSorted } from './select.ts';

export type BindOptions = {
  /** Types of `$1`, ... that the client has named; null where it leaves them to the context. Without it there are none. */
  readonly parameters?: readonly (SqlType | null)[];
  readonly session?: SessionFacts;
};

/** Throws `SqlError`: 42P01, 42703, 42883, 42804, 0A000, ... with the place in the batch. */
export function bindSelect(select: SelectStmt, lookup: Lookup, options: BindOptions = {}): Query {
  const binding = newBinding(lookup, options);
  const { plan, columns, order } = bindSorted(select, { binding, outer: null, ctes: null }, false);
  if (columns.length === 0) throw notSupported('a query without columns');
  return {
    columns,
    plan,
    order,
    items: [...binding.items],
    parameters: typesOf(binding),
    usesLogicalTimestamp: binding.usesLogicalTimestamp,
    usesNow: binding.usesNow,
    usesSession: binding.usesSession,
  };
}

export function newBinding(lookup: Lookup, { parameters, session }: BindOptions): Binding {
  return {
    lookup,
    session: session ?? null,
    items: new Set(),
    parameters: (parameters ?? []).map((type) => type ?? 'unknown'),
    hasParameters: parameters !== undefined,
    usesNow: false,
    usesLogicalTimestamp: false,
    usesSession: false,
  };
}

/** A parameter whose type nothing told. */
export function typesOf({ parameters }: Binding): readonly SqlType[] {
  const place = parameters.indexOf('unknown');
  if (place < 0) return [...parameters];
  throw sqlError('42P18', `could not determine data type of parameter $${place + 1}`);
}

/** An expression without columns, as `AS OF` has. Of `type` when one is named. */
export function bindScalar(node: Node, type: SqlType | null = null): Expression {
  const binding = newBinding(() => null, {});
  const bound = bindExpression(node, {
    binding,
    scope: emptyScope(null),
    ctes: null,
    aggregates: 'this expression',
    windows: null,
    bindSelect: bindInner,
  });
  const offset = offsetOf(node);
  if (type === null) return known(bound, binding, offset);
  return coerceTo(bound, type, { binding, offset, context: 'assignment', what: 'the expression' });
}
