/** What went wrong with the log, in our own codes. */
import { TidelockError } from '../core/errors.ts';
import { formatLsn, type Ts } from '../core/lsn.ts';
import { sqlFailureOf, writeFailureText } from './sql.ts';

export function corruptLog(what: string, cause?: unknown): TidelockError {
  return new TidelockError({
    code: 'LOG_CORRUPT',
    message: `the change log is damaged: ${what}`,
    hint: 'check the disk, move the log folder away and restart: a new history begins and replicas resynchronise',
    cause,
  });
}

/** A group that was purged is asked for. */
export function purgedGroup(seq: number, since: Ts): TidelockError {
  return new TidelockError({
    code: 'TOO_OLD',
    message: `group ${seq} is no longer in the log, which begins after ${formatLsn(since)}`,
    hint: 'take a new snapshot',
    details: { since: formatLsn(since) },
  });
}

/** What a failed open tells its caller. */
export function openFailure(error: unknown, file: string): unknown {
  switch (sqlFailureOf(error)) {
    case 'busy':
      return new TidelockError({
        code: 'LOG_IN_USE',
        message: `the log ${file} is used by another process`,
        hint: 'stop the other server, or give this one a log folder of its own',
        cause: error,
      });
    case 'foreign':
      return new TidelockError({
        code: 'LOG_UNFIT',
        message: `${file} is not a Tidelock log`,
        hint: 'give the log a folder of its own',
        cause: error,
      });
    case 'corrupt':
      return corruptLog('SQLite cannot read it', error);
    case undefined:
      return error instanceof Error && 'syscall' in error ? writeFailure(error, 'open') : error;
    default:
      return writeFailure(error, 'open');
  }
}

/** Runs a read; what SQLite cannot read is `LOG_CORRUPT`. */
export function reading<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    const failure = sqlFailureOf(error);
    if (failure === 'corrupt' || failure === 'io') throw corruptLog('SQLite cannot read it', error);
    throw error;
  }
}

/** What a failed write tells its caller; errors that are not SQLite's stay as they are. */
export function writeFailure(error: unknown, what: string): unknown {
  const failure = sqlFailureOf(error);
  if (failure === undefined && !(error instanceof Error && 'syscall' in error)) return error;
  if (failure === 'corrupt') return corruptLog('SQLite cannot read it', error);
  const text = writeFailureText(failure);
  return new TidelockError({
    code: 'LOG_WRITE_FAILED',
    message: `the change log could not be written (${what}): ${text.cause}`,
    hint: text.hint,
    cause: error,
  });
}
