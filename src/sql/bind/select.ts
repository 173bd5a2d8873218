/** SELECT, VALUES and WITH as plans. */
import { notSupported, sqlError } from '../errors.ts';
import type { Node, SelectStmt } from '../pg-parser.ts';
import type { Aggregate, Expression, Plan, SortKey } from '../plan.ts';
import { coerceTo, known, unify } from './coerce.ts';
import {
  type Around,
  type Bound,
  type Context,
  offsetOf,
  required,
  type Windows,
} from './context.ts';
import { bindDistinctOn, checkLeading, distinctOnPlan, distinctPlan } from './distinct.ts';
import { bindEmptyTargets, hasAggregates } from './empty.ts';
import { bindExpression } from './expression.ts';
import { isEmptyPlan } from './facts.ts';
import { bindFrom, type From } from './from.ts';
import { type Grouping, isSame, regroup } from './grouping.ts';
import { columnAt, emptyScope, type Scope } from './scope.ts';
import { bindSetOperation } from './set-operation.ts';
import { readSortKey } from './sorting.ts';
import { bindTargets, isNullableExpression, keyNode, namedTarget, type Target } from './targets.ts';
import { placeWindows, windowPlan, windowsOf } from './windows.ts';
import { bindWith } from './with.ts';

/** A query with what it is finally sorted by: over its own columns and, behind them, hidden ones. */
export type Sorted = Bound & { readonly order: readonly SortKey[]; readonly isCut: boolean };

/** A query inside of another: hidden columns are gone, and so is an order that cuts nothing. */
export function bindInner(select: SelectStmt, around: Around): Bound {
  const sorted = bindSorted(select, around, true);
  return { plan: visible(sorted), columns: sorted.columns };
}

function visible({ plan, columns }: Sorted): Plan {
  if (plan.columns.length === columns.length) return plan;
  const expressions = columns.map(({ type }, index) => columnAt(index, type));
  return { kind: 'project', columns, input: plan, expressions };
}

/** `keepsUnknown`: literals of the select list may stay without a type (UNION decides). */
export function bindSorted(
  select: SelectStmt,
  around: Around,
  isInner: boolean,
  keepsUnknown = false,
): Sorted {
  refuseClauses(select);
  const ctes = bindWith(select.withClause, around, bindInner);
  const inside: Around = { ...around, ctes };
  const bound = bindCore(select, inside, keepsUnknown);
  const order = bound.order;
  const cut = bindLimit(select, bound.plan, { around: inside, order });
  if (cut !== null) return { ...bound, plan: cut, isCut: true };
  return { ...bound, order: isInner ? [] : order, isCut: false };
}

function refuseClauses(select: SelectStmt): void {
  if (select.intoClause) throw notSupported('SELECT INTO');
  if (select.lockingClause) throw notSupported('FOR UPDATE or FOR SHARE');
}

type Core = Bound & { readonly order: readonly SortKey[] };

function bindCore(select: SelectStmt, around: Around, keepsUnknown: boolean): Core {
  if (select.op !== undefined && select.op !== 'SETOP_NONE') {
    const bound = bindSetOperation(select, around, (side) => {
      const sorted = bindSorted(side, around, true, true);
      return { plan: visible(sorted), columns: sorted.columns };
    });
    return { ...bound, order: outputOrder(select, bound, around) };
  }
  if (select.valuesLists !== undefined) {
    const bound = bindValues(select.valuesLists, around);
    return { ...bound, order: outputOrder(select, bound, around) };
  }
  return bindPlain(select, around, keepsUnknown);
}

/** Of VALUES and set operations: only their columns can be named. */
function outputOrder(
  select: SelectStmt,
  { columns }: Bound,
  { binding }: Around,
): readonly SortKey[] {
  return (select.sortClause ?? []).map((node) => {
    const sort = required('SortBy' in node ? node.SortBy : undefined);
    const offset = offsetOf(sort.node);
    const index = keyNode(sort.node, columns, offset);
    if (index === null) throw notSupported('ORDER BY an expression over a set operation', offset);
    const column = columnAt(index, required(columns[index]).type);
    return readSortKey(sort, column, { binding, offset });
  });
}

function bindValues(lists: readonly Node[], around: Around): Bound {
  const { binding } = around;
  const context = contextOf(emptyScope(around.outer), around, 'VALUES');
  const rows = lists.map((list) => ('List' in list ? (list.List.items ?? []) : []));
  const width = rows[0]?.length ?? 0;
  const uneven = rows.find((row) => row.length !== width);
  if (uneven !== undefined) {
    throw sqlError('42601', 'VALUES lists must all be the same length', {
      offset: offsetOf(uneven[0]),
    });
  }
  const bound = rows.map((row) => row.map((node) => bindExpression(node, context)));
  const places = Array.from({ length: width }, (_, index) => index);
  const unified = places.map((index) =>
    unify(
      bound.map((row) => required(row[index])),
      'VALUES',
      { binding, offset: offsetOf(rows[0]?.[index]) },
    ),
  );
  const columns = unified.map((cells, index) => ({
    name: `column${index + 1}`,
    type: required(cells[0]).type,
    isNullable: cells.some((cell) => isNullableExpression(cell, [])),
  }));
  const typed = bound.map((_, row) => unified.map((cells) => required(cells[row])));
  return { plan: { kind: 'values', columns, rows: typed }, columns };
}

function contextOf(
  scope: Scope,
  { binding, ctes }: Around,
  aggregates: Aggregate[] | string,
  windows: Windows | null = null,
): Context {
  return { binding, scope, ctes, aggregates, bindSelect: bindInner, windows };
}

function bindPlain(select: SelectStmt, around: Around, keepsUnknown: boolean): Core {
  const { binding } = around;
  const outside = contextOf(emptyScope(around.outer), around, 'FROM');
  const given = bindFrom(select.fromClause ?? [], outside);
  if (isEmptyPlan(given.plan) && !hasAggregates(select)) return bindEmpty(select, given, around);
  const from = filtered(given, select.whereClause, around);
  const aggregates: Aggregate[] = [];
  const windows: Windows = { calls: [], named: windowsOf(select.windowClause) };
  const context = contextOf(from.scope, around, aggregates, windows);
  const targets = bindTargets(select.targetList ?? [], context).map((target) =>
    keepsUnknown
      ? target
      : { ...target, expression: known(target.expression, binding, target.offset) },
  );
  const keys = bindKeys(
    select.groupClause ?? [],
    targets,
    contextOf(from.scope, around, 'GROUP BY'),
  );
  const having =
    select.havingClause === undefined
      ? null
      : condition(select.havingClause, { ...context, windows: null }, 'HAVING');
  const sorts = bindSorts(select, targets, context);
  const ons = bindDistinctOn(select, targets, context);
  const isGrouped = select.groupClause !== undefined || aggregates.length > 0 || having !== null;
  const { calls } = windows;
  if (isGrouped && calls.length > 0) throw notSupported('a window function over groups');
  if (!isGrouped) {
    const move = (one: Expression): Expression => placeWindows(one, from.plan.columns.length);
    return finish(
      select,
      windowPlan(from.plan, calls),
      rewritten({ targets, sorts, ons, binding }, move),
    );
  }
  const grouping: Grouping = { keys, nameAt: (index) => nameAt(from, index) };
  const over = (expression: Expression, offset?: number): Expression =>
    regroup(expression, grouping, offset);
  const grouped = groupedPlan(from.plan, keys, aggregates);
  const kept = having === null ? null : over(having, offsetOf(select.havingClause));
  const input = kept === null ? grouped : filterPlan(grouped, kept);
  return finish(select, input, rewritten({ targets, sorts, ons, binding }, over));
}

function rewritten(
  { targets, sorts, ons, binding }: Parts,
  one: (expression: Expression, offset?: number) => Expression,
): Parts {
  return {
    targets: targets.map((each) => ({ ...each, expression: one(each.expression, each.offset) })),
    sorts: sorts.map((each) => ({ ...each, expression: one(each.expression) })),
    ons: ons?.map((each) => one(each)) ?? null,
    binding,
  };
}

/** A query over what there is none of here: see `empty.ts`. */
function bindEmpty(select: SelectStmt, from: From, around: Around): Core {
  const { binding } = around;
  const targets = bindEmptyTargets(select, contextOf(from.scope, around, 'a query of nothing'));
  return finish({ ...select, sortClause: [] }, from.plan, {
    targets,
    sorts: [],
    ons: null,
    binding,
  });
}

function nameAt({ plan, scope }: From, index: number): string {
  const column = scope.columns.find(
    ({ expression }) => expression.kind === 'column' && expression.index === index,
  );
  const name = column?.name ?? plan.columns[index]?.name ?? '?';
  return column?.table ? `${column.table}.${name}` : name;
}

function filtered(from: From, where: Node | undefined, around: Around): From {
  if (where === undefined) return from;
  const predicate = condition(where, contextOf(from.scope, around, 'WHERE'), 'WHERE');
  return { ...from, plan: filterPlan(from.plan, predicate) };
}

const filterPlan = (input: Plan, predicate: Expression): Plan => ({
  kind: 'filter',
  columns: input.columns,
  input,
  predicate,
});

function condition(node: Node, context: Context, clause: string): Expression {
  return coerceTo(bindExpression(node, context), 'bool', {
    binding: context.binding,
    offset: offsetOf(node),
    what: `argument of ${clause}`,
  });
}

function groupedPlan(
  input: Plan,
  keys: readonly Expression[],
  aggregates: readonly Aggregate[],
): Plan {
  const columns = [
    ...keys.map(({ type }) => ({ name: 'key', type, isNullable: true })),
    ...aggregates.map(({ name, type }) => ({ name, type, isNullable: name !== 'count' })),
  ];
  return { kind: 'aggregate', columns, input, keys, aggregates };
}

/** A column of FROM goes before an output name; a number is a place in the select list. */
function bindKeys(
  nodes: readonly Node[],
  targets: readonly Target[],
  context: Context,
): readonly Expression[] {
  return nodes.flatMap((node) => {
    if ('GroupingSet' in node && node.GroupingSet.kind === 'GROUPING_SET_EMPTY') return [];
    if ('GroupingSet' in node) throw notSupported('GROUPING SETS, ROLLUP or CUBE', offsetOf(node));
    if ('RowExpr' in node) return bindKeys(node.RowExpr.args ?? [], targets, context);
    const target = namedTarget(node, targets, { context, columnsFirst: true });
    const key = target === null ? bindExpression(node, context) : target.expression;
    if (target !== null && usesAggregate(key)) {
      throw sqlError('42803', 'aggregate functions are not allowed in GROUP BY', {
        offset: offsetOf(node),
      });
    }
    return [known(key, context.binding, offsetOf(node))];
  });
}

function usesAggregate(expression: Expression): boolean {
  return shape(expression).includes('"index":1000');
}

const shape = (expression: Expression): string =>
  JSON.stringify(expression, (_, value: unknown) =>
    typeof value === 'bigint' ? `${value}n` : value,
  );

type Sort = SortKey & { readonly offset: number | undefined };

/** An output name goes before a column of FROM. */
function bindSorts(
  select: SelectStmt,
  targets: readonly Target[],
  context: Context,
): readonly Sort[] {
  return (select.sortClause ?? []).map((node) => {
    const sort = required('SortBy' in node ? node.SortBy : undefined);
    const offset = offsetOf(sort.node);
    const target = namedTarget(required(sort.node), targets, { context, columnsFirst: false });
    const expression = target === null ? bindExpression(sort.node, context) : target.expression;
    return { ...readSortKey(sort, expression, { binding: context.binding, offset }), offset };
  });
}

type Parts = {
  readonly targets: readonly Target[];
  readonly sorts: readonly Sort[];
  /** Of DISTINCT ON. */
  readonly ons: readonly Expression[] | null;
  readonly binding: Around['binding'];
};

/** The select list, then what is sorted by and not in it. */
function finish(select: SelectStmt, input: Plan, parts: Parts): Core {
  const { targets, sorts, ons, binding } = parts;
  const columns = targets.map(({ name, expression }) => ({
    name,
    type: expression.type,
    isNullable: isNullableExpression(expression, input.columns),
  }));
  const expressions = targets.map(({ expression }) => expression);
  const hidden: Expression[] = [];
  /** Among the columns, or behind them. */
  const placeOf = (wanted: Expression): number => {
    const all = [...expressions, ...hidden];
    const index = all.findIndex((one) => isSame(one, wanted));
    return index < 0 ? expressions.length + hidden.push(wanted) - 1 : index;
  };
  const isDistinct = select.distinctClause !== undefined && ons === null;
  const order = sorts.map(({ offset, ...key }) => {
    if (isDistinct && !expressions.some((one) => isSame(one, key.expression))) {
      throw sqlError(
        '42P10',
        'for SELECT DISTINCT, ORDER BY expressions must appear in select list',
        { offset },
      );
    }
    return { ...key, expression: columnAt(placeOf(key.expression), key.expression.type) };
  });
  if (ons !== null) checkLeading(ons, sorts);
  const places = (ons ?? []).map(placeOf);
  const behind = hidden.map(({ type }) => ({ name: '?hidden?', type, isNullable: true }));
  const project: Plan = {
    kind: 'project',
    columns: [...columns, ...behind],
    input,
    expressions: [...expressions, ...hidden],
  };
  if (ons !== null) return { plan: distinctOnPlan(project, places, order), columns, order };
  return { plan: isDistinct ? distinctPlan(project, binding) : project, columns, order };
}

function bindLimit(
  select: SelectStmt,
  input: Plan,
  { around, order }: { readonly around: Around; readonly order: readonly SortKey[] },
): Plan | null {
  const { limitCount, limitOffset, limitOption } = select;
  if (limitOption === 'LIMIT_OPTION_WITH_TIES') throw notSupported('WITH TIES');
  if (limitCount === undefined && limitOffset === undefined) return null;
  const context = contextOf(emptyScope(around.outer), around, 'LIMIT');
  const number = (node: Node | undefined, clause: string): Expression | null => {
    if (node === undefined) return null;
    const bound = bindExpression(node, context);
    if (bound.kind === 'constant' && bound.value === null) return null;
    return coerceTo(bound, 'int8', {
      binding: around.binding,
      offset: offsetOf(node),
      context: 'assignment',
      what: `argument of ${clause}`,
    });
  };
  return {
    kind: 'limit',
    columns: input.columns,
    input,
    order,
    limit: number(limitCount, 'LIMIT'),
    offset: number(limitOffset, 'OFFSET'),
  };
}
