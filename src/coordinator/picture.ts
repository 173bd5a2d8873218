/**
 * Who reads, and who keeps the log: for people who look at it. Lists are bounded, with those that are furthest
 * behind first; the cost is one look at everything.
 */
import type { Ts } from '../core/lsn.ts';
import { EVERYONE } from '../core/selector.ts';
import { type HoldView, inspect, type LeaseView } from './inspect.ts';
import type { CoordinatorState, SubscriberRecord } from './state.ts';

export type ReaderView = {
  readonly id: number;
  readonly replica: string | undefined;
  /** The first few of them, sorted. */
  readonly selectors: readonly string[];
  readonly selectorCount: number;
  readonly position: Ts;
  /** It has everything that there is for it. */
  readonly isWaiting: boolean;
};

export type ReplicaView = LeaseView & {
  /** What it was sent while it is connected, else what it confirmed. */
  readonly position: Ts;
  readonly isCaughtUp: boolean;
};

export type CoordinatorPicture = {
  readonly now: number;
  readonly keepS: number;
  readonly logBytesMax: number;
  readonly upper: Ts;
  readonly since: Ts;
  readonly readers: readonly ReaderView[];
  readonly readerCount: number;
  readonly readersBehind: number;
  readonly leases: readonly ReplicaView[];
  readonly connectedLeases: number;
  /** The lowest first; what is broken holds nothing. */
  readonly holds: readonly HoldView[];
  readonly holdCount: number;
};

/** Selectors named of one reader. */
const SELECTORS_NAMED = 8;

export function pictureOf(state: CoordinatorState, rowsMax: number): CoordinatorPicture {
  const { now, log, leases, holds } = inspect(state);
  const readers = [...state.subscribers.values()];
  const replicas = replicaViews(leases, readers, log.upper);
  return {
    now,
    keepS: state.policy.keepS,
    logBytesMax: state.policy.logBytesMax,
    upper: log.upper,
    since: log.since,
    readers: lowest(readers, rowsMax, lagOrder(log.upper)).map(readerView),
    readerCount: readers.length,
    readersBehind: readers.length - state.waitingSubscribers.size,
    leases: lowest(replicas, rowsMax, ({ position, isCaughtUp }) =>
      isCaughtUp ? log.upper + 1 : position,
    ),
    connectedLeases: state.connectedReplicas.size,
    holds: lowest(holds, rowsMax, ({ ts, state: held }) => (held === 'broken' ? Infinity : ts)),
    holdCount: holds.length,
  };
}

/** Connected readers that read any of these selectors, or all when one of them is for everybody. */
export function readersOf(
  state: CoordinatorState,
  selectors: readonly string[],
  rowsMax: number,
): readonly ReaderView[] {
  const found: ReaderView[] = [];
  for (const reader of state.subscribers.values()) {
    const isOne =
      selectors.includes(EVERYONE) || reader.selectors.some((one) => selectors.includes(one));
    if (isOne) found.push(readerView(reader));
    if (found.length >= rowsMax) break;
  }
  return found;
}

function replicaViews(
  leases: readonly LeaseView[],
  readers: readonly SubscriberRecord[],
  upper: Ts,
): readonly ReplicaView[] {
  const byReplica = new Map(readers.map((reader) => [reader.replica, reader]));
  return leases.map((lease) => {
    const reader = byReplica.get(lease.replica);
    const position = Math.max(lease.ts, reader?.position ?? 0) as Ts;
    return { ...lease, position, isCaughtUp: reader?.isWaiting === true || position >= upper };
  });
}

/** Readers that wait lack nothing, wherever they stand. */
function lagOrder(upper: Ts): (reader: SubscriberRecord) => number {
  return ({ position, isWaiting }) => (isWaiting ? upper + 1 : position);
}

function readerView(reader: SubscriberRecord): ReaderView {
  const { id, replica, position, isWaiting } = reader;
  const selectors = reader.selectors.slice(0, SELECTORS_NAMED).sort();
  return {
    ...{ id, replica, selectors, position, isWaiting },
    selectorCount: reader.selectors.length,
  };
}

/** The `max` entries with the lowest rank, in that order. One pass; only candidates are moved. */
function lowest<T>(entries: readonly T[], max: number, rankOf: (entry: T) => number): readonly T[] {
  const found: { readonly entry: T; readonly rank: number }[] = [];
  for (const entry of entries) {
    const rank = rankOf(entry);
    const last = found[max - 1];
    if (last !== undefined && rank >= last.rank) continue;
    let at = found.length;
    while (at > 0 && (found[at - 1]?.rank ?? 0) > rank) at -= 1;
    found.splice(at, 0, { entry, rank });
    if (found.length > max) found.pop();
  }
  return found.map(({ entry }) => entry);
}
