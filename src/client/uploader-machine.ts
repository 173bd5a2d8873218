/**
 * The uploader's machine: when local writes are sealed, sent and settled. Pure; src/client/uploader.ts performs
 * the effects.
 *
 *   closed --start--> held --ready--> sealing --sealed, something--> sending --answered--> sealing --> ...
 *                                     sealing --sealed, nothing--> idle --written, asked--> sealing
 *   sealing, sending --SITE_CLONED, UPLOAD_GAP--> a new site, sealing
 *                    --RESYNC_FIRST, TIMELINE_CHANGED--> held, and the follower resyncs
 *                    --TOO_LARGE--> a smaller batch, sealing
 *                    --any other trouble--> waiting --timer, asked, ready--> sealing
 *   any              --hold--> held (the base is being replaced)
 *   any              --close--> closed
 *
 * Retries never end; their delay grows to a cap and starts anew when a batch is accepted. Nothing here ever blocks
 * reading or writing: local writes wait in the file.
 */
import type { ErrorCode } from '../core/errors.ts';
import { BACKOFF_MAX_MS, backoffMs, type Trouble } from './machine.ts';

export type UploaderState =
  | { readonly kind: 'closed' }
  /** There is no base to write against: the first copy or a resync is under way. */
  | { readonly kind: 'held' }
  /** Everything that was written has its outcome. */
  | { readonly kind: 'idle' }
  | { readonly kind: 'sealing' }
  | { readonly kind: 'sending' }
  | { readonly kind: 'waiting'; readonly trouble: Trouble; readonly delayMs: number };

export type Uploader = {
  readonly state: UploaderState;
  /** Failed attempts since a batch was last accepted. */
  readonly attempts: number;
  /** New sites and resyncs since a batch was last accepted, or since the last pause. */
  readonly remedies: number;
};

export type UploaderEvent =
  | { readonly kind: 'start' }
  /** The file is there and no resync is under way; also: the feed is connected (again). */
  | { readonly kind: 'ready' }
  /** A resync begins: its end is `ready`. */
  | { readonly kind: 'hold' }
  /** Somebody may have written into the file. */
  | { readonly kind: 'written' }
  /** Somebody wants it to be tried now. */
  | { readonly kind: 'asked' }
  /** `seal` is done; `hasBatch`: something is to be sent. */
  | { readonly kind: 'sealed'; readonly hasBatch: boolean }
  /** The server has given every transaction of the batch its outcome. */
  | { readonly kind: 'answered' }
  /** What was ordered last has failed. `jitter` is in [0, 1). */
  | { readonly kind: 'trouble'; readonly trouble: Trouble; readonly jitter: number }
  | { readonly kind: 'timer' }
  | { readonly kind: 'close' };

/**
 * Perform in order; an effect that throws is a `trouble`, and the effects after it are void. `settle` stores the
 * answer durably before `seal` may take the next batch.
 */
export type UploaderEffect =
  /** Number what was written, and take the first batch of what is unsent. */
  | { readonly kind: 'seal' }
  | { readonly kind: 'send' }
  | { readonly kind: 'settle' }
  /** Give the file a site id of its own, and its unsent transactions new numbers. */
  | { readonly kind: 'newSite' }
  /** Send less at a time; a single transaction that is too large is parked, with this reason. */
  | { readonly kind: 'shrink'; readonly reason: string }
  /** The follower must bring the base up by a difference snapshot. */
  | { readonly kind: 'resync'; readonly reason: string }
  | { readonly kind: 'abort' }
  | { readonly kind: 'wait'; readonly delayMs: number }
  | { readonly kind: 'cancelWait' };

export type UploaderStep = {
  readonly uploader: Uploader;
  readonly effects: readonly UploaderEffect[];
};

/** Remedies in a row before the next one has to wait. */
const REMEDIES_AT_ONCE_MAX = 2;

const NEEDS_SITE: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['SITE_CLONED', 'UPLOAD_GAP']);
const NEEDS_RESYNC: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'RESYNC_FIRST',
  'TIMELINE_CHANGED',
  'TOO_OLD',
]);

/** Only a new token or another server mends these: they are tried again, but seldom. */
const LASTING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'TOKEN_INVALID',
  'TOKEN_FORBIDS',
  'SITE_TAKEN',
  'NOT_FOUND',
  'METHOD_NOT_ALLOWED',
  'BAD_REQUEST',
]);

export const UPLOADER_INITIAL: Uploader = { state: { kind: 'closed' }, attempts: 0, remedies: 0 };

export function stepUploader(uploader: Uploader, event: UploaderEvent): UploaderStep {
  const { state } = uploader;
  if (event.kind === 'start')
    return state.kind === 'closed' ? hold(uploader, []) : ignore(uploader);
  if (state.kind === 'closed') return ignore(uploader);
  switch (event.kind) {
    case 'close':
      return move(uploader, { kind: 'closed' }, [{ kind: 'cancelWait' }, { kind: 'abort' }]);
    case 'hold':
      return state.kind === 'held' ? ignore(uploader) : hold(uploader, []);
    case 'ready':
      return ready(uploader);
    case 'written':
      return state.kind === 'idle' ? seal(uploader, []) : ignore(uploader);
    case 'asked':
      return state.kind === 'idle' || state.kind === 'waiting' ? again(uploader) : ignore(uploader);
    case 'timer':
      return state.kind === 'waiting' ? seal({ ...uploader, remedies: 0 }, []) : ignore(uploader);
    case 'sealed':
      return state.kind === 'sealing' ? sealed(uploader, event.hasBatch) : ignore(uploader);
    case 'answered':
      if (state.kind !== 'sending') return ignore(uploader);
      return seal({ ...uploader, attempts: 0, remedies: 0 }, [{ kind: 'settle' }]);
    default:
      return trouble(uploader, event);
  }
}

function ready(uploader: Uploader): UploaderStep {
  const { state } = uploader;
  if (state.kind === 'held' || state.kind === 'idle') return seal(uploader, []);
  const isPassing = state.kind === 'waiting' && !LASTING.has(state.trouble.code);
  return isPassing ? again(uploader) : ignore(uploader);
}

function sealed(uploader: Uploader, hasBatch: boolean): UploaderStep {
  if (hasBatch) return move(uploader, { kind: 'sending' }, [{ kind: 'send' }]);
  return move(uploader, { kind: 'idle' }, []);
}

function trouble(uploader: Uploader, event: UploaderEvent & { kind: 'trouble' }): UploaderStep {
  const { state } = uploader;
  if (state.kind !== 'sealing' && state.kind !== 'sending') return ignore(uploader);
  const { code, message, hint = '' } = event.trouble;
  // Each time there is less to send, so this ends.
  if (code === 'TOO_LARGE') {
    return seal(uploader, [{ kind: 'shrink', reason: [message, hint].join('; ') }]);
  }
  const isAtOnce = uploader.remedies < REMEDIES_AT_ONCE_MAX;
  const counted = { ...uploader, remedies: uploader.remedies + 1 };
  if (isAtOnce && NEEDS_SITE.has(code)) return seal(counted, [{ kind: 'newSite' }]);
  if (isAtOnce && NEEDS_RESYNC.has(code)) {
    return hold(counted, [{ kind: 'resync', reason: message }]);
  }
  return wait(uploader, event);
}

function wait(uploader: Uploader, event: UploaderEvent & { kind: 'trouble' }): UploaderStep {
  const { trouble, jitter } = event;
  const isLasting = LASTING.has(trouble.code);
  const delayMs = isLasting ? BACKOFF_MAX_MS : backoffMs(uploader.attempts, jitter);
  const counted = { ...uploader, attempts: uploader.attempts + 1 };
  return move(counted, { kind: 'waiting', trouble, delayMs }, [
    { kind: 'abort' },
    { kind: 'wait', delayMs },
  ]);
}

function hold(uploader: Uploader, more: readonly UploaderEffect[]): UploaderStep {
  return move(uploader, { kind: 'held' }, [{ kind: 'cancelWait' }, { kind: 'abort' }, ...more]);
}

function again(uploader: Uploader): UploaderStep {
  return seal(uploader, [{ kind: 'cancelWait' }]);
}

function seal(uploader: Uploader, first: readonly UploaderEffect[]): UploaderStep {
  return move(uploader, { kind: 'sealing' }, [...first, { kind: 'seal' }]);
}

function move(
  uploader: Uploader,
  state: UploaderState,
  effects: readonly UploaderEffect[],
): UploaderStep {
  return { uploader: { ...uploader, state }, effects };
}

function ignore(uploader: Uploader): UploaderStep {
  return { uploader, effects: [] };
}
