/** SQL functions with which a session inside Node synchronises: `SELECT tidelock_sync()`. */
import { TidelockError } from '../core/errors.ts';
import type { LocalDatabase } from './local-connection.ts';

export type SyncCommand = 'send' | 'check' | 'sync';

/**
 * Adds `tidelock_send()`, `tidelock_check()` and `tidelock_sync()`, which block until they are done and give their
 * counts as JSON text. `call` throws what went wrong.
 */
export function addSyncFunctions(
  database: LocalDatabase,
  call: (command: SyncCommand) => unknown,
): void {
  for (const command of ['send', 'check', 'sync'] as const) {
    const name = `tidelock_${command}`;
    database.function(name, { directOnly: true }, () => {
      if (database.isTransaction) throw insideTransaction(name);
      return JSON.stringify(call(command));
    });
  }
}

function insideTransaction(name: string): TidelockError {
  return new TidelockError({
    code: 'BAD_REQUEST',
    message: `${name}() cannot send a transaction that is still open`,
    hint: 'COMMIT first',
  });
}
