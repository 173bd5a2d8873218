/** What went wrong with a replica file, in our own codes. */
import { TidelockError } from '../core/errors.ts';
import { sqlFailureOf, writeFailureText } from './sql.ts';

/** What a failed open or read tells its caller; errors that are not SQLite's stay as they are. */
export function replicaOpenFailure(error: unknown, file: string): unknown {
  switch (sqlFailureOf(error)) {
    case undefined:
      return error;
    case 'foreign':
    case 'other':
      return unfitReplica(`${file} is not a Tidelock replica`, error);
    case 'corrupt':
      return unfitReplica(`${file} is damaged`, error);
    default:
      return replicaWriteFailure(error, file);
  }
}

function unfitReplica(message: string, cause: unknown): TidelockError {
  const hint = 'give the replica a file of its own, or remove the file: it is copied again';
  return new TidelockError({ code: 'REPLICA_UNFIT', message, hint, cause });
}

/** What a failed write tells its caller; errors that are not SQLite's stay as they are. */
export function replicaWriteFailure(error: unknown, file: string): unknown {
  const failure = sqlFailureOf(error);
  if (failure === undefined) return error;
  if (failure === 'corrupt') return unfitReplica(`${file} is damaged`, error);
  const text = writeFailureText(failure);
  return new TidelockError({
    code: 'REPLICA_WRITE_FAILED',
    message: `the replica ${file} could not be written: ${text.cause}; it keeps its last position`,
    hint: text.hint,
    cause: error,
  });
}

/** What a failed file operation tells its caller. */
export function replicaFileFailure(error: unknown, file: string): unknown {
  if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) return error;
  const text = writeFailureText(error.code === 'ENOSPC' || error.code === 'EDQUOT' ? 'full' : 'io');
  return new TidelockError({
    code: 'REPLICA_WRITE_FAILED',
    message: `${file} could not be written: ${text.cause}`,
    hint: text.hint,
    cause: error,
  });
}
