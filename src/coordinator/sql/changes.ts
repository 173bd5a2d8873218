/** INSERT, UPDATE and DELETE as queries for the rows that come and go. */
import { unreachable } from '../../core/assert.ts';
import { bindDelete, bindInsert, bindUpdate, type Target } from '../../sql/bind/changes.ts';
import { sqlError } from '../../sql/errors.ts';
import { evaluate } from '../../sql/evaluate.ts';
import type { Query } from '../../sql/plan.ts';
import type { Statement } from '../../sql/statement.ts';
import type { ItemId, SqlRow } from '../../sql/types.ts';
import { lookupOf } from './binding.ts';
import { resolve } from './catalog.ts';
import { type Context, transactionOf } from './context.ts';
import { withParameters } from './expand.ts';

/** What a change does with the rows of its query: new ones, old ones, or old ones followed by new ones. */
export type Change = {
  readonly kind: 'insert' | 'update' | 'delete';
  readonly table: ItemId;
  readonly query: Query;
};

export type ChangeStatement = Statement & { readonly kind: 'insert' | 'update' | 'delete' };

/** Throws `SqlError`, with the place in the batch where there is one. */
export function bindChange(context: Context, statement: ChangeStatement): Change {
  const { state, session } = context;
  const { kind, table: name } = statement;
  const item = resolve(state.catalog, name, session);
  if (item.kind !== 'table') {
    const hint = item.kind === 'source' ? 'write to where it comes from' : undefined;
    throw sqlError('42809', `${item.at.name} is no table`, { offset: name.offset, hint });
  }
  const { columns, defaults, id } = item;
  const target: Target = { item: id, columns, defaults, name: item.at.name };
  return { kind, table: id, query: queryOf(context, statement, target) };
}

/** The rows of a query over nothing, or null when they depend on more than the clock. */
export function constantRows(context: Context, { plan }: Query): readonly SqlRow[] | null {
  const { now } = transactionOf(context);
  return plan.kind === 'values'
    ? plan.rows.map((row) => row.map((value) => evaluate(value, { now })))
    : null;
}

function queryOf(context: Context, statement: ChangeStatement, target: Target): Query {
  const lookup = lookupOf(context);
  const parameters = context.session.batch?.parameters ?? null;
  const options = parameters === null ? { lookup } : { lookup, parameters: parameters.types };
  return withParameters(bind(statement, target, options), parameters?.values ?? []);
}

function bind(
  statement: ChangeStatement,
  target: Target,
  options: Parameters<typeof bindInsert>[2],
): Query {
  switch (statement.kind) {
    case 'insert':
      return bindInsert(statement, target, options);
    case 'update':
      return bindUpdate(statement, target, options);
    case 'delete':
      return bindDelete(statement, target, options);
    default:
      return unreachable(statement);
  }
}
