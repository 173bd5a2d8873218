/** Every event in every state of the source: the phase after it and what is to be done. */
import { expect, test } from 'vitest';
import type { LogAtOpen } from '../../../src/coordinator/state.ts';
import type { CoordinatorEvent } from '../../../src/coordinator/types.ts';
import { Driver, FRESH_LOG, facts, group, kinds, lsn, type TimelessEvent } from './support.ts';

/** `starting`: connected, the stream was asked for (phase `connecting` to the outside). */
type State = 'idle' | 'connecting' | 'starting' | 'resetting' | 'streaming' | 'waiting';
type EventKind = CoordinatorEvent['kind'];

const EVENTS: { readonly [K in EventKind]: TimelessEvent & { readonly kind: K } } = {
  start: { kind: 'start' },
  tick: { kind: 'tick' },
  sourceConnected: { kind: 'sourceConnected', facts: facts() },
  historyStarted: { kind: 'historyStarted', timeline: 'sys-2', startTs: lsn(300) },
  streamStarted: { kind: 'streamStarted' },
  sourceLost: { kind: 'sourceLost', reason: 'cut', isUnfit: false },
  appended: { kind: 'appended', groups: [group(200, ['FR'])] },
  groupsMerged: { kind: 'groupsMerged', firstSeq: 1, seq: 2, sizeBytes: 150 },
  appendFailed: { kind: 'appendFailed', reason: 'disk full' },
  upperNoted: { kind: 'upperNoted', lsn: lsn(250) },
  keepalive: { kind: 'keepalive', lsn: lsn(250) },
  subscribe: {
    kind: 'subscribe',
    id: 9,
    selectors: ['FR'],
    since: lsn(100),
    timeline: undefined,
    replica: undefined,
  },
  caughtUp: { kind: 'caughtUp', id: 1, ts: lsn(100) },
  advanced: { kind: 'advanced', id: 1, ts: lsn(100) },
  unsubscribe: { kind: 'unsubscribe', id: 1 },
  lease: { kind: 'lease', replica: 'r', ts: lsn(100) },
  endLease: { kind: 'endLease', replica: 'r' },
  leasesLoaded: { kind: 'leasesLoaded', leases: [] },
  hold: { kind: 'hold', hold: 'h', ts: lsn(100) },
  release: { kind: 'release', hold: 'h' },
  wait: { kind: 'wait', id: 1, ts: lsn(250), deadline: 60_000 },
  endWait: { kind: 'endWait', id: 1 },
  drain: { kind: 'drain' },
};

/** `-> state: effects`. Timers are left out; `tick` comes when everything is due. */
type Cell = `-> ${State}` | `-> ${State}: ${string}`;

/** What readers do is the same in every state that has a history. */
function readers<S extends State>(state: S) {
  const same = `-> ${state}` as const;
  return {
    subscribe: `-> ${state}: acceptSubscriber`,
    caughtUp: same,
    advanced: same,
    unsubscribe: same,
    lease: same,
    endLease: same,
    leasesLoaded: same,
    hold: same,
    release: same,
    wait: same,
    endWait: same,
    drain: same,
    groupsMerged: same,
  } as const;
}

const TABLE: Record<State, Record<EventKind, Cell>> = {
  idle: {
    start: '-> connecting: connectSource',
    tick: '-> idle',
    sourceConnected: '-> idle',
    historyStarted: '-> idle',
    streamStarted: '-> idle',
    sourceLost: '-> idle',
    appended: '-> idle: wake',
    appendFailed: '-> idle',
    upperNoted: '-> idle',
    keepalive: '-> idle',
    ...readers('idle'),
  },
  connecting: {
    start: '-> connecting',
    tick: '-> connecting',
    sourceConnected: '-> starting: startStream',
    historyStarted: '-> connecting',
    streamStarted: '-> connecting',
    sourceLost: '-> waiting',
    appended: '-> connecting: wake',
    appendFailed: '-> connecting',
    upperNoted: '-> connecting',
    keepalive: '-> connecting',
    ...readers('connecting'),
  },
  starting: {
    start: '-> starting',
    tick: '-> starting',
    sourceConnected: '-> starting',
    historyStarted: '-> starting',
    streamStarted: '-> streaming',
    sourceLost: '-> waiting',
    appended: '-> starting: wake',
    appendFailed: '-> starting',
    upperNoted: '-> starting',
    keepalive: '-> starting',
    ...readers('starting'),
  },
  resetting: {
    start: '-> resetting',
    tick: '-> resetting',
    sourceConnected: '-> resetting',
    historyStarted: '-> connecting: connectSource',
    streamStarted: '-> resetting',
    sourceLost: '-> waiting',
    appended: '-> resetting',
    appendFailed: '-> resetting',
    upperNoted: '-> resetting',
    keepalive: '-> resetting',
    ...readers('resetting'),
    subscribe: '-> resetting: rejectSubscriber',
  },
  streaming: {
    start: '-> streaming',
    tick: '-> streaming',
    sourceConnected: '-> streaming',
    historyStarted: '-> streaming',
    streamStarted: '-> streaming',
    sourceLost: '-> waiting',
    appended: '-> streaming: wake, confirmSlot',
    appendFailed: '-> streaming: pauseSource',
    upperNoted: '-> streaming',
    keepalive: '-> streaming: noteUpper',
    ...readers('streaming'),
  },
  waiting: {
    start: '-> waiting',
    tick: '-> connecting: connectSource',
    sourceConnected: '-> waiting',
    historyStarted: '-> waiting',
    streamStarted: '-> waiting',
    sourceLost: '-> waiting',
    appended: '-> waiting: wake',
    appendFailed: '-> waiting',
    upperNoted: '-> waiting',
    keepalive: '-> waiting',
    ...readers('waiting'),
  },
};

const WAY_TO: Record<State, readonly TimelessEvent[]> = {
  idle: [],
  connecting: [EVENTS.start],
  starting: [EVENTS.start, EVENTS.sourceConnected],
  resetting: [EVENTS.start, { kind: 'sourceConnected', facts: facts({ slot: null }) }],
  streaming: [EVENTS.start, EVENTS.sourceConnected, EVENTS.streamStarted],
  waiting: [EVENTS.start, EVENTS.sourceLost],
};

function stateOf(driver: Driver): State {
  const { source, history } = driver.state;
  return source.phase === 'connecting' && history.next !== null ? 'starting' : source.phase;
}

const LOG: LogAtOpen = {
  ...FRESH_LOG,
  since: lsn(80),
  groups: [
    { seq: 1, lastTs: lsn(90), sizeBytes: 100 },
    { seq: 2, lastTs: lsn(100), sizeBytes: 100 },
  ],
};

/** A coordinator in a state, with one subscriber that waits (where there may be one). */
function driverIn(state: State): Driver {
  const driver = new Driver(LOG, { keepS: 100 });
  driver.subscribe(1, ['FR'], 100);
  driver.caughtUp(1, 100);
  for (const event of WAY_TO[state]) driver.step(event);
  return driver;
}

const STATES = Object.keys(TABLE) as State[];
const CELLS = STATES.flatMap((state) =>
  (Object.keys(TABLE[state]) as EventKind[]).map((kind) => ({
    state,
    kind,
    cell: TABLE[state][kind],
  })),
);

test.each(CELLS)('in $state, $kind leads $cell', ({ state, kind, cell }) => {
  const driver = driverIn(state);
  expect(stateOf(driver)).toBe(state);
  if (kind === 'tick') driver.now = 10_000;
  const effects = kinds(driver.effects(EVENTS[kind]));
  const done = effects.length === 0 ? '' : `: ${effects.join(', ')}`;
  expect(`-> ${stateOf(driver)}${done}`).toBe(cell);
});

test('the table has every state and every event', () => {
  expect(CELLS).toHaveLength(6 * Object.keys(EVENTS).length);
});

test('every state of the table is a phase of the machine, seen from outside', () => {
  const phases = STATES.map((state) => driverIn(state).state.source.phase);
  expect(new Set(phases)).toEqual(
    new Set(['idle', 'connecting', 'resetting', 'streaming', 'waiting']),
  );
});
