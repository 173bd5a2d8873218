/** Statement by statement: who does it. Null: the session waits, and `running` says for what. */
import { unreachable } from '../../core/assert.ts';
import type { Statement } from '../../sql/statement.ts';
import { type Context, isImplicit, transactionOf } from './context.ts';
import { closeCursor, declareCursor, fetchCursor } from './cursors.ts';
import { alterIndex, createIndex, createNamespace, createTable } from './ddl.ts';
import { createFileSource, createPostgresSource } from './ddl-sources.ts';
import { createSink, createView } from './ddl-views.ts';
import { dropObjects } from './drop.ts';
import { closeTransaction, endTransaction } from './ending.ts';
import { explain } from './explain.ts';
import { select } from './reads.ts';
import { setVariable, undoSettings } from './settings.ts';
import { show } from './show.ts';
import { startStream } from './subscriptions.ts';
import type { Response } from './types.ts';
import { change } from './writes.ts';

export function execute(context: Context, statement: Statement): Response | null {
  switch (statement.kind) {
    case 'select':
      return select(context, statement);
    case 'insert':
    case 'update':
    case 'delete':
      return change(context, statement);
    case 'subscribe':
      return startStream(context, statement);
    case 'declare':
      return declareCursor(context, statement);
    case 'fetch':
      return fetchCursor(context, statement);
    case 'closeCursor':
      return closeCursor(context, statement);
    case 'begin':
      return begin(context, statement);
    case 'commit':
    case 'rollback':
      return end(context, statement.kind);
    case 'explain':
      return explain(context, statement);
    case 'show':
      return show(context, statement);
    case 'set':
      return setVariable(context, statement);
    default:
      return define(context, statement);
  }
}

function define(
  context: Context,
  statement: Statement & {
    readonly kind:
      | 'createDatabase'
      | 'createSchema'
      | 'createTable'
      | 'createFileSource'
      | 'createPostgresSource'
      | 'createView'
      | 'createDefaultIndex'
      | 'alterIndex'
      | 'createSink'
      | 'drop';
  },
): Response | null {
  switch (statement.kind) {
    case 'createDatabase':
    case 'createSchema':
      return createNamespace(context, statement);
    case 'createTable':
      return createTable(context, statement);
    case 'createFileSource':
      return createFileSource(context, statement);
    case 'createPostgresSource':
      return createPostgresSource(context, statement);
    case 'createView':
      return createView(context, statement);
    case 'createDefaultIndex':
      return createIndex(context, statement);
    case 'alterIndex':
      return alterIndex(context, statement);
    case 'createSink':
      return createSink(context, statement);
    case 'drop':
      return dropObjects(context, statement);
    default:
      return unreachable(statement);
  }
}

/** A second BEGIN changes nothing, and says so. */
function begin(context: Context, statement: Statement & { readonly kind: 'begin' }): Response {
  const transaction = transactionOf(context);
  if (transaction.kind === 'explicit') return { kind: 'started', duplicated: true };
  transaction.kind = 'explicit';
  transaction.isReadOnly = statement.isReadOnly;
  return { kind: 'started', duplicated: false };
}

function end(context: Context, kind: 'commit' | 'rollback'): Response | null {
  const transaction = transactionOf(context);
  const wasImplicit = isImplicit(transaction);
  if (kind === 'rollback' || transaction.kind === 'failed') {
    undoSettings(context.session);
    closeTransaction(context);
    return { kind: 'ended', tag: 'ROLLBACK', wasImplicit };
  }
  endTransaction(context, { kind: 'ended', tag: 'COMMIT', wasImplicit });
  return null;
}
