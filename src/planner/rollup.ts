/**
 * What the toplevel of a test with items shows, from counts of its items by `STATE/STATUS`. Counts are kept by
 * whoever changes an item, so a change costs the number of different pairs, never the number of items.
 */
import type { StateStatus } from '../area/types.ts';
import type { State, StatePair, Status } from './rows.ts';
import { FRESH, isActive, isWaiting } from './states.ts';

/** How many items are at `STATE/STATUS`; pairs that nobody is at are left out. */
export type Counts = Record<string, number>;

/** Worst first. An unknown text is less than any. */
const STATUS_RANKS: readonly Status[] = [
  ...['ABORT', 'KILLED', 'FAILED TO KILL', 'DEAD', 'INCOMPLETE', 'FAIL', 'STUCK/DEAD'],
  ...['CHECK', 'WAIVED', 'WARN', 'PASS', 'SKIP', 'n/a'],
  ...['PREQ_FAIL', 'PREQ_DISCARDED', 'TEN_STRIKES', 'TIMED_OUT', 'BLOCKED', 'ZERO_ITEMS'],
];
const RANK = new Map(STATUS_RANKS.map((status, at) => [status, STATUS_RANKS.length - at]));

/** What an item's state hides when its status looks better. */
const FLOORS: Readonly<Partial<Record<State, Status>>> = {
  KILLED: 'KILLED',
  INCOMPLETE: 'INCOMPLETE',
  STUCK: 'STUCK/DEAD',
};
/** A status at least as bad as this speaks for itself. */
const BAD_FROM = rankOf('STUCK/DEAD');

/** Of items that have ended without completing, worst first. */
const STATE_RANKS: readonly State[] = ['REMOVING', 'KILLED', 'INCOMPLETE', 'STUCK'];

export function keyOf({ state, status }: StateStatus): string {
  return `${state}/${status}`;
}

/** A status may contain `/`, a state does not. */
export function pairOf(key: string): StatePair {
  const at = key.indexOf('/');
  return { state: key.slice(0, at) as State, status: key.slice(at + 1) };
}

/** Moves one item from `from` to `to`; null: it comes or goes. Changes `counts`. */
export function recount(counts: Counts, from: StateStatus | null, to: StateStatus | null): void {
  if (from !== null) {
    const key = keyOf(from);
    const left = (counts[key] ?? 0) - 1;
    if (left > 0) counts[key] = left;
    else delete counts[key];
  }
  if (to !== null) counts[keyOf(to)] = (counts[keyOf(to)] ?? 0) + 1;
}

export function countsOf(items: Iterable<StateStatus>): Counts {
  const counts: Counts = {};
  for (const item of items) recount(counts, null, item);
  return counts;
}

/** NOT_STARTED/n/a without items. Items that are DELETED count for nothing, unless all are. */
export function rollUp(counts: Readonly<Counts>): StatePair {
  const all = Object.keys(counts).map(pairOf);
  const pairs = all.filter(({ state }) => state !== 'DELETED');
  if (pairs.length === 0) return all.length === 0 ? FRESH : worstOf(all, 'DELETED');
  if (pairs.every((pair) => isWaiting(pair))) return FRESH;
  if (pairs.some((pair) => isActive(pair))) return worstOf(pairs, 'RUNNING');
  if (pairs.some((pair) => isWaiting(pair))) return { state: 'NOT_STARTED', status: 'CHECK' };
  if (pairs.every(isNeverStarted)) return worstOf(pairs, 'NOT_STARTED');
  if (pairs.every(({ state }) => state === 'ARCHIVED')) return worstOf(pairs, 'ARCHIVED');
  const worst = STATE_RANKS.find((state) => pairs.some((pair) => pair.state === state));
  return worstOf(pairs, worst ?? 'COMPLETED', pairs.some(isNeverStarted) ? 'CHECK' : undefined);
}

function isNeverStarted({ state, status }: StatePair): boolean {
  return state === 'NOT_STARTED' && !isWaiting({ state, status });
}

/** The worst status, and not better than `floor`. Among unknown texts the first by name. */
function worstOf(pairs: readonly StatePair[], state: State, floor?: Status): StatePair {
  const statuses = pairs.map((pair) =>
    isNeverStarted(pair) && floor !== undefined ? floor : statusOf(pair),
  );
  if (floor !== undefined) statuses.push(floor);
  const [worst = 'n/a'] = statuses.sort(byRank);
  return { state, status: worst };
}

function byRank(a: Status, b: Status): number {
  return rankOf(b) - rankOf(a) || (a < b ? -1 : 1);
}

/** Whether one status is worse than another. */
export function isWorse(status: Status, than: Status): boolean {
  return rankOf(status) > rankOf(than);
}

function rankOf(status: Status): number {
  return RANK.get(status) ?? 0;
}

function statusOf({ state, status }: StatePair): Status {
  const floor = FLOORS[state];
  return floor === undefined || rankOf(status) >= BAD_FROM ? status : floor;
}
