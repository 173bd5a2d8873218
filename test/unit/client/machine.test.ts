import { describe, expect, test } from 'vitest';
import {
  BACKOFF_FIRST_MS,
  BACKOFF_MAX_MS,
  backoffMs,
  type Follower,
  type FollowerEvent,
  type FollowerState,
  INITIAL,
  step,
} from '../../../src/client/machine.ts';
import type { ErrorCode } from '../../../src/core/errors.ts';

const trouble = (code: ErrorCode): FollowerEvent => ({
  kind: 'trouble',
  trouble: { code, message: code },
  jitter: 1,
});

const STATES: Record<string, FollowerState> = {
  closed: { kind: 'closed' },
  bootstrapping: { kind: 'bootstrapping' },
  connecting: { kind: 'connecting' },
  live: { kind: 'live', isCaughtUp: false },
  caughtUp: { kind: 'live', isCaughtUp: true },
  resyncing: { kind: 'resyncing', reason: 'r' },
  waiting: {
    kind: 'waiting',
    activity: 'feed',
    reason: '',
    trouble: { code: 'TIMEOUT', message: '' },
    delayMs: 1,
  },
  failed: { kind: 'failed', trouble: { code: 'REPLICA_UNFIT', message: '' } },
};

const EVENTS: Record<string, FollowerEvent> = {
  startNoFile: { kind: 'start', hasFile: false, stale: null },
  startFile: { kind: 'start', hasFile: true, stale: null },
  startOtherSet: { kind: 'start', hasFile: true, stale: 'selectors' },
  copied: { kind: 'copied' },
  hello: { kind: 'hello' },
  advanced: { kind: 'advanced' },
  verified: { kind: 'verified' },
  caughtUp: { kind: 'caughtUp' },
  resyncNeeded: { kind: 'resyncNeeded', reason: 'r', isMismatch: false },
  resynced: { kind: 'resynced' },
  network: trouble('SERVER_UNREACHABLE'),
  tokenExpired: trouble('TOKEN_INVALID'),
  protocol: trouble('PROTOCOL'),
  tooOld: trouble('TOO_OLD'),
  timeline: trouble('TIMELINE_CHANGED'),
  forbidden: trouble('TOKEN_FORBIDS'),
  timer: { kind: 'timer' },
  close: { kind: 'close' },
};

/** Event -> next state by state, in the order of STATES; `.` = ignored. */
const TABLE: Record<string, string> = {
  //              closed        bootstrapping connecting   live         caughtUp     resyncing    waiting    failed
  startNoFile:
    '  bootstrapping .             .            .            .            .            .          .',
  startFile:
    '    connecting    .             .            .            .            .            .          .',
  startOtherSet:
    'resyncing     .             .            .            .            .            .          .',
  copied:
    '       .             connecting    .            .            .            .            .          .',
  hello:
    '        .             .             live         .            .            .            .          .',
  advanced:
    '     .             .             .            .            .            .            .          .',
  verified:
    '     .             .             .            .            .            .            .          .',
  caughtUp:
    '     .             .             .            caughtUp     .            .            .          .',
  resyncNeeded:
    ' .             .             resyncing    resyncing    resyncing    .            .          .',
  resynced:
    '     .             .             .            .            .            connecting   .          .',
  network:
    '      .             waiting       waiting      waiting      waiting      waiting      .          .',
  tokenExpired:
    ' .             waiting       waiting      waiting      waiting      waiting      .          .',
  protocol:
    '     .             waiting       waiting      waiting      waiting      waiting      .          .',
  tooOld:
    '       .             waiting       resyncing    resyncing    resyncing    waiting      .          .',
  timeline:
    '     .             waiting       resyncing    resyncing    resyncing    waiting      .          .',
  forbidden:
    '    .             failed        failed       failed       failed       failed       .          .',
  timer:
    '        .             .             .            .            .            .            connecting .',
  close:
    '        .             closed        closed       closed       closed       closed       closed     closed',
};

function nameOf(state: FollowerState): string {
  return state.kind === 'live' && state.isCaughtUp ? 'caughtUp' : state.kind;
}

describe('every event in every state', () => {
  for (const [eventName, row] of Object.entries(TABLE)) {
    test(eventName, () => {
      const event = EVENTS[eventName];
      const results = Object.values(STATES).map((state) => {
        if (event === undefined) return '?';
        const { follower } = step({ ...INITIAL, state }, event);
        return follower.state === state ? '.' : nameOf(follower.state);
      });
      expect(results).toEqual(row.trim().split(/\s+/));
    });
  }

  test('the table has every event', () => {
    expect(Object.keys(TABLE)).toEqual(Object.keys(EVENTS));
  });
});

function walk(events: readonly FollowerEvent[], from: Follower = INITIAL): Follower {
  return events.reduce((follower, event) => step(follower, event).follower, from);
}

const FILE: FollowerEvent = { kind: 'start', hasFile: true, stale: null };
const HELLO: FollowerEvent = { kind: 'hello' };
const TIMER: FollowerEvent = { kind: 'timer' };
const NETWORK = trouble('SERVER_UNREACHABLE');

describe('retries', () => {
  test('P27: delays double up to the cap, for ever, and start anew when the position moved', () => {
    let follower = walk([FILE]);
    const delays: number[] = [];
    for (let tries = 0; tries < 40; tries += 1) {
      follower = walk([NETWORK], follower);
      delays.push(follower.state.kind === 'waiting' ? follower.state.delayMs : -1);
      follower = walk([TIMER], follower);
    }
    expect(delays.slice(0, 4)).toEqual([1, 2, 4, 8].map((factor) => factor * BACKOFF_FIRST_MS));
    expect(delays.at(-1)).toBe(BACKOFF_MAX_MS);
    const again = walk([HELLO, { kind: 'advanced' }, NETWORK], follower);
    expect(again.state).toMatchObject({ kind: 'waiting', delayMs: BACKOFF_FIRST_MS });
  });

  test('a connection that opens and breaks without moving the position does not start the delays anew', () => {
    const follower = walk([FILE, NETWORK, TIMER, HELLO, NETWORK]);
    expect(follower.state).toMatchObject({ delayMs: 2 * BACKOFF_FIRST_MS });
  });

  test('half of a delay is random', () => {
    expect(backoffMs(3, 0)).toBe(4 * BACKOFF_FIRST_MS);
    expect(backoffMs(3, 0.5)).toBe(6 * BACKOFF_FIRST_MS);
  });

  test('what was interrupted is what is retried', () => {
    const copying = walk([{ ...FILE, hasFile: false } as FollowerEvent, NETWORK, TIMER]);
    expect(copying.state.kind).toBe('bootstrapping');
    const resyncing = walk([FILE, HELLO, trouble('TOO_OLD'), NETWORK]);
    expect(resyncing.state).toMatchObject({
      kind: 'waiting',
      activity: 'resync',
      reason: 'TOO_OLD',
    });
    expect(walk([TIMER], resyncing).state).toEqual({ kind: 'resyncing', reason: 'TOO_OLD' });
  });
});

describe('re-synchronisation', () => {
  const NEEDED: FollowerEvent = { kind: 'resyncNeeded', reason: 'digest', isMismatch: true };

  test('a second one without an agreeing digest in between has to wait', () => {
    const once = walk([FILE, HELLO, NEEDED, { kind: 'resynced' }, HELLO, { kind: 'advanced' }]);
    const twice = walk([NEEDED], once);
    expect(twice.state).toMatchObject({ kind: 'waiting', activity: 'resync' });
    expect(walk([{ kind: 'verified' }, NEEDED], once).state.kind).toBe('resyncing');
  });

  test('one that the server asked for is forgotten when the replica followed on after it had caught up', () => {
    const once = walk([FILE, HELLO, trouble('TIMELINE_CHANGED'), { kind: 'resynced' }, HELLO]);
    const caughtUp = walk([{ kind: 'advanced' }, { kind: 'caughtUp' }], once);
    expect(walk([trouble('TIMELINE_CHANGED')], caughtUp).state.kind).toBe('waiting');
    const followed = walk([{ kind: 'advanced' }], caughtUp);
    expect(walk([trouble('TIMELINE_CHANGED')], followed).state.kind).toBe('resyncing');
    // A digest that did not agree is another matter: only one that agrees ends the doubt.
    const moved: FollowerEvent[] = [{ kind: 'caughtUp' }, { kind: 'advanced' }];
    const doubted = walk([FILE, HELLO, NEEDED, { kind: 'resynced' }, HELLO, ...moved]);
    expect(walk([NEEDED], doubted).state.kind).toBe('waiting');
  });

  test('their delays grow although the feed moves in between', () => {
    const round: FollowerEvent[] = [
      TIMER,
      { kind: 'resynced' },
      HELLO,
      { kind: 'advanced' },
      NEEDED,
    ];
    let follower = walk([FILE, HELLO, NEEDED, { kind: 'resynced' }, HELLO, NEEDED]);
    const delays: number[] = [];
    for (let rounds = 0; rounds < 12; rounds += 1) {
      delays.push(follower.state.kind === 'waiting' ? follower.state.delayMs : -1);
      follower = walk(round, follower);
    }
    expect(delays).toEqual([...delays].sort((a, b) => a - b));
    expect(delays.at(-1)).toBe(BACKOFF_MAX_MS);
  });

  test('PROTOCOL twice at one position makes the replica doubt itself, once does not', () => {
    const once = walk([FILE, HELLO, trouble('PROTOCOL'), TIMER, HELLO]);
    expect(walk([trouble('PROTOCOL')], once).state.kind).toBe('resyncing');
    expect(walk([{ kind: 'advanced' }, trouble('PROTOCOL')], once).state.kind).toBe('waiting');
  });
});

test('an activity is ended before the next one starts', () => {
  const { effects } = step(walk([FILE, HELLO]), trouble('TOO_OLD'));
  expect(effects.map((effect) => effect.kind)).toEqual(['abort', 'run']);
});
