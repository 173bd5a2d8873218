/** Opens the folder in which SQL keeps its rows, for this process alone. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, TidelockError } from '../../core/errors.ts';
import { CollectionStore } from '../../sqlite/collections/collection-store.ts';
import { sqlFailureOf } from '../../sqlite/sql.ts';

/** `dir` null: in memory. Throws `SQL_DATA_UNUSABLE`. */
export function openStore(dir: string | null): CollectionStore {
  if (dir === null) return CollectionStore.open(':memory:');
  try {
    mkdirSync(dir, { recursive: true });
    return CollectionStore.open(join(dir, 'collections.db'));
  } catch (error) {
    throw unusable(dir, error);
  }
}

function unusable(dir: string, error: unknown): TidelockError {
  const isBusy = sqlFailureOf(error) === 'busy';
  return new TidelockError({
    code: 'SQL_DATA_UNUSABLE',
    message: isBusy
      ? `the folder ${dir} is used by another process`
      : `the folder ${dir} cannot hold the rows of SQL: ${messageOf(error)}`,
    hint: isBusy
      ? 'stop the other one, or give this one a folder of its own'
      : 'give it a folder of its own that can be written',
    cause: error,
  });
}
