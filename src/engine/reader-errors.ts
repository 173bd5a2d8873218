/** What readers of the log are told when they cannot have what they asked for. */
import { TidelockError } from '../core/errors.ts';
import { formatLsn, type Ts } from '../core/lsn.ts';
import type { FeedRequest } from './api.ts';

/** Why a feed was not opened. */
export function rejection(
  code: TidelockError['code'],
  facts: { readonly request: FeedRequest; readonly since: Ts; readonly timeline: string | null },
): TidelockError {
  const { request, since, timeline } = facts;
  const details = { since: formatLsn(since), timeline };
  switch (code) {
    case 'TOO_OLD':
      return new TidelockError({
        code,
        message: `the log begins after ${formatLsn(since)}, the position ${formatLsn(request.since)} is older`,
        hint: 'take a new snapshot: GET /v1/snapshot',
        details,
      });
    case 'TIMELINE_CHANGED':
      return endError(code, details);
    case 'BUSY':
      return new TidelockError({
        code,
        message: 'the server has as many readers as it may',
        hint: 'try again later, or raise the limit on streams',
      });
    default:
      return new TidelockError({
        code: 'NOT_READY',
        message: 'the server has no history yet (or is stopping)',
        hint: 'try again in a moment; /v1/status tells what it waits for',
      });
  }
}

/** Why a wait for a position ended without it. */
export function waitError(outcome: 'timeout' | 'ended' | 'busy', upper: Ts): TidelockError {
  if (outcome === 'ended') return endError('TIMELINE_CHANGED');
  if (outcome === 'busy') {
    return new TidelockError({ code: 'BUSY', message: 'too many clients wait for a position' });
  }
  return new TidelockError({
    code: 'TIMEOUT',
    message: `the log did not get there in time; it stands at ${formatLsn(upper)}`,
    hint: 'see source.state in /v1/status: a long commit, an unflushed asynchronous commit or a lost connection delays it',
  });
}

/** Why a feed that was open ends. */
export function endError(
  code: 'TOO_OLD' | 'TIMELINE_CHANGED',
  details?: Readonly<Record<string, unknown>>,
): TidelockError {
  return code === 'TOO_OLD'
    ? new TidelockError({
        code,
        message: 'the log was cut beyond what this reader still needed',
        hint: 'take a new snapshot: GET /v1/snapshot',
        details,
      })
    : new TidelockError({
        code,
        message: 'this position belongs to another history of the database',
        hint: 'take a new snapshot: GET /v1/snapshot',
        details,
      });
}
