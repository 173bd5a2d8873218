/**
 * What the coordinator remembers. Plain data, changed only by `step`.
 *
 * Items carry their frontiers as numbers and holds are entries with an owner, so that views and sinks can
 * later be further owners of the same kinds of entries.
 */
import { assert } from '../core/assert.ts';
import type { Lsn, Ts } from '../core/lsn.ts';
import { LSN_ZERO } from '../core/lsn.ts';
import type { SortedEntry } from './sorted.ts';
import type { HoldId, Policy, SourcePhase, SubscriberId, WaitId } from './types.ts';

/** No timer is needed. */
export const NEVER = Number.POSITIVE_INFINITY;
/**
 * An idle source is noted (an fsync) and confirmed at most this often. It also bounds how long Postgres waits
 * for us when it is shut down.
 */
export const NOTE_UPPER_MS = 1000;
/** Retention looks at the holds at most this often. */
export const RETENTION_MS = 1000;
/** Over the byte limit, this share of it is freed at once, so that not every append looks at all holds. */
export const LOG_BYTES_SLACK = 1 / 16;
/** A replica beyond this number gets no lease. */
export const LEASES_MAX = 100_000;
/** Renewed leases are stored at most this often, and at most so many at once. */
export const LEASES_STORE_MS = 5000;
export const LEASES_STORED_MAX = 2000;
/** Connected replicas count as heard of; that is noted (and stored) so often within the time of a lease. */
export const LEASE_RENEWALS = 16;
/**
 * After a restart everything stays for this part of a lease's time, and for `RESTART_HOLD_MS_MAX` at most: the
 * machine's crash may have undone the storing of the last leases.
 */
export const RESTART_HOLD_SHARE = 1 / 16;
export const RESTART_HOLD_MS_MAX = 60_000;
/** A wait beyond this number ends `busy`. */
export const WAITS_MAX = 10_000;

/** Why the source is waited for. `unfit`: only an operator can mend it. */
export type SourceTrouble = 'lost' | 'unfit' | 'slotBusy';

export type SourceRecord = {
  phase: SourcePhase;
  /** `now` at which the phase began. */
  phaseSince: number;
  /** Why the source was lost or the history restarted, while that matters. */
  reason: string | undefined;
  trouble: SourceTrouble | undefined;
  /** Failed attempts since a stream last delivered something. */
  attempts: number;
  /** New histories since then: the second one in a row waits before it connects. */
  histories: number;
  /** When to connect again, in phase `waiting`. */
  retryAt: number;
  /** Where the slot stands, zero before the first connect. Never beyond the log's upper. */
  confirmed: Lsn;
  isPaused: boolean;
};

export type HistoryRecord = {
  /** Null before the first history, and between the end of one and the start of the next. */
  timeline: string | null;
  systemId: string | null;
  walTimeline: number;
  generation: number;
  /** Why the history is over, until a new one stands. */
  breakReason: string | undefined;
  /** What becomes of `systemId` and `walTimeline` when the pending reset or stream start has worked. */
  next: { readonly systemId: string; readonly walTimeline: number } | null;
};

export type GroupRecord = {
  readonly seq: number;
  readonly lastTs: Ts;
  readonly sizeBytes: number;
  /** `now` at its append, or that of its last member; groups from before a restart count from the start. */
  at: number;
};

export type LogRecord = {
  state: 'ok' | 'failed';
  reason: string | undefined;
  retryAt: number;
  /** Durable: everything at or before it is in the log or concerns nobody. */
  upper: Ts;
  since: Ts;
  sizeBytes: number;
  /** Oldest first; those before `head` are purged. */
  groups: GroupRecord[];
  head: number;
  /** The last complete transaction. */
  lastTs: Ts;
  /** The last transaction that concerns everybody; as at open, not later than that. */
  newestForAll: Ts;
  /** What the parts of a large transaction touched so far, until its last part is here. */
  readonly openSelectors: Set<string>;
  hasOpenAll: boolean;
};

/** A position that a keepalive brought and that is not durable yet. */
export type NoteRecord = {
  /** The highest position heard of; zero when there is none beyond the upper. */
  pending: Lsn;
  /** A `noteUpper` that was not answered yet. */
  inFlight: Lsn | null;
  /** `now` of the last note. */
  at: number;
};

export type SubscriberRecord = {
  readonly id: SubscriberId;
  readonly selectors: readonly string[];
  readonly replica: string | undefined;
  /** It lacks nothing up to here. */
  position: Ts;
  isWaiting: boolean;
};

/** One selector that somebody subscribed to. Removed with its last subscriber. */
export type SelectorRecord = {
  /** Nothing for this selector was appended after this. */
  newest: Ts;
  subscriberCount: number;
  readonly waiting: Set<SubscriberId>;
};

export type LeaseRecord = {
  readonly replica: string;
  readonly ts: Ts;
  readonly expiresAt: number;
  /** The log was cut beyond it: the replica must copy anew. */
  isBroken: boolean;
};

export type HoldRecord = { readonly id: HoldId; readonly ts: Ts; isBroken: boolean };

export type CoordinatorState = {
  readonly policy: Policy;
  now: number;
  isDraining: boolean;
  /** When the timer that was asked for runs out. */
  timerAt: number;
  readonly source: SourceRecord;
  readonly history: HistoryRecord;
  readonly log: LogRecord;
  readonly note: NoteRecord;
  readonly subscribers: Map<SubscriberId, SubscriberRecord>;
  readonly waitingSubscribers: Set<SubscriberId>;
  readonly selectors: Map<string, SelectorRecord>;
  /** In the order in which the replicas were last heard of, so the first expires first. */
  readonly leases: Map<string, LeaseRecord>;
  /** No lease expires before this. */
  leaseDueAt: number;
  /** Number of subscribers by replica; connected replicas count as heard of. */
  readonly connectedReplicas: Map<string, number>;
  readonly holds: Map<HoldId, HoldRecord>;
  /** Replicas whose leases are not stored as they are: those for which too little is promised, and the others. */
  readonly leaseStore: {
    readonly urgent: Set<string>;
    readonly changed: Set<string>;
    /** `now` of the last batch. */
    storedAt: number;
    /** When connected replicas are noted as heard of. */
    renewAt: number;
  };
  /** What is not stored yet when a machine crashes may come back for a while. Null when that time is over. */
  restartHold: { ts: Ts; expiresAt: number } | null;
  /** `lastRun` of retention, and whether a hold kept it from purging (it waits for the holds to move then). */
  readonly retention: { lastRun: number; isBlocked: boolean };
  readonly waits: Map<WaitId, { readonly ts: Ts; readonly deadline: number }>;
  readonly waitsByTs: SortedEntry[];
  readonly waitsByDeadline: SortedEntry[];
};

/** The log as it was found at open. */
export type LogAtOpen = {
  /** Null before the first history. */
  readonly timeline: string | null;
  readonly systemId: string | null;
  readonly walTimeline: number;
  readonly generation: number;
  readonly upper: Ts;
  readonly since: Ts;
  readonly groups: readonly Omit<GroupRecord, 'at'>[];
};

/** The state before the first event. Throws when the policy makes no sense (it was validated as configuration). */
export function createCoordinator(init: {
  readonly policy: Policy;
  readonly log: LogAtOpen;
}): CoordinatorState {
  checkPolicy(init.policy);
  return {
    policy: init.policy,
    now: 0,
    isDraining: false,
    timerAt: NEVER,
    source: newSource(),
    history: {
      timeline: init.log.timeline,
      systemId: init.log.systemId,
      walTimeline: init.log.walTimeline,
      generation: init.log.generation,
      breakReason: undefined,
      next: null,
    },
    log: newLog(init.log),
    note: { pending: LSN_ZERO, inFlight: null, at: Number.NEGATIVE_INFINITY },
    subscribers: new Map(),
    waitingSubscribers: new Set(),
    selectors: new Map(),
    leases: new Map(),
    leaseDueAt: NEVER,
    connectedReplicas: new Map(),
    holds: new Map(),
    leaseStore: {
      ...{ urgent: new Set(), changed: new Set() },
      ...{ storedAt: Number.NEGATIVE_INFINITY, renewAt: NEVER },
    },
    restartHold: null,
    retention: { lastRun: Number.NEGATIVE_INFINITY, isBlocked: false },
    waits: new Map(),
    waitsByTs: [],
    waitsByDeadline: [],
  };
}

function checkPolicy(policy: Policy): void {
  assert(policy.leaseS > 0, 'a lease lasts some time');
  assert(policy.keepS >= 0, 'the age that is kept is not negative');
  assert(policy.reconnectMsMin > 0, 'a reconnect waits some time');
  assert(policy.reconnectMsMax >= policy.reconnectMsMin, 'the longest delay is not the shortest');
  assert(policy.appendRetryMs > 0, 'an append is not retried at once');
}

function newSource(): SourceRecord {
  return {
    phase: 'idle',
    phaseSince: 0,
    reason: undefined,
    trouble: undefined,
    attempts: 0,
    histories: 0,
    retryAt: NEVER,
    confirmed: LSN_ZERO,
    isPaused: false,
  };
}

function newLog(log: LogAtOpen): LogRecord {
  const groups = log.groups.map((group) => ({ ...group, at: 0 }));
  const lastTs = groups.at(-1)?.lastTs ?? log.since;
  return {
    state: 'ok',
    reason: undefined,
    retryAt: NEVER,
    upper: log.upper,
    since: log.since,
    sizeBytes: groups.reduce((sum, group) => sum + group.sizeBytes, 0),
    groups,
    head: 0,
    lastTs,
    newestForAll: lastTs,
    openSelectors: new Set(),
    hasOpenAll: false,
  };
}
