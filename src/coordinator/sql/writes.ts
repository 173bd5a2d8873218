/**
 * Writes. Constants are buffered at once. What depends on rows (INSERT ... SELECT, UPDATE, DELETE) takes the write
 * lock, reads at the freshest time and buffers what follows from the answer; the lock is kept until the commit.
 */
import { assert } from '../../core/assert.ts';
import { sqlError } from '../../sql/errors.ts';
import type { Statement } from '../../sql/statement.ts';
import type { ItemId, RowDelta, SqlRow } from '../../sql/types.ts';
import { relationOf } from './catalog.ts';
import { bindChange, type Change, type ChangeStatement, constantRows } from './changes.ts';
import { type Context, transactionOf } from './context.ts';
import { peek, planFreshRead } from './reads.ts';
import { bufferWrite, refuseShared, startOperation } from './transactions.ts';
import type { Response } from './types.ts';

export function change(context: Context, statement: ChangeStatement): Response | null {
  const transaction = transactionOf(context);
  const bound = bindChange(context, statement);
  const rows = bound.kind === 'insert' ? constantRows(context, bound.query) : null;
  if (rows !== null) {
    startOperation(transaction, 'write', statement.offset);
    return changed(context, bound, rows);
  }
  if (transaction.kind !== 'started') refuseShared(statement);
  if (!takeLock(context, statement)) return null;
  startOperation(transaction, 'write', statement.offset);
  const read = planFreshRead(context, bound.query, statement.offset);
  const goal = { kind: bound.kind, table: bound.table };
  peek(context, { query: bound.query, read, goal });
  return null;
}

/** Buffers what follows from the rows: new ones, old ones, or old ones followed by new ones. */
export function changed(
  context: Context,
  { kind, table }: Pick<Change, 'kind' | 'table'>,
  rows: readonly SqlRow[],
): Response {
  if (!context.state.catalog.items.has(table)) {
    throw sqlError('40001', 'the table was dropped meanwhile');
  }
  const deltas = rows.flatMap((row) => deltasOf(context, { kind, table }, row));
  bufferWrite(transactionOf(context), { id: table, deltas }, 0);
  const done = { insert: 'inserted', update: 'updated', delete: 'deleted' } as const;
  return { kind: done[kind], count: rows.length };
}

function deltasOf(
  context: Context,
  { kind, table }: Pick<Change, 'kind' | 'table'>,
  row: SqlRow,
): readonly RowDelta[] {
  if (kind === 'delete') return [{ row, diff: -1 }];
  if (kind === 'insert') return [added(context, table, row)];
  const width = row.length / 2;
  return [{ row: row.slice(0, width), diff: -1 }, added(context, table, row.slice(width))];
}

function added({ state }: Context, table: ItemId, row: SqlRow): RowDelta {
  const { columns, at } = relationOf(state.catalog, table);
  assert(row.length === columns.length, `a row of ${at.name} has its ${columns.length} columns`);
  const missing = columns.find((column, index) => !column.isNullable && row[index] === null);
  if (missing === undefined) return { row, diff: 1 };
  const what = `null value in column "${missing.name}" of relation "${at.name}"`;
  throw sqlError('23502', `${what} violates not-null constraint`);
}

/** False: the session waits in the queue. */
function takeLock({ state, session }: Context, statement: Statement): boolean {
  const { lock } = state;
  if (lock.owner === session.connection) return true;
  if (lock.owner === null && lock.queue.length === 0) {
    lock.owner = session.connection;
    return true;
  }
  lock.queue.push(session.connection);
  session.running = { kind: 'lock', goal: { kind: 'statement', statement } };
  return false;
}
