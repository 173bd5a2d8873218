/** What readers of the log are told when they cannot have what they asked for. */
import type { SourcePhase } from '../coordinator/types.ts';
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

/** Nothing that waits is served any more. */
export function stopping(): TidelockError {
  return new TidelockError({ code: 'NOT_READY', message: 'the server is stopping' });
}

/** What the log waits for itself. */
export type WaitFacts = {
  readonly upper: Ts;
  readonly source: { readonly phase: SourcePhase; readonly reason: string | undefined };
  readonly log: { readonly state: 'ok' | 'failed'; readonly reason: string | undefined };
};

/** Why a wait for a position ended without it. */
export function waitError(outcome: 'timeout' | 'ended' | 'busy', facts: WaitFacts): TidelockError {
  if (outcome === 'ended') return endError('TIMELINE_CHANGED');
  if (outcome === 'busy') {
    return new TidelockError({ code: 'BUSY', message: 'too many clients wait for a position' });
  }
  const stands = `the log did not get there in time; it stands at ${formatLsn(facts.upper)}`;
  if (facts.source.phase !== 'streaming') {
    return new TidelockError({
      code: 'SOURCE_DOWN',
      message: `${stands}, and Postgres does not stream: ${facts.source.reason ?? 'it is being connected'}`,
      hint: 'try again when source.state in /v1/status is streaming',
    });
  }
  if (facts.log.state === 'failed') {
    return new TidelockError({
      code: 'LOG_WRITE_FAILED',
      message: `${stands}: ${facts.log.reason ?? 'it cannot be written'}`,
      hint: 'free space on the disk of the log; it goes on by itself',
    });
  }
  return new TidelockError({
    code: 'TIMEOUT',
    message: stands,
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
