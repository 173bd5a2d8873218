/**
 * The follower's machine: what a replica does next. Pure; src/client/follower.ts performs the effects.
 *
 *   start, no file --> bootstrapping --copied--> connecting --hello--> live --behind, trouble--> ...
 *   start, file -----> connecting
 *   start, stale file (other selectors) --> resyncing --resynced--> connecting
 *
 *   connecting, live   --resyncNeeded, TOO_OLD, TIMELINE_CHANGED, PROTOCOL twice at one position--> resyncing
 *   any but closed     --trouble, ended--> waiting --timer--> what was interrupted
 *   any but closed     --trouble that retrying cannot mend--> failed
 *   any                --close--> closed
 *
 * Retries never end; their delay grows to a cap and starts anew when the position moves.
 */
import type { ErrorCode } from '../core/errors.ts';

/** The three things a follower does over the network. One at a time. */
export type Activity = 'bootstrap' | 'feed' | 'resync';

export type Trouble = {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string | undefined;
};

export type FollowerState =
  | { readonly kind: 'closed' }
  | { readonly kind: 'bootstrapping' }
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live'; readonly isCaughtUp: boolean }
  | { readonly kind: 'resyncing'; readonly reason: string }
  | {
      readonly kind: 'waiting';
      readonly activity: Activity;
      readonly reason: string;
      readonly trouble: Trouble;
      readonly delayMs: number;
    }
  | { readonly kind: 'failed'; readonly trouble: Trouble };

/** What survives from state to state. */
export type Follower = {
  readonly state: FollowerState;
  /** Failed attempts since the position last moved. */
  readonly attempts: number;
  /**
   * Difference snapshots since a digest of the server last agreed, or since the replica followed on after
   * it had caught up; the latter says nothing after a digest that did not agree.
   */
  readonly resyncs: number;
  /** A digest did not agree, and none has agreed since. */
  readonly isDoubted: boolean;
  /** `PROTOCOL` errors since the position last moved. */
  readonly protocolErrors: number;
};

export type FollowerEvent =
  /** `stale`: why the file, if there is one, cannot simply go on; null when it can. */
  | { readonly kind: 'start'; readonly hasFile: boolean; readonly stale: string | null }
  | { readonly kind: 'copied' }
  | { readonly kind: 'hello' }
  /** The position moved because the feed delivered something. */
  | { readonly kind: 'advanced' }
  /** A digest of the server was compared and agreed. */
  | { readonly kind: 'verified' }
  /** A marker said that nothing was missing when it was sent. */
  | { readonly kind: 'caughtUp' }
  /** `isMismatch`: a digest of the server was compared and did not agree. */
  | { readonly kind: 'resyncNeeded'; readonly reason: string; readonly isMismatch: boolean }
  | { readonly kind: 'resynced' }
  /** The running activity failed, or the server ended the stream. `jitter` is in [0, 1). */
  | { readonly kind: 'trouble'; readonly trouble: Trouble; readonly jitter: number }
  | { readonly kind: 'timer' }
  | { readonly kind: 'close' };

/** Perform in order: `abort` ends the running activity before `run` starts the next one. */
export type FollowerEffect =
  | { readonly kind: 'abort' }
  | { readonly kind: 'run'; readonly activity: Activity; readonly reason: string }
  | { readonly kind: 'wait'; readonly delayMs: number }
  | { readonly kind: 'cancelWait' }
  | { readonly kind: 'settle' };

export type FollowerStep = {
  readonly follower: Follower;
  readonly effects: readonly FollowerEffect[];
};

export const BACKOFF_FIRST_MS = 100;
export const BACKOFF_MAX_MS = 15_000;
/** Difference snapshots without an agreeing digest in between before the next one has to wait. */
const RESYNCS_AT_ONCE_MAX = 1;
/** `PROTOCOL` errors at one position before the replica doubts its own content. */
const PROTOCOL_ERRORS_MAX = 2;

/** Retrying cannot mend these: somebody has to change the file, the request or the token. */
const FATAL: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'NOT_FOUND',
  'REPLICA_UNFIT',
  'REPLICA_IN_USE',
  'TOKEN_FORBIDS',
  'BAD_SELECTOR',
  'BAD_REQUEST',
]);

const NEEDS_RESYNC: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['TOO_OLD', 'TIMELINE_CHANGED']);

export const INITIAL: Follower = {
  state: { kind: 'closed' },
  attempts: 0,
  resyncs: 0,
  isDoubted: false,
  protocolErrors: 0,
};

export function step(follower: Follower, event: FollowerEvent): FollowerStep {
  if (event.kind === 'close') return close(follower);
  const { state } = follower;
  switch (event.kind) {
    case 'start':
      return state.kind === 'closed' ? start(event) : ignore(follower);
    case 'copied':
      return state.kind === 'bootstrapping' ? connect(follower) : ignore(follower);
    case 'resynced':
      return state.kind === 'resyncing' ? connect(follower) : ignore(follower);
    case 'hello':
      if (state.kind !== 'connecting') return ignore(follower);
      return move(follower, { kind: 'live', isCaughtUp: false });
    case 'caughtUp':
      if (state.kind !== 'live' || state.isCaughtUp) return ignore(follower);
      return move(follower, { kind: 'live', isCaughtUp: true });
    case 'advanced':
      return state.kind === 'live' ? advanced(follower) : ignore(follower);
    case 'verified':
      return move({ ...follower, resyncs: 0, isDoubted: false }, state);
    case 'resyncNeeded':
      return isFollowing(state) ? resyncNeeded(follower, event) : ignore(follower);
    case 'timer':
      return state.kind === 'waiting' ? retry(follower, state) : ignore(follower);
    default:
      return trouble(follower, event);
  }
}

/** True while the replica has everything that the server had when it last said so. */
export function isCaughtUp(state: FollowerState): boolean {
  return state.kind === 'live' && state.isCaughtUp;
}

/** min(cap, first * 2^attempts), of which the upper half is random so that replicas do not return as one. */
export function backoffMs(attempts: number, jitter: number): number {
  const full = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(attempts, 30));
  return Math.round(full * (0.5 + jitter / 2));
}

function start(event: FollowerEvent & { kind: 'start' }): FollowerStep {
  if (!event.hasFile) return run(INITIAL, 'bootstrap', 'there is no replica file yet');
  if (event.stale === null) return run(INITIAL, 'feed', '');
  return run({ ...INITIAL, resyncs: 1 }, 'resync', event.stale);
}

function connect(follower: Follower): FollowerStep {
  return run(follower, 'feed', '');
}

function advanced(follower: Follower): FollowerStep {
  const isInStep = isCaughtUp(follower.state) && !follower.isDoubted;
  const resyncs = isInStep ? 0 : follower.resyncs;
  const { attempts, protocolErrors } = follower;
  if (attempts + protocolErrors === 0 && resyncs === follower.resyncs) return ignore(follower);
  return { follower: { ...follower, attempts: 0, protocolErrors: 0, resyncs }, effects: [] };
}

function resyncNeeded(
  follower: Follower,
  { reason, isMismatch }: FollowerEvent & { kind: 'resyncNeeded' },
): FollowerStep {
  return resync({ ...follower, isDoubted: follower.isDoubted || isMismatch }, reason);
}

function resync(follower: Follower, reason: string): FollowerStep {
  const counted = { ...follower, resyncs: follower.resyncs + 1, protocolErrors: 0 };
  if (follower.resyncs < RESYNCS_AT_ONCE_MAX) return run(counted, 'resync', reason);
  const trouble: Trouble = { code: 'PROTOCOL', message: `still not in step: ${reason}` };
  return wait(counted, { activity: 'resync', reason, trouble, jitter: 1 });
}

function retry(follower: Follower, state: FollowerState & { kind: 'waiting' }): FollowerStep {
  return run(follower, state.activity, state.reason);
}

function trouble(follower: Follower, event: FollowerEvent & { kind: 'trouble' }): FollowerStep {
  const { state } = follower;
  if (state.kind === 'closed' || state.kind === 'failed' || state.kind === 'waiting') {
    return ignore(follower);
  }
  const { code } = event.trouble;
  if (FATAL.has(code)) {
    const effects: FollowerEffect[] = [{ kind: 'abort' }, { kind: 'settle' }];
    return {
      follower: { ...follower, state: { kind: 'failed', trouble: event.trouble } },
      effects,
    };
  }
  if (isFollowing(state) && NEEDS_RESYNC.has(code)) return resync(follower, event.trouble.message);
  const protocolErrors = follower.protocolErrors + (code === 'PROTOCOL' ? 1 : 0);
  const counted = { ...follower, protocolErrors };
  if (isFollowing(state) && protocolErrors >= PROTOCOL_ERRORS_MAX) {
    return resync(counted, event.trouble.message);
  }
  return wait(counted, { ...interrupted(state), trouble: event.trouble, jitter: event.jitter });
}

function isFollowing(state: FollowerState): boolean {
  return state.kind === 'connecting' || state.kind === 'live';
}

function interrupted(state: FollowerState): {
  readonly activity: Activity;
  readonly reason: string;
} {
  if (state.kind === 'bootstrapping') return { activity: 'bootstrap', reason: '' };
  if (state.kind === 'resyncing') return { activity: 'resync', reason: state.reason };
  return { activity: 'feed', reason: '' };
}

function run(follower: Follower, activity: Activity, reason: string): FollowerStep {
  const effects: FollowerEffect[] = [{ kind: 'abort' }, { kind: 'run', activity, reason }];
  return { follower: { ...follower, state: stateOf(activity, reason) }, effects };
}

function stateOf(activity: Activity, reason: string): FollowerState {
  switch (activity) {
    case 'bootstrap':
      return { kind: 'bootstrapping' };
    case 'resync':
      return { kind: 'resyncing', reason };
    default:
      return { kind: 'connecting' };
  }
}

type Pause = {
  readonly activity: Activity;
  readonly reason: string;
  readonly trouble: Trouble;
  readonly jitter: number;
};

function wait(follower: Follower, pause: Pause): FollowerStep {
  const { jitter, ...rest } = pause;
  const delayMs = backoffMs(Math.max(follower.attempts, follower.resyncs - 1), jitter);
  const state: FollowerState = { kind: 'waiting', ...rest, delayMs };
  return {
    follower: { ...follower, state, attempts: follower.attempts + 1 },
    effects: [{ kind: 'abort' }, { kind: 'wait', delayMs }],
  };
}

function close(follower: Follower): FollowerStep {
  if (follower.state.kind === 'closed') return ignore(follower);
  const effects: FollowerEffect[] = [{ kind: 'cancelWait' }, { kind: 'abort' }, { kind: 'settle' }];
  return { follower: { ...follower, state: { kind: 'closed' } }, effects };
}

function move(follower: Follower, state: FollowerState): FollowerStep {
  return { follower: { ...follower, state }, effects: [] };
}

function ignore(follower: Follower): FollowerStep {
  return { follower, effects: [] };
}
