/** INSERT, UPDATE and DELETE as queries for the rows that come and go. */
import { unreachable } from '../../core/assert.ts';
import { tryCoerce } from '../../sql/bind/coerce.ts';
import { newBinding } from '../../sql/bind/query.ts';
import { notSupported, sqlError } from '../../sql/errors.ts';
import { evaluate } from '../../sql/evaluate.ts';
import type { Node, SelectStmt } from '../../sql/pg-parser.ts';
import type { Expression, Query } from '../../sql/plan.ts';
import type { Statement } from '../../sql/statement.ts';
import type { Column, ItemId, SqlRow } from '../../sql/types.ts';
import { bindQuery } from './binding.ts';
import { type Item, resolve } from './catalog.ts';
import { type Context, transactionOf } from './context.ts';

/** What a change does with the rows of its query: new ones, old ones, or old ones followed by new ones. */
export type Change = {
  readonly kind: 'insert' | 'update' | 'delete';
  readonly table: ItemId;
  readonly query: Query;
};

export type ChangeStatement = Statement & { readonly kind: 'insert' | 'update' | 'delete' };

type Table = Item & { readonly kind: 'table' };

/** Throws `SqlError`, with the place in the batch where there is one. */
export function bindChange(context: Context, statement: ChangeStatement): Change {
  const { state, session } = context;
  const { kind, table: name } = statement;
  const item = resolve(state.catalog, name, session);
  if (item.kind !== 'table') {
    const hint = item.kind === 'source' ? 'write to where it comes from' : undefined;
    throw sqlError('42809', `${item.at.name} is no table`, { offset: name.offset, hint });
  }
  return { kind, table: item.id, query: queryOf(context, statement, item) };
}

/** The rows of a query over nothing, or null when they depend on more than the clock. */
export function constantRows(context: Context, { plan }: Query): readonly SqlRow[] | null {
  const { now } = transactionOf(context);
  return plan.kind === 'values'
    ? plan.rows.map((row) => row.map((value) => evaluate(value, { now })))
    : null;
}

function queryOf(context: Context, statement: ChangeStatement, table: Table): Query {
  const { offset } = statement;
  const own = table.columns.map(({ name }) => columnRef(name));
  switch (statement.kind) {
    case 'insert':
      return insertQuery(context, statement, table);
    case 'delete':
      return bindQuery(context, selectFrom(statement, own));
    case 'update': {
      for (const { column } of statement.assignments) positionOf(table, column, offset);
      const values = new Map(statement.assignments.map(({ column, value }) => [column, value]));
      const next = table.columns.map(({ name }, at) => {
        const value = values.get(name);
        return value === undefined ? columnRef(name) : orDefault(value, table.defaults[at] ?? null);
      });
      const query = bindQuery(context, selectFrom(statement, [...own, ...next]));
      return assigned(query, [...table.columns, ...table.columns], offset);
    }
    default:
      return unreachable(statement);
  }
}

/** Values in the order of the table's columns; what is not named has its default, or NULL. */
function insertQuery(
  context: Context,
  { columns, select, offset }: ChangeStatement & { readonly kind: 'insert' },
  table: Table,
): Query {
  const named = columns ?? table.columns.map(({ name }) => name);
  const targets = named.map((name) => positionOf(table, name, offset));
  const given = select ?? { valuesLists: [{ List: { items: [] } }] };
  if (given.valuesLists === undefined) {
    return spread(
      assigned(
        bindQuery(context, given),
        targets.map((at) => columnAt(table, at)),
        offset,
      ),
      table,
      targets,
    );
  }
  const lists = given.valuesLists.map((list) => rowOf(list, { table, targets, offset }));
  return assigned(bindQuery(context, { ...given, valuesLists: lists }), table.columns, offset);
}

/** One row of VALUES over all columns, literals as what their column wants. */
function rowOf(
  list: Node,
  into: { readonly table: Table; readonly targets: readonly number[]; readonly offset: number },
): Node {
  const { table, targets, offset } = into;
  const items = 'List' in list ? (list.List.items ?? []) : [];
  if (items.length > targets.length && targets.length > 0) {
    throw sqlError('42601', 'INSERT has more expressions than target columns', { offset });
  }
  const cells = table.columns.map(({ type }, at): Node => {
    const value = items[targets.indexOf(at)];
    const node = value === undefined || targets.indexOf(at) < 0 ? null : value;
    const chosen = orDefault(node ?? DEFAULT, table.defaults[at] ?? null);
    return 'A_Const' in chosen ? castTo(chosen, type) : chosen;
  });
  return { List: { items: cells } };
}

const DEFAULT: Node = { SetToDefault: {} };
const NULL: Node = { A_Const: { isnull: true } };

function orDefault(value: Node, initial: Node | null): Node {
  return 'SetToDefault' in value ? (initial ?? NULL) : value;
}

function castTo(arg: Node, type: string): Node {
  return { TypeCast: { arg, typeName: { names: [{ String: { sval: type } }] } } };
}

/** A query's columns brought into the order of the table. */
function spread(query: Query, table: Table, targets: readonly number[]): Query {
  const expressions = table.columns.map(({ type }, at): Expression => {
    const index = targets.indexOf(at);
    if (index >= 0) return { kind: 'column', type, index };
    if (table.defaults[at] != null)
      throw notSupported('INSERT ... SELECT over a column with a default');
    return { kind: 'constant', type, value: null };
  });
  const { columns } = table;
  const plan = { kind: 'project' as const, columns, input: query.plan, expressions };
  return { ...query, columns, plan, order: [] };
}

/** Each column as the type that it is assigned to. */
function assigned(query: Query, to: readonly Column[], offset: number): Query {
  if (query.columns.length !== to.length) {
    throw sqlError('42601', 'INSERT has another number of expressions than target columns', {
      offset,
    });
  }
  if (query.columns.every(({ type }, at) => type === to[at]?.type)) return query;
  const binding = newBinding(() => null, {});
  const expressions = query.columns.map(({ type, name }, index) => {
    const wanted = to[index]?.type ?? type;
    const column: Expression = { kind: 'column', type, index };
    const value = tryCoerce(column, wanted, { binding, offset, context: 'assignment' });
    if (value !== null) return value;
    const message = `column "${to[index]?.name ?? name}" is of type ${wanted} but expression is of type ${type}`;
    throw sqlError('42804', message, { offset });
  });
  const plan = { kind: 'project' as const, columns: to, input: query.plan, expressions };
  return { ...query, columns: to, plan, order: [] };
}

function selectFrom(
  statement: ChangeStatement & { readonly kind: 'update' | 'delete' },
  targets: readonly Node[],
): SelectStmt {
  const { table, alias, where } = statement;
  const [relname = '', schemaname, catalogname] = [...table.parts].reverse();
  const relation: Node = {
    RangeVar: {
      relname,
      ...(schemaname === undefined ? {} : { schemaname }),
      ...(catalogname === undefined ? {} : { catalogname }),
      ...(alias === null ? {} : { alias: { aliasname: alias } }),
      inh: true,
      relpersistence: 'p',
      location: table.offset,
    },
  };
  return {
    targetList: targets.map((val) => ({ ResTarget: { val } })),
    fromClause: [relation],
    ...(where === null ? {} : { whereClause: where }),
    limitOption: 'LIMIT_OPTION_DEFAULT',
    op: 'SETOP_NONE',
  };
}

function columnRef(name: string): Node {
  return { ColumnRef: { fields: [{ String: { sval: name } }] } };
}

function columnAt(table: Table, at: number): Column {
  const column = table.columns[at];
  if (column === undefined) throw sqlError('42703', `${table.at.name} has no column ${at}`);
  return column;
}

function positionOf(table: Table, name: string, offset: number): number {
  const at = table.columns.findIndex((column) => column.name === name);
  if (at >= 0) return at;
  const message = `column "${name}" of relation "${table.at.name}" does not exist`;
  throw sqlError('42703', message, { offset });
}
