/** Names become items: queries, changes and times of a session, bound against its catalog. */

import type { SelectStmt } from '../../sql/pg-parser.ts';
import type { Query } from '../../sql/plan.ts';
import type { AsOf, RelationOf, Statement } from '../../sql/statement.ts';
import type { ItemId, SqlRow } from '../../sql/types.ts';
import type { Context } from './context.ts';
import type { Time } from './worker.ts';

/** What a change does with the rows of its query. */
export type Change = {
  readonly kind: 'insert' | 'update' | 'delete';
  readonly table: ItemId;
  readonly query: Query;
};

export function bindQuery(_context: Context, _select: SelectStmt): Query {
  throw new Error('the binder comes with src/sql/bind');
}

export function bindRelation(_context: Context, _relation: RelationOf): Query {
  throw new Error('the binder comes with src/sql/bind');
}

export function bindChange(
  _context: Context,
  _statement: Statement & { readonly kind: 'insert' | 'update' | 'delete' },
): Change {
  throw new Error('the binder comes with src/sql/bind');
}

export function constantRows(_context: Context, _query: Query): readonly SqlRow[] | null {
  throw new Error('the binder comes with src/sql/bind');
}

export function timeOf(_context: Context, _asOf: AsOf): Time {
  throw new Error('the binder comes with src/sql/bind');
}
