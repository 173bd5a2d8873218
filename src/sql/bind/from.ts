/** FROM: items, subqueries, WITH names and joins, as a plan and the columns that can be named. */
import { notSupported, sqlError } from '../errors.ts';
import { mapExpression, mapPlan } from '../map-plan.ts';
import { nameOf, stringOf } from '../parse/names.ts';
import type { JoinExpr, Node, RangeFunction, RangeSubselect, RangeVar } from '../pg-parser.ts';
import type { Expression, Plan } from '../plan.ts';
import type { Column } from '../types.ts';
import { coalesce, coerceTo, constant } from './coerce.ts';
import { type Bound, type Context, offsetOf, required } from './context.ts';
import { bindExpression } from './expression.ts';
import { factsPlan } from './facts.ts';
import { bindComparison } from './operators.ts';
import {
  columnAt,
  depthOf,
  emptyScope,
  type Scope,
  type ScopeColumn,
  shiftColumns,
} from './scope.ts';
import { bindTableFunction } from './table-functions.ts';

export type From = { readonly plan: Plan; readonly scope: Scope };

/** One row without columns: what a query without FROM selects from. */
const ONE_ROW: Plan = { kind: 'values', columns: [], rows: [[]] };

/** Of the items of one FROM, joins flattened: what SQLite joins. */
const TABLES_MAX = 60;

/** `context.scope` is that of the query around, or an empty one. */
export function bindFrom(items: readonly Node[], context: Context): From {
  const [first, ...others] = items;
  if (first === undefined) return { plan: ONE_ROW, scope: emptyScope(context.scope.parent) };
  const on = constant('bool', true);
  return others.reduce<From>(
    (left, item) => beside(left, item, { context, type: 'cross', on: () => on }),
    bindItem(first, context),
  );
}

/** True for what may name columns of the items before it. */
const isLateral = (node: Node): boolean =>
  'RangeFunction' in node || ('RangeSubselect' in node && node.RangeSubselect.lateral === true);

type Besides = {
  readonly context: Context;
  readonly type: 'inner' | 'left' | 'cross';
  readonly on: (both: Scope) => Expression;
};

/** The next item, joined to those before it. */
function beside(left: From, item: Node, { context, type, on }: Besides): From {
  if (!isLateral(item)) {
    const right = bindItem(item, context);
    return joined(left, right, { type, on: on(besides(left, right)) });
  }
  const right = bindItem(item, { ...context, scope: { ...emptyScope(null), parent: left.scope } });
  const around = { ...right, scope: { ...right.scope, parent: left.scope.parent } };
  const condition = on(besides(left, around));
  const plain = joined(left, around, { type, on: condition });
  const kind = type === 'left' ? type : 'inner';
  const { columns } = plain.plan;
  const plan: Plan = {
    ...{ kind: 'lateral', columns, type: kind, left: left.plan, right: right.plan },
    on: condition,
  };
  return { ...plain, plan };
}

function bindItem(node: Node, context: Context): From {
  if ('RangeVar' in node) return bindTable(node.RangeVar, context);
  if ('RangeSubselect' in node) return bindSubselect(node.RangeSubselect, context);
  if ('JoinExpr' in node) return bindJoin(node.JoinExpr, context);
  if ('RangeFunction' in node) return bindRangeFunction(node.RangeFunction, context);
  if ('RangeTableSample' in node) throw notSupported('TABLESAMPLE', offsetOf(node));
  throw notSupported('this part of FROM', offsetOf(node));
}

function bindTable(range: RangeVar, context: Context): From {
  const name = nameOf(range);
  const alias = range.alias?.aliasname ?? range.relname ?? '';
  const cte =
    name.parts.length === 1 ? findCte(range.relname ?? '', context, range.location) : null;
  const renames = range.alias?.colnames;
  if (cte !== null) return named(cte, alias, { renames, context, offset: range.location });
  const relation = context.binding.lookup(name);
  if (relation === null) {
    throw sqlError('42P01', `relation "${name.parts.join('.')}" does not exist`, {
      offset: name.offset,
    });
  }
  const { columns } = relation;
  const how = { renames, context, offset: range.location };
  if ('rows' in relation) {
    context.binding.usesSession = true;
    return named({ plan: factsPlan(relation), columns }, alias, how);
  }
  const { item } = relation;
  context.binding.items.add(item);
  return named({ plan: { kind: 'get', columns, item }, columns }, alias, how);
}

function findCte(name: string, { ctes, scope }: Context, offset: number | undefined): Bound | null {
  for (let at = ctes; at !== null; at = at.next) {
    if (at.name !== name) continue;
    if (at.depth !== depthOf(scope.parent) && looksOut(at.bound.plan)) {
      throw notSupported('a WITH query that names columns around it, from further inside', offset);
    }
    return at.bound;
  }
  return null;
}

/** True when it takes columns from a query around. */
function looksOut(plan: Plan): boolean {
  let found = false;
  mapPlan(plan, {
    plan: (one) => one,
    expression: (one) => {
      found ||= one.kind === 'outer';
      return one;
    },
  });
  return found;
}

function bindSubselect(range: RangeSubselect, context: Context): From {
  const { subquery, alias } = range;
  if (!subquery || !('SelectStmt' in subquery)) throw notSupported('this part of FROM');
  const { binding, ctes } = context;
  const bound = context.bindSelect(subquery.SelectStmt, {
    binding,
    ctes,
    outer: context.scope.parent,
  });
  return named(bound, alias?.aliasname ?? null, {
    renames: alias?.colnames,
    context,
    offset: undefined,
  });
}

/** Its column has the name of the table, unless it is given one. */
function bindRangeFunction(range: RangeFunction, context: Context): From {
  const { name, plan } = bindTableFunction(range, context);
  const { aliasname = name, colnames: renames } = range.alias ?? {};
  const columns = plan.columns.map((column) => ({ ...column, name: aliasname }));
  return named({ plan, columns }, aliasname, { renames, context, offset: undefined });
}

type Naming = {
  readonly renames: readonly Node[] | undefined;
  readonly context: Context;
  readonly offset: number | undefined;
};

function named(
  { plan, columns }: Bound,
  table: string | null,
  { renames = [], context, offset }: Naming,
): From {
  if (renames.length > columns.length) {
    throw sqlError(
      '42P10',
      `table "${table}" has ${columns.length} columns available but ${renames.length} columns specified`,
      { offset },
    );
  }
  const scoped = columns.map((column: Column, index): ScopeColumn => {
    const rename = renames[index];
    return {
      table,
      name: rename === undefined ? column.name : stringOf(rename),
      expression: columnAt(index, column.type),
      isNullable: column.isNullable,
      isMerged: false,
    };
  });
  const tables = table === null ? [] : [table];
  return { plan, scope: { tables, columns: scoped, parent: context.scope.parent } };
}

type Joining = { readonly type: 'inner' | 'left' | 'full' | 'cross'; readonly on: Expression };

function joined(left: From, right: From, joining: Joining): From {
  const scope = besides(left, right);
  const columns = [...left.plan.columns, ...right.plan.columns];
  return {
    plan: {
      kind: 'join',
      columns: nullable(columns, left.plan.columns.length, joining.type),
      left: left.plan,
      right: right.plan,
      ...joining,
    },
    scope: {
      ...scope,
      columns: nullableScope(scope.columns, left.scope.columns.length, joining.type),
    },
  };
}

/** Sides that an outer join can leave empty. */
function nullable(
  columns: readonly Column[],
  width: number,
  type: Joining['type'],
): readonly Column[] {
  return columns.map((column, index) =>
    isPadded(index < width, type) ? { ...column, isNullable: true } : column,
  );
}

function nullableScope(
  columns: readonly ScopeColumn[],
  width: number,
  type: Joining['type'],
): readonly ScopeColumn[] {
  return columns.map((column, index) =>
    isPadded(index < width, type) ? { ...column, isNullable: true } : column,
  );
}

const isPadded = (isLeft: boolean, type: Joining['type']): boolean =>
  type === 'full' || (type === 'left' && !isLeft);

function besides(left: From, right: From): Scope {
  const twice = right.scope.tables.find((table) => left.scope.tables.includes(table));
  if (twice !== undefined)
    throw sqlError('42712', `table name "${twice}" specified more than once`);
  const tables = [...left.scope.tables, ...right.scope.tables];
  if (tables.length > TABLES_MAX) throw sqlError('54001', `FROM has at most ${TABLES_MAX} tables`);
  const width = left.plan.columns.length;
  const shifted = right.scope.columns.map((column) => ({
    ...column,
    expression: shiftColumns(column.expression, width),
  }));
  return { tables, columns: [...left.scope.columns, ...shifted], parent: left.scope.parent };
}

function bindJoin(join: JoinExpr, context: Context): From {
  const { jointype = 'JOIN_INNER', isNatural, alias } = join;
  if (alias) throw notSupported('an alias of a join', offsetOf(join.larg));
  const rarg = required(join.rarg);
  if (isLateral(rarg) && !isNatural && join.usingClause === undefined) {
    return bindLateralJoin(join, rarg, context);
  }
  const [l, r] = [bindItem(required(join.larg), context), bindItem(rarg, context)];
  const using = isNatural ? commonNames(l.scope, r.scope) : (join.usingClause ?? []).map(stringOf);
  if (join.join_using_alias) throw notSupported('an alias of USING', offsetOf(join.larg));
  if (jointype === 'JOIN_RIGHT') return swapped(l, r, { using, on: join.quals, context });
  const type = TYPES[jointype];
  if (type === undefined) throw notSupported('this join', offsetOf(join.larg));
  if (using.length > 0) return joinedUsing(l, r, { names: using, type, context });
  const isCross = join.quals === undefined;
  const both = besides(l, r);
  const on = isCross ? constant('bool', true) : bindOn(join.quals, both, context);
  return joined(l, r, { type: isCross && type === 'inner' ? 'cross' : type, on });
}

function bindLateralJoin(join: JoinExpr, right: Node, context: Context): From {
  const { jointype = 'JOIN_INNER', quals } = join;
  const type = jointype === 'JOIN_LEFT' ? 'left' : jointype === 'JOIN_INNER' ? 'inner' : null;
  if (type === null) throw notSupported('a right or full join with LATERAL', offsetOf(join.larg));
  const on = (both: Scope): Expression =>
    quals === undefined ? constant('bool', true) : bindOn(quals, both, context);
  return beside(bindItem(required(join.larg), context), right, { context, type, on });
}

const TYPES: Readonly<Record<string, Joining['type']>> = {
  JOIN_INNER: 'inner',
  JOIN_LEFT: 'left',
  JOIN_FULL: 'full',
};

function bindOn(node: Node | undefined, scope: Scope, context: Context): Expression {
  const condition = bindExpression(node, { ...context, scope, aggregates: 'JOIN conditions' });
  return coerceTo(condition, 'bool', {
    binding: context.binding,
    offset: offsetOf(node),
    what: 'argument of JOIN/ON',
  });
}

/** `a RIGHT JOIN b` is `b LEFT JOIN a` with the columns the other way round. */
function swapped(
  left: From,
  right: From,
  how: {
    readonly using: readonly string[];
    readonly on: Node | undefined;
    readonly context: Context;
  },
): From {
  const [leftWidth, rightWidth] = [left.plan.columns.length, right.plan.columns.length];
  const { using, on, context } = how;
  const other =
    using.length > 0
      ? joinedUsing(right, left, { names: using, type: 'left', context })
      : joined(right, left, { type: 'left', on: bindOn(on, besides(right, left), context) });
  const places = [...range(rightWidth, leftWidth), ...range(0, rightWidth)];
  const columns = places.map((place) => required(other.plan.columns[place]));
  const expressions = places.map((place, index) => columnAt(place, required(columns[index]).type));
  const moved = (column: ScopeColumn): ScopeColumn => ({
    ...column,
    expression: moveColumns(column.expression, places),
  });
  const merged = other.scope.columns.slice(0, using.length);
  const others = other.scope.columns.filter((column) => !merged.includes(column));
  const rightCount = right.scope.columns.length;
  const scoped = [...merged, ...others.slice(rightCount), ...others.slice(0, rightCount)].map(
    moved,
  );
  return {
    plan: { kind: 'project', columns, input: other.plan, expressions },
    scope: {
      ...other.scope,
      tables: [...left.scope.tables, ...right.scope.tables],
      columns: scoped,
    },
  };
}

const range = (from: number, count: number): readonly number[] =>
  Array.from({ length: count }, (_, index) => from + index);

function moveColumns(expression: Expression, places: readonly number[]): Expression {
  return mapExpression(expression, {
    plan: (plan) => plan,
    expression: (one) =>
      one.kind === 'column' ? columnAt(places.indexOf(one.index), one.type) : one,
  });
}

const commonNames = (left: Scope, right: Scope): readonly string[] => {
  const visible = (scope: Scope): readonly string[] =>
    scope.columns.filter(({ isMerged }) => !isMerged).map(({ name }) => name);
  return visible(left).filter((name) => visible(right).includes(name));
};

/** The columns named stand first, once; the two they were made of only under the names of their tables. */
function joinedUsing(
  left: From,
  right: From,
  {
    names,
    type,
    context,
  }: {
    readonly names: readonly string[];
    readonly type: Joining['type'];
    readonly context: Context;
  },
): From {
  const both = besides(left, right);
  const width = left.scope.columns.length;
  const place = { binding: context.binding, offset: undefined };
  const pairs = names.map((name) => ({
    name,
    left: findMerged(both.columns.slice(0, width), name, 'left'),
    right: findMerged(both.columns.slice(width), name, 'right'),
  }));
  const tests = pairs.map((pair) =>
    bindComparison('=', [pair.left.expression, pair.right.expression], place),
  );
  const plain = joined(left, right, { type, on: { kind: 'and', type: 'bool', args: tests } });
  const merged = pairs.map((pair, index): ScopeColumn => {
    const test = required(tests[index]);
    const [l, r] = test.kind === 'call' ? test.args : [];
    const expression = type === 'full' ? coalesce([required(l), required(r)]) : required(l);
    return {
      table: null,
      name: pair.name,
      expression,
      isNullable: pair.left.isNullable || type === 'full',
      isMerged: false,
    };
  });
  const rest = plain.scope.columns.map((column) =>
    names.includes(column.name) && !column.isMerged ? { ...column, isMerged: true } : column,
  );
  return { plan: plain.plan, scope: { ...plain.scope, columns: [...merged, ...rest] } };
}

function findMerged(columns: readonly ScopeColumn[], name: string, side: string): ScopeColumn {
  const found = columns.filter((column) => column.name === name && !column.isMerged);
  if (found.length > 1) {
    throw sqlError('42702', `common column name "${name}" appears more than once in ${side} table`);
  }
  const [only] = found;
  if (only !== undefined) return only;
  throw sqlError(
    '42703',
    `column "${name}" specified in USING clause does not exist in ${side} table`,
  );
}
