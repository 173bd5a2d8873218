/** What may stand together in one transaction, and how its writes reach the worker: all at one time, at its end. */
import { sqlError } from '../../sql/errors.ts';
import type { Statement } from '../../sql/statement.ts';
import type { ItemId, RowDelta } from '../../sql/types.ts';
import type { Context } from './context.ts';
import {
  type Batch,
  LOCAL_TIMELINE,
  oracleOf,
  type SqlCoordinator,
  type TableWrite,
  type Transaction,
  WRITES_MAX,
} from './state.ts';
import type { ConnectionId } from './types.ts';
import type { Time } from './worker.ts';

/** Statements that may be one of several in a transaction. `insert` only of constants, see `writes.ts`. */
const SHARES_TRANSACTION: ReadonlySet<Statement['kind']> = new Set<Statement['kind']>([
  'select',
  'insert',
  'subscribe',
  'declare',
  'fetch',
  'closeCursor',
  'begin',
  'commit',
  'rollback',
  'explain',
  'show',
]);

export function newTransaction(state: SqlCoordinator, batch: Batch): Transaction {
  const isAlone = batch.kind === 'execute' || batch.statements.length === 1;
  return {
    kind: isAlone ? 'started' : 'implicit',
    operation: 'none',
    isReadOnly: false,
    now: state.now,
    domain: null,
    writes: [],
    writtenRows: 0,
    before: null,
  };
}

/** `sharesSettings`: SET may be one of several. */
export function checkAllowed(
  transaction: Transaction,
  statement: Statement,
  { sharesSettings }: { readonly sharesSettings: boolean },
): void {
  const { kind, offset } = statement;
  if (transaction.kind === 'failed' && kind !== 'commit' && kind !== 'rollback') {
    const message = 'current transaction is aborted, commands ignored until end of transaction';
    throw sqlError('25P02', `${message} block`, { offset });
  }
  const isShared = SHARES_TRANSACTION.has(kind) || (kind === 'set' && sharesSettings);
  if (transaction.kind !== 'started' && !isShared) refuseShared(statement);
}

/** For statements that stand alone. */
export function refuseShared({ text, offset }: Statement): never {
  const words = text.trim().split(/\s+/).slice(0, 2).join(' ').toUpperCase();
  const hint = 'send it alone, outside of BEGIN and COMMIT';
  throw sqlError('25001', `${words} cannot be run inside a transaction block`, { offset, hint });
}

/** Reads and writes do not mix, and a subscription without a time of its own stands alone. */
export function startOperation(
  transaction: Transaction,
  operation: 'read' | 'write' | 'subscribe',
  offset: number,
): void {
  const before = transaction.operation;
  if (operation === 'write' && transaction.isReadOnly) {
    throw sqlError('25006', 'cannot write in a read-only transaction', { offset });
  }
  if (before === 'none') {
    transaction.operation = operation;
    return;
  }
  if (before === operation && operation !== 'subscribe') return;
  if (before === 'write') {
    throw sqlError('25001', 'transaction in write-only mode: it can only INSERT', { offset });
  }
  if (before === 'read' && operation === 'write') {
    throw sqlError('25006', 'transaction in read-only mode: it can only read', { offset });
  }
  throw sqlError('25001', 'SUBSCRIBE without AS OF must be alone in its transaction', { offset });
}

/** Keeps changes of a table until the commit. */
export function bufferWrite(transaction: Transaction, write: TableWrite, offset: number): void {
  if (transaction.writtenRows + write.deltas.length > WRITES_MAX) {
    throw sqlError('54000', `a transaction writes more than ${WRITES_MAX} rows`, { offset });
  }
  transaction.writtenRows += write.deltas.length;
  if (write.deltas.length > 0) transaction.writes.push(write);
}

/** The commit: everything at one fresh time, or nothing. */
export function writeNow({ state, session, out }: Context, transaction: Transaction): void {
  const { writes } = transaction;
  if (writes.length === 0) return;
  const { refusal, options } = state;
  if (refusal !== null && options.rules.checksCommits) throw sqlError('58030', refusal);
  const isGone = ({ id }: TableWrite) => !state.catalog.items.has(id);
  if (writes.some(isGone)) throw sqlError('40001', 'a table was dropped before the commit');
  const time = takeWriteTime(state);
  out.push({ kind: 'worker', command: { kind: 'insert', time, updates: byTable(writes) } });
  session.times.set(LOCAL_TIMELINE, time);
}

/** A time that is later than everything anybody was told. */
export function takeWriteTime(state: SqlCoordinator): Time {
  const time = state.options.rules.writeTime(oracleOf(state, LOCAL_TIMELINE), state.now);
  state.oracles.set(LOCAL_TIMELINE, time);
  return time;
}

export function releaseLock({ lock }: SqlCoordinator, connection: ConnectionId): void {
  if (lock.owner === connection) lock.owner = null;
}

function byTable(writes: readonly TableWrite[]): TableWrite[] {
  const tables = new Map<ItemId, RowDelta[]>();
  for (const { id, deltas } of writes) {
    const known = tables.get(id);
    if (known === undefined) tables.set(id, [...deltas]);
    else for (const delta of deltas) known.push(delta);
  }
  return [...tables].map(([id, deltas]) => ({ id, deltas }));
}
