/**
 * Plans whose rows change in proportion to their inputs: projections, filters, UNION ALL and joins. Such a plan is a sum
 * of products of its inputs, so that
 *
 *   change(A join B) = change(A) join B + A join change(B) - change(A) join change(B)    (A, B: as they are afterwards)
 */
import type { Expression, Plan } from '../../sql/plan.ts';
import type { Column, ItemId } from '../../sql/types.ts';
import { shiftColumns, walkExpression } from './expressions.ts';

/** Products of one plan. */
const TERMS_MAX = 16;
/** Factors of one product: 2^n - 1 statements for an item that is there n times. */
const LEAVES_MAX = 4;

/** One product: a plan of `get`, `filter`, `project` and inner `join`, whose leaves are `leaf:0`, `leaf:1`, ... */
export type Term = {
  readonly plan: Plan;
  /** The items of its leaves, by their numbers. */
  readonly leaves: readonly ItemId[];
};

/** The products whose sum the plan is, or null when it is not linear (or of too many). */
export function termsOf(plan: Plan): readonly Term[] | null {
  const plans = alternatives(plan);
  if (plans === null || plans.length > TERMS_MAX) return null;
  const terms = plans.map(numberLeaves);
  return terms.some(({ leaves }) => leaves.length > LEAVES_MAX) ? null : terms;
}

/** The plan without UNION ALL: as the list of what is united. */
function alternatives(plan: Plan): readonly Plan[] | null {
  switch (plan.kind) {
    case 'get':
      return [plan];
    case 'filter':
      if (!isPlain(plan.predicate)) return null;
      return alternatives(plan.input)?.map((input) => ({ ...plan, input })) ?? null;
    case 'project':
      if (!plan.expressions.every(isPlain)) return null;
      return alternatives(plan.input)?.map((input) => ({ ...plan, input })) ?? null;
    case 'set': {
      if (plan.operation !== 'union' || !plan.isAll) return null;
      const [left, right] = [alternatives(plan.left), alternatives(plan.right)];
      return left === null || right === null ? null : [...left, ...right];
    }
    case 'join': {
      if ((plan.type !== 'inner' && plan.type !== 'cross') || !isPlain(plan.on)) return null;
      const [lefts, rights] = [alternatives(plan.left), alternatives(plan.right)];
      if (lefts === null || rights === null || lefts.length * rights.length > TERMS_MAX)
        return null;
      return lefts.flatMap((left) => rights.map((right) => ({ ...plan, left, right })));
    }
    default:
      return null;
  }
}

/** The same for the same row, whenever it is asked. */
export function isPlain(expression: Expression): boolean {
  let isSo = true;
  walkExpression(expression, ({ kind }) => {
    if (!PLAIN.has(kind)) isSo = false;
  });
  return isSo;
}

const PLAIN: ReadonlySet<Expression['kind']> = new Set([
  'constant',
  'column',
  'call',
  'and',
  'or',
  'not',
  'isNull',
  'case',
  'cast',
] as const);

/** Calls that give a value for every argument. Everything else may fail for some row. */
const TOTAL: ReadonlySet<string> = new Set(['eq', 'ne', 'lt', 'le', 'gt', 'ge', 'distinct']);

/** True when no row whatever makes an expression of the plan fail. */
export function isTotal(expression: Expression): boolean {
  let isSo = true;
  walkExpression(expression, (one) => {
    if (one.kind === 'cast' || (one.kind === 'call' && !TOTAL.has(one.name))) isSo = false;
  });
  return isSo;
}

function numberLeaves(plan: Plan): Term {
  const leaves: ItemId[] = [];
  const visit = (one: Plan): Plan => {
    switch (one.kind) {
      case 'get':
        leaves.push(one.item);
        return { ...one, item: leafId(leaves.length - 1) };
      case 'filter':
      case 'project':
        return { ...one, input: visit(one.input) };
      case 'join': {
        const left = visit(one.left);
        return { ...one, left, right: visit(one.right) };
      }
      default:
        return one;
    }
  };
  return { plan: visit(plan), leaves };
}

export const leafId = (index: number): ItemId => `leaf:${index}`;

/** How often a row is there. */
export const WEIGHT: Column = { name: 'n', type: 'int8', isNullable: false };

/**
 * The plan with more columns at the end: those that each leaf has behind its own (by default how often the leaf's row is
 * there), leaf by leaf. `extra` is their number.
 */
export function carrying(
  plan: Plan,
  added: readonly Column[] = [WEIGHT],
): { readonly plan: Plan; readonly extra: number } {
  switch (plan.kind) {
    case 'get':
      return { plan: { ...plan, columns: [...plan.columns, ...added] }, extra: added.length };
    case 'filter': {
      const { plan: input, extra } = carrying(plan.input, added);
      return { plan: { ...plan, input, columns: input.columns }, extra };
    }
    case 'project': {
      const { plan: input, extra } = carrying(plan.input, added);
      const carried = pick(input.columns, range(extra, plan.input.columns.length));
      return {
        plan: {
          ...plan,
          input,
          columns: [...plan.columns, ...carried.columns],
          expressions: [...plan.expressions, ...carried.expressions],
        },
        extra,
      };
    }
    case 'join':
      return carryingJoin(plan, added);
    default:
      throw new Error(`nothing is carried through ${plan.kind}`);
  }
}

/** A join gives left columns, left extra, right columns, right extra: a projection puts them in order. */
function carryingJoin(
  plan: Extract<Plan, { kind: 'join' }>,
  added: readonly Column[],
): { plan: Plan; extra: number } {
  const left = carrying(plan.left, added);
  const right = carrying(plan.right, added);
  const leftWidth = plan.left.columns.length;
  const rightWidth = plan.right.columns.length;
  const shift = (index: number): number => (index < leftWidth ? index : index + left.extra);
  const columns = [...left.plan.columns, ...right.plan.columns];
  const on = shiftColumns(plan.on, shift);
  const input: Plan = { ...plan, left: left.plan, right: right.plan, on, columns };
  const order = [
    ...range(leftWidth + rightWidth).map(shift),
    ...range(left.extra, leftWidth),
    ...range(right.extra, leftWidth + left.extra + rightWidth),
  ];
  return {
    plan: { kind: 'project', input, ...pick(columns, order) },
    extra: left.extra + right.extra,
  };
}

/** Columns by position: what they are, and the expressions that give them. */
export function pick(
  columns: readonly Column[],
  positions: readonly number[],
): { readonly columns: readonly Column[]; readonly expressions: readonly Expression[] } {
  const picked = positions.flatMap((index) => {
    const column = columns[index];
    return column === undefined ? [] : [{ column, index }];
  });
  return {
    columns: picked.map(({ column }) => column),
    expressions: picked.map(({ column: { type }, index }) => ({ kind: 'column', type, index })),
  };
}

export function range(length: number, first = 0): number[] {
  return Array.from({ length }, (_, index) => first + index);
}

/** A column of a leaf that another leaf's column is equated with. */
export type JoinColumn = { readonly leaf: number; readonly column: number };

/**
 * The columns by which the leaves of a term are joined. Null when some leaf is not reached by equalities: a change of one
 * row would need to read all of another item.
 */
export function joinColumns({ plan, leaves }: Term): readonly JoinColumn[] | null {
  const found: JoinColumn[] = [];
  const group = leaves.map((_, index) => index);
  for (const [left, right] of equalities(plan)) {
    const [a, b] = [group[left.leaf], group[right.leaf]];
    if (left.leaf === right.leaf || a === undefined || b === undefined) continue;
    found.push(left, right);
    for (const [index, of] of group.entries()) if (of === b) group[index] = a;
  }
  return new Set(group).size > 1 ? null : found;
}

function equalities(plan: Plan): (readonly [JoinColumn, JoinColumn])[] {
  switch (plan.kind) {
    case 'filter':
      return [...equalPairs(plan.predicate, plan.input), ...equalities(plan.input)];
    case 'project':
      return equalities(plan.input);
    case 'join': {
      const columns = [...plan.left.columns, ...plan.right.columns];
      const both: Plan = { ...plan, columns };
      return [...equalPairs(plan.on, both), ...equalities(plan.left), ...equalities(plan.right)];
    }
    default:
      return [];
  }
}

function equalPairs(
  condition: Expression,
  input: Plan,
): readonly (readonly [JoinColumn, JoinColumn])[] {
  if (condition.kind === 'and') return condition.args.flatMap((arg) => equalPairs(arg, input));
  if (condition.kind !== 'call' || condition.name !== 'eq') return [];
  const [left, right] = condition.args.map((arg) => leafColumn(arg, input));
  return left != null && right != null ? [[left, right]] : [];
}

/** The leaf's column that an expression is, if it is one as it stands. */
function leafColumn(expression: Expression, input: Plan): JoinColumn | null {
  if (expression.kind === 'cast') return leafColumn(expression.arg, input);
  if (expression.kind !== 'column') return null;
  const { index } = expression;
  switch (input.kind) {
    case 'get':
      return { leaf: Number(input.item.slice(leafId(0).length - 1)), column: index };
    case 'filter':
      return leafColumn(expression, input.input);
    case 'project': {
      const inner = input.expressions[index];
      return inner === undefined ? null : leafColumn(inner, input.input);
    }
    case 'join': {
      const width = input.left.columns.length;
      return index < width
        ? leafColumn(expression, input.left)
        : leafColumn({ ...expression, index: index - width }, input.right);
    }
    default:
      return null;
  }
}
