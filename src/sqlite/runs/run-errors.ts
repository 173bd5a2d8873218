/** What a failure of SQLite means for a run database. */
import { TidelockError } from '../../core/errors.ts';
import { sqlFailureOf } from '../sql.ts';

/** Errors of others stay as they are. */
export function runFileError(error: unknown, file: string): unknown {
  const failure = sqlFailureOf(error);
  if (failure === undefined) return error;
  const isBusy = failure === 'busy';
  return new TidelockError({
    code: isBusy ? 'BUSY' : 'RUNS_UNUSABLE',
    message: `${file}: ${(error as Error).message}`,
    hint: isBusy
      ? 'another process held its lock for seconds: try again'
      : 'see the cause; a damaged local file is rebuilt from the durable one once it is moved away',
    cause: error,
  });
}
