/**
 * The planner: one function that is told what happened in a run and says what to do. Same events, same effects. It
 * knows no clock, no randomness and no input or output; an event costs what it changes.
 */
import { compilePatterns, matches } from '../area/patterns.ts';
import { assert, unreachable } from '../core/assert.ts';
import { checkStep } from './invariants.ts';
import { isOverloaded, launchReady } from './launch.ts';
import { linkAll, unlinkWhole } from './leaves.ts';
import {
  fixTest,
  isMet,
  linkPending,
  reconsider,
  reconsiderTest,
  setPair,
  settle,
  settleTest,
  tellAll,
} from './progress.ts';
import { comeBack, freeTaken, putOff, release, take } from './queue.ts';
import type { StatePair } from './rows.ts';
import { addItems, beginLeaf, measureAdded, register, rowOf, startPlan } from './start.ts';
import {
  inputOf,
  isUnexpanded,
  type Leaf,
  type PlannerState,
  STALL_MS,
  STRIKES_MAX,
  type TestNode,
} from './state.ts';
import { isActive, isTerminal, isWaiting } from './states.ts';
import type { PlannerEffect, PlannerEvent } from './types.ts';

type Out = PlannerEffect[];
type EventOf<K extends PlannerEvent['kind']> = Extract<PlannerEvent, { kind: K }>;

/**
 * Takes one event, changes `state`, returns what to do, in order. Throws a `TidelockError` only for a `start` that
 * cannot be planned (BAD_REQUEST, AREA_UNFIT); executions that are not planned are ignored.
 */
export function step(state: PlannerState, event: PlannerEvent): readonly PlannerEffect[] {
  const out: Out = [];
  if (state.input === null && event.kind !== 'start') {
    keepForStart(state, event);
    return out;
  }
  if (event.at > state.now) state.now = event.at;
  if (state.wakeAt <= state.now) state.wakeAt = 0;
  handle(state, event, out);
  tellAll(state, out);
  const nextBack = comeBack(state);
  launchReady(state, out);
  giveUpStalled(state, out);
  wake(state, nextBack, out);
  finish(state, out);
  checkStep(state, out);
  return out;
}

/** What comes while the area is still being read counts from the start on. Of hosts the last one does. */
function keepForStart(state: PlannerState, event: PlannerEvent): void {
  if (event.kind === 'host') state.early = state.early.filter(({ kind }) => kind !== 'host');
  if (event.kind !== 'clock') state.early.push(event);
}

function handle(state: PlannerState, event: PlannerEvent, out: Out): void {
  switch (event.kind) {
    case 'start':
      assert(state.input === null, 'start comes once');
      state.busyAt = state.now;
      startPlan(state, event.input, out);
      for (const early of state.early.splice(0)) handle(state, early, out);
      break;
    case 'expanded':
      expanded(state, event, out);
      break;
    case 'entered':
      entered(state, event.exec, { state: event.state, status: event.status }, out);
      break;
    case 'host':
      host(state, event);
      break;
    case 'clock':
      break;
    case 'kill':
      kill(state, event.pattern, out);
      break;
    case 'force':
      force(state, event, out);
      break;
    default:
      unreachable(event);
  }
}

function host(state: PlannerState, { load, slots, exclusive }: EventOf<'host'>): void {
  state.host = { load, slots, elsewhere: new Set(exclusive) };
  freeTaken(state);
  const { waitDelayS } = inputOf(state).area;
  if (!isOverloaded(state)) return;
  state.launchNotBefore = Math.max(state.launchNotBefore, state.now + waitDelayS * 1000);
}

/** The items of a late test. What is answered to a test that is no longer asked is ignored. */
function expanded(
  state: PlannerState,
  { test: name, items, reason }: EventOf<'expanded'>,
  out: Out,
): void {
  const test = state.tests.get(name);
  if (test === undefined || test.items !== 'asked' || test.fixed !== null) return;
  if (items === null || items.length === 0) {
    settleTest(state, test, 'ZERO_ITEMS', reason, out);
    return;
  }
  test.items = 'known';
  state.open -= 1;
  for (const item of items) if (!test.known.has(item.path)) test.known.set(item.path, item);
  addItems(state, test, [...test.known.values()]);
  linkAll(state);
  linkPending(state, test, out);
  beginAdded(state, out);
  state.toTell.add(test);
}

function beginAdded(state: PlannerState, out: Out): void {
  const { added } = state;
  state.added = [];
  register(state, added.map(rowOf), out);
  measureAdded(added);
  for (const leaf of added) beginLeaf(state, leaf, out);
  for (const leaf of added) reconsider(state, leaf, out);
}

/** Whoever reports it: the runner that was told to launch, or another one that did something by itself. */
function entered(state: PlannerState, id: string, pair: StatePair, out: Out): void {
  const leaf = state.leaves.get(id);
  if (leaf === undefined) noteLater(state, id, pair);
  else if (leaf.phase === 'running') runs(state, leaf, pair, out);
  else if (isActive(pair)) adopt(state, leaf, pair);
  else if (isTerminal(pair)) end(state, leaf, pair);
  else if (leaf.phase === 'done') reopen(state, leaf, pair, out);
}

/** It may be an item that is not known yet. */
function noteLater({ existing }: PlannerState, id: string, pair: StatePair): void {
  const old = existing.get(id);
  if (old !== undefined) existing.set(id, { ...old, ...pair });
}

function runs(state: PlannerState, leaf: Leaf, pair: StatePair, out: Out): void {
  if (isActive(pair)) {
    setPair(state, leaf, pair);
    return;
  }
  state.busyAt = state.now;
  release(state, leaf);
  leaf.phase = 'waiting';
  leaf.isKillAsked = false;
  const last = leaf.forced ?? pair;
  leaf.forced = null;
  if (isTerminal(last)) end(state, leaf, last);
  else if (last !== pair) reopen(state, leaf, last, out);
  else strike(state, leaf, pair, out);
}

function adopt(state: PlannerState, leaf: Leaf, pair: StatePair): void {
  leaveQueue(state, leaf);
  setPair(state, leaf, pair);
  take(state, leaf);
}

function end(state: PlannerState, leaf: Leaf, pair: StatePair): void {
  leaveQueue(state, leaf);
  leaf.phase = 'done';
  setPair(state, leaf, pair);
}

function leaveQueue(state: PlannerState, leaf: Leaf): void {
  if (leaf.phase === 'ready') state.readyCount -= 1;
  state.taken.delete(leaf);
}

/** It runs again, when its prerequisites still are met. */
function reopen(state: PlannerState, leaf: Leaf, pair: StatePair, out: Out): void {
  leaf.phase = 'waiting';
  leaf.note = 'set back';
  setPair(state, leaf, pair);
  state.isDone = false;
  reconsider(state, leaf, out);
}

function strike(state: PlannerState, leaf: Leaf, pair: StatePair, out: Out): void {
  setPair(state, leaf, pair);
  leaf.strikes += 1;
  if (leaf.strikes >= STRIKES_MAX) {
    settle(state, leaf, 'TEN_STRIKES', `its launch was put off ${STRIKES_MAX} times`, out);
  } else if (isMet(leaf)) {
    putOff(state, leaf);
  } else {
    reconsider(state, leaf, out);
  }
}

function kill(state: PlannerState, text: string, out: Out): void {
  const patterns = compilePatterns(text);
  const reason = 'killed before it started';
  for (const test of state.tests.values()) {
    if (isUnexpanded(test) && matches(patterns, test.id, '')) {
      settleTest(state, test, 'BLOCKED', reason, out);
    }
    for (const leaf of test.leaves.values()) {
      if (!matches(patterns, test.id, leaf.item?.path ?? '')) continue;
      if (leaf.phase === 'running') askToKill(leaf, out);
      else if (leaf.phase !== 'done') settle(state, leaf, 'BLOCKED', reason, out);
    }
  }
}

function askToKill(leaf: Leaf, out: Out): void {
  if (leaf.isKillAsked) return;
  leaf.isKillAsked = true;
  out.push({ kind: 'kill', exec: leaf.id });
}

/** A user has set a state. What runs is killed first: its slot is free, and dependents start, when it is gone. */
function force(state: PlannerState, { exec, to }: EventOf<'force'>, out: Out): void {
  const leaf = state.leaves.get(exec);
  if (leaf === undefined || isActive(to)) {
    const test = state.tests.get(exec);
    if (leaf === undefined && test !== undefined) forceTest(state, test, to, out);
    else if (leaf === undefined) noteLater(state, exec, to);
    return;
  }
  if (leaf.phase === 'running') {
    leaf.forced = to;
    askToKill(leaf, out);
  } else if (isTerminal(to)) {
    end(state, leaf, to);
    leaf.note = 'set by a user';
  } else if (leaf.phase === 'done') {
    reopen(state, leaf, to, out);
  }
}

/** A test whose items are not known may be given a result, or be set back. Others follow from their items. */
function forceTest(state: PlannerState, test: TestNode, to: StatePair, out: Out): void {
  if (isUnexpanded(test) && isTerminal(to)) {
    fixTest(state, test, to, out);
  } else if (test.fixed !== null && isWaiting(to) && test.def.items.kind === 'late') {
    test.fixed = null;
    test.items = 'late';
    state.open += 1;
    state.isDone = false;
    unlinkWhole(test);
    for (const { leaf } of test.pending) reconsider(state, leaf, out);
    state.toTell.add(test);
    reconsiderTest(state, test, out);
  }
}

/** Nothing has run for very long although something could: it is given up. */
function giveUpStalled(state: PlannerState, out: Out): void {
  if (state.held.running > 0) state.busyAt = state.now;
  if (!couldStart(state) || state.now - state.busyAt < STALL_MS) return;
  for (const leaf of state.leaves.values()) {
    if (leaf.phase !== 'ready' && leaf.phase !== 'putOff') continue;
    settle(state, leaf, 'TIMED_OUT', 'nothing could run for a day', out);
  }
  state.busyAt = state.now;
  tellAll(state, out);
  launchReady(state, out);
}

function couldStart(state: PlannerState): boolean {
  return state.readyCount > 0 || state.putOff.size > 0;
}

function wake(state: PlannerState, nextBack: number, out: Out): void {
  const times = nextBack > state.now ? [nextBack] : [];
  if (state.readyCount > 0 && state.launchNotBefore > state.now) times.push(state.launchNotBefore);
  if (couldStart(state) && state.held.running === 0) times.push(state.busyAt + STALL_MS);
  if (times.length === 0) return;
  const at = Math.min(...times);
  if (state.wakeAt > 0 && state.wakeAt <= at) return;
  state.wakeAt = at;
  out.push({ kind: 'wake', at });
}

function finish(state: PlannerState, out: Out): void {
  if (state.isDone || state.open > 0 || state.input === null) return;
  state.isDone = true;
  out.push({ kind: 'done' });
}
