/** INSERT, UPDATE and DELETE as queries of the rows that come and go. */
import { type SqlError, sqlError } from '../errors.ts';
import type { Node, SelectStmt } from '../pg-parser.ts';
import type { Expression, Plan, Query } from '../plan.ts';
import type { Form } from '../statement.ts';
import { longName } from '../type-names.ts';
import type { Column } from '../types.ts';
import { coerceTo, constant, fitModifier, tryCoerce } from './coerce.ts';
import {
  type Around,
  type Binding,
  type Context,
  type Lookup,
  offsetOf,
  type Relation,
  required,
} from './context.ts';
import { bindExpression } from './expression.ts';
import { type BindOptions, bindScalar, newBinding, typesOf } from './query.ts';
import { columnAt, emptyScope, type Scope } from './scope.ts';
import { bindInner, bindSorted } from './select.ts';

/** A table that is written. `defaults`: by column, null for NULL. */
export type Target = Relation & {
  readonly name: string;
  readonly defaults: readonly (Node | null)[];
};

type Change<K extends Form['kind']> = Extract<Form, { readonly kind: K }> & {
  readonly offset: number;
};

/** What a change is bound against. */
export type ChangeOptions = BindOptions & { readonly lookup: Lookup };

/** The rows that come, in the order of the table's columns, with its types. */
export function bindInsert(
  statement: Change<'insert'>,
  target: Target,
  options: ChangeOptions,
): Query {
  const { offset, select } = statement;
  const binding = newBinding(options.lookup, options);
  const around: Around = { binding, outer: null, ctes: null };
  const named = statement.columns ?? target.columns.map(({ name }) => name);
  const places = named.map((name) => placeOf(target, name, offset));
  const twice = named.find((name, index) => named.indexOf(name) !== index);
  if (twice !== undefined)
    throw sqlError('42701', `column "${twice}" specified more than once`, { offset });
  const into: Into = { target, places, isNamed: statement.columns !== null, offset };
  const plan =
    select === null
      ? valuesPlan([[]], into, around)
      : isPlainValues(select)
        ? valuesPlan((select.valuesLists ?? []).map(itemsOf), into, around)
        : selectPlan(select, into, around);
  return queryOf(plan, binding);
}

type Into = {
  readonly target: Target;
  /** Where the values given belong. */
  readonly places: readonly number[];
  readonly isNamed: boolean;
  readonly offset: number;
};

const isPlainValues = (select: SelectStmt): boolean =>
  select.valuesLists !== undefined &&
  !select.sortClause &&
  !select.limitCount &&
  !select.limitOffset &&
  !select.withClause;

const itemsOf = (list: Node): readonly Node[] => ('List' in list ? (list.List.items ?? []) : []);

/** Each value becomes what its column wants, row by row: literals are read as that. */
function valuesPlan(rows: readonly (readonly Node[])[], into: Into, around: Around): Plan {
  const { target, places } = into;
  const context = contextOf(emptyScope(null), around, 'VALUES');
  const written = rows.map((row) => {
    checkWidth(row.length, row.length > 0 || rows.length > 1, into);
    return target.columns.map((column, place) => {
      const node = row[places.indexOf(place)];
      if (node === undefined || !places.includes(place) || 'SetToDefault' in node) {
        return initialOf(target, place);
      }
      return assign(bindExpression(node, context), column, {
        binding: around.binding,
        offset: offsetOf(node),
      });
    });
  });
  return { kind: 'values', columns: target.columns, rows: written };
}

function checkWidth(width: number, isGiven: boolean, { places, isNamed, offset }: Into): void {
  if (width > places.length) {
    throw sqlError('42601', 'INSERT has more expressions than target columns', { offset });
  }
  if (isNamed && isGiven && width < places.length) {
    throw sqlError('42601', 'INSERT has more target columns than expressions', { offset });
  }
}

function selectPlan(select: SelectStmt, into: Into, around: Around): Plan {
  const { target, places, offset } = into;
  const bound = bindSorted(select, around, true, true);
  checkWidth(bound.columns.length, true, into);
  const given = bound.plan.kind === 'project' ? bound.plan.expressions : null;
  const value = (index: number): Expression => {
    const literal = given?.[index];
    // A literal without a type is read as its column's, not as text.
    if (literal?.kind === 'constant' && literal.type === 'unknown') return literal;
    return columnAt(index, required(bound.columns[index]).type);
  };
  const expressions = target.columns.map((column, place) => {
    const index = places.indexOf(place);
    if (index < 0 || index >= bound.columns.length) return initialOf(target, place);
    return assign(value(index), column, { binding: around.binding, offset });
  });
  return { kind: 'project', columns: target.columns, input: bound.plan, expressions };
}

/** The default of a column; it has no columns in it. */
function initialOf(target: Target, place: number): Expression {
  const column = required(target.columns[place]);
  const initial = target.defaults[place] ?? null;
  if (initial === null) return constant(column.type, null);
  return fitModifier(bindScalar(initial, column.type), column.modifier, false);
}

type Place = { readonly binding: Binding; readonly offset: number | undefined };

/** As the column's type, when an assignment may make it that; made to fit its length or precision. */
function assign(value: Expression, column: Column, { binding, offset }: Place): Expression {
  const cast = tryCoerce(value, column.type, { binding, offset, context: 'assignment' });
  if (cast === null) throw wrongType(column, value, offset);
  return fitModifier(cast, column.modifier, false);
}

const wrongType = (column: Column, value: Expression, offset: number | undefined): SqlError =>
  sqlError(
    '42804',
    `column "${column.name}" is of type ${longName(column.type)} but expression is of type ${longName(value.type)}`,
    { offset, hint: 'You will need to rewrite or cast the expression.' },
  );

/** The rows that go: all columns of the table, then those that come in their place. */
export function bindUpdate(
  statement: Change<'update'>,
  target: Target,
  options: ChangeOptions,
): Query {
  const binding = newBinding(options.lookup, options);
  const { plan, scope } = found(statement, target, binding);
  const context = contextOf(scope, { binding, outer: null, ctes: null }, 'UPDATE');
  const next = new Map<number, Expression>();
  for (const { column, value } of statement.assignments) {
    const place = placeOf(target, column, statement.offset);
    if (next.has(place)) {
      throw sqlError('42601', `multiple assignments to same column "${column}"`, {
        offset: offsetOf(value),
      });
    }
    const offset = offsetOf(value) ?? statement.offset;
    next.set(
      place,
      'SetToDefault' in value
        ? initialOf(target, place)
        : assign(bindExpression(value, context), required(target.columns[place]), {
            binding,
            offset,
          }),
    );
  }
  const own = target.columns.map(({ type }, index) => columnAt(index, type));
  const expressions = [...own, ...own.map((column, place) => next.get(place) ?? column)];
  const columns = [...target.columns, ...target.columns];
  return queryOf({ kind: 'project', columns, input: plan, expressions }, binding);
}

/** The rows that go. */
export function bindDelete(
  statement: Change<'delete'>,
  target: Target,
  options: ChangeOptions,
): Query {
  const binding = newBinding(options.lookup, options);
  return queryOf(found(statement, target, binding).plan, binding);
}

function found(
  { alias, where }: Change<'update' | 'delete'>,
  target: Target,
  binding: Binding,
): { readonly plan: Plan; readonly scope: Scope } {
  const { columns, item } = target;
  const table = alias ?? target.name;
  const scope: Scope = {
    tables: [table],
    columns: columns.map(({ name, type, isNullable }, index) => ({
      table,
      name,
      expression: columnAt(index, type),
      isNullable,
      isMerged: false,
    })),
    parent: null,
  };
  binding.items.add(item);
  const get: Plan = { kind: 'get', columns, item };
  if (where === null) return { plan: get, scope };
  const context = contextOf(scope, { binding, outer: null, ctes: null }, 'WHERE');
  const predicate = coerceTo(bindExpression(where, context), 'bool', {
    binding,
    offset: offsetOf(where),
    what: 'argument of WHERE',
  });
  return { plan: { kind: 'filter', columns, input: get, predicate }, scope };
}

const contextOf = (scope: Scope, { binding, ctes }: Around, clause: string): Context => ({
  binding,
  scope,
  ctes,
  aggregates: clause,
  windows: null,
  bindSelect: bindInner,
});

function placeOf(target: Target, name: string, offset: number): number {
  const place = target.columns.findIndex((column) => column.name === name);
  if (place >= 0) return place;
  throw sqlError('42703', `column "${name}" of relation "${target.name}" does not exist`, {
    offset,
  });
}

const queryOf = (plan: Plan, binding: Binding): Query => ({
  columns: plan.columns,
  plan,
  order: [],
  items: [...binding.items],
  parameters: typesOf(binding),
  usesLogicalTimestamp: binding.usesLogicalTimestamp,
  usesNow: binding.usesNow,
  usesSession: binding.usesSession,
});
