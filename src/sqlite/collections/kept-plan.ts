/**
 * Which part of a view's plan is kept by delta, and how. The rest (`top`: filters and projections over it) is computed when
 * it is read.
 *
 *   bag      the rows of a linear plan, as they are
 *   groups   one row of sums for each group of a linear plan: GROUP BY, DISTINCT, UNION
 */
import type { Aggregate, Expression, Plan } from '../../sql/plan.ts';
import { isNative } from '../../sql/storage.ts';
import type { Column, ItemId, SqlType } from '../../sql/types.ts';
import { isPlain, isTotal, joinColumns, type Term, termsOf } from './linear-plan.ts';

export type KeptPlan = {
  readonly terms: readonly Term[];
  readonly state: BagState | GroupsState;
  /** The view's plan over `STATE`, the item that is the state. */
  readonly top: Plan;
  /** No row whatever can make the upkeep fail. */
  readonly isTotal: boolean;
};

export type BagState = { readonly kind: 'bag'; readonly columns: readonly Column[] };

export type GroupsState = {
  readonly kind: 'groups';
  /** The keys, then the aggregates. */
  readonly columns: readonly Column[];
  readonly keys: readonly Expression[];
  readonly aggregates: readonly Aggregate[];
};

/** The name under which `top` reads the state. */
const STATE: ItemId = 'state';

/** Null for a plan that is computed when it is read. */
export function keptPlanOf(plan: Plan): KeptPlan | null {
  const split = splitPlan(plan);
  if (split === null) return null;
  const { input, state, top } = split;
  const terms = termsOf(input);
  if (terms === null || terms.some((term) => joinColumns(term) === null)) return null;
  // Only projections of one item: its rows and its changes are read as easily as a copy of them.
  if (state.kind === 'bag' && isRenamed(input)) return null;
  const mayFail = state.kind === 'groups' && state.aggregates.some(isNumericSum);
  return { terms, state, top, isTotal: !mayFail && expressionsOf(input, state).every(isTotal) };
}

type Split = { input: Plan; state: BagState | GroupsState; top: Plan };

function splitPlan(plan: Plan): Split | null {
  const groups = groupsOf(plan);
  if (groups !== null) return groups;
  if (plan.kind === 'filter' || plan.kind === 'project') {
    const inner = splitPlan(plan.input);
    const own = plan.kind === 'filter' ? [plan.predicate] : plan.expressions;
    if (inner !== null && inner.state.kind === 'groups') {
      return own.every(isPlain) ? { ...inner, top: { ...plan, input: inner.top } } : null;
    }
  }
  const state: BagState = { kind: 'bag', columns: plan.columns };
  return { input: plan, state, top: stateOf(plan.columns) };
}

function groupsOf(plan: Plan): Split | null {
  if (plan.kind === 'distinct') return distinctRows(plan.input, plan.columns);
  if (plan.kind === 'set' && plan.operation === 'union' && !plan.isAll) {
    return distinctRows({ ...plan, isAll: true }, plan.columns);
  }
  if (plan.kind !== 'aggregate') return null;
  const { columns, keys, aggregates, input } = plan;
  if (!keys.every((key) => isPlain(key) && isKey(key.type)) || !aggregates.every(isKept))
    return null;
  const state: GroupsState = { kind: 'groups', columns, keys, aggregates };
  return { input, state, top: stateOf(columns) };
}

function distinctRows(input: Plan, columns: readonly Column[]): Split | null {
  if (!columns.every(({ type }) => isKey(type))) return null;
  const keys = columns.map(({ type }, index): Expression => ({ kind: 'column', type, index }));
  const state: GroupsState = { kind: 'groups', columns, keys, aggregates: [] };
  return { input, state, top: stateOf(columns) };
}

const stateOf = (columns: readonly Column[]): Plan => ({ kind: 'get', item: STATE, columns });

/**
 * Types whose equal values are one and the same in SQLite. Floats have two zeros; of bytes one value stands for NULL (see
 * `group-table.ts`).
 */
function isKey(type: SqlType): boolean {
  return isNative(type) && !type.startsWith('float') && type !== 'bytea';
}

const SUMMED: ReadonlySet<SqlType> = new Set(['int2', 'int4', 'int8', 'numeric']);

/** Sums of floats depend on the order of their parts. */
function isKept({ name, arg, filter, isDistinct }: Aggregate): boolean {
  if (isDistinct || (arg !== null && !isPlain(arg)) || (filter !== null && !isPlain(filter)))
    return false;
  switch (name) {
    case 'count':
      return true;
    case 'sum':
    case 'avg':
      return arg !== null && SUMMED.has(arg.type);
    case 'min':
    case 'max':
      return arg !== null && isKey(arg.type);
    case 'bool_and':
    case 'bool_or':
      return arg !== null;
    default:
      return false;
  }
}

/** Sums of numerics show the largest scale of what is in them: they are kept by scale. */
export function isNumericSum({ name, arg }: Aggregate): boolean {
  return (name === 'sum' || name === 'avg') && arg?.type === 'numeric';
}

function isRenamed(plan: Plan): boolean {
  if (plan.kind === 'get') return true;
  return plan.kind === 'project' && isRenamed(plan.input);
}

function expressionsOf(plan: Plan, state: BagState | GroupsState): Expression[] {
  const own = state.kind === 'bag' ? [] : [...state.keys, ...state.aggregates.flatMap(argumentsOf)];
  return [...own, ...insideOf(plan)];
}

function argumentsOf({ arg, filter }: Aggregate): Expression[] {
  return [arg, filter].filter((one) => one !== null);
}

function insideOf(plan: Plan): Expression[] {
  switch (plan.kind) {
    case 'filter':
      return [plan.predicate, ...insideOf(plan.input)];
    case 'project':
      return [...plan.expressions, ...insideOf(plan.input)];
    case 'join':
      return [plan.on, ...insideOf(plan.left), ...insideOf(plan.right)];
    case 'set':
      return [...insideOf(plan.left), ...insideOf(plan.right)];
    default:
      return [];
  }
}
