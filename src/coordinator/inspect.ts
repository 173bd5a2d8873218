/** A plain view of the coordinator for status pages and scripts. Looks at everything: not for hot paths. */
import type { Lsn, Ts } from '../core/lsn.ts';
import { policyHold } from './retention.ts';
import type { CoordinatorState, SourceTrouble } from './state.ts';
import type { SourcePhase } from './types.ts';

/** Who keeps the log from being cut, and from where on. */
export type HoldView = {
  readonly kind: 'policy' | 'restart' | 'lease' | 'snapshot' | 'subscriber';
  readonly owner: string;
  readonly ts: Ts;
  /** `broken`: the byte limit cut the log beyond it. */
  readonly state: 'held' | 'broken';
};

export type LeaseView = {
  readonly replica: string;
  readonly ts: Ts;
  readonly state: 'held' | 'broken';
  /** On the same clock as `now`; later while a subscriber of the replica is connected. */
  readonly expiresAt: number;
  readonly isConnected: boolean;
};

export type CoordinatorView = {
  readonly now: number;
  readonly timeline: string | null;
  readonly generation: number;
  readonly isDraining: boolean;
  readonly source: {
    readonly phase: SourcePhase;
    /** `now` at which the phase began. */
    readonly since: number;
    readonly reason: string | undefined;
    readonly trouble: SourceTrouble | undefined;
    readonly attempts: number;
    readonly confirmed: Lsn;
  };
  readonly log: {
    readonly state: 'ok' | 'failed';
    readonly reason: string | undefined;
    readonly upper: Ts;
    readonly since: Ts;
    readonly sizeBytes: number;
    readonly groups: number;
  };
  readonly subscribers: { readonly total: number; readonly waiting: number };
  readonly leases: readonly LeaseView[];
  /** Every hold, named. The lowest one that is held is where the log may be cut. */
  readonly holds: readonly HoldView[];
  readonly waits: readonly { readonly id: number; readonly ts: Ts; readonly deadline: number }[];
};

/** Describes the state as it is now. */
export function inspect(state: CoordinatorState): CoordinatorView {
  const { source, log } = state;
  return {
    now: state.now,
    timeline: state.history.timeline,
    generation: state.history.generation,
    isDraining: state.isDraining,
    source: {
      phase: source.phase,
      since: source.phaseSince,
      reason: source.reason,
      trouble: source.trouble,
      attempts: source.attempts,
      confirmed: source.confirmed,
    },
    log: {
      state: log.state,
      reason: log.reason,
      upper: log.upper,
      since: log.since,
      sizeBytes: log.sizeBytes,
      groups: log.groups.length - log.head,
    },
    subscribers: { total: state.subscribers.size, waiting: state.waitingSubscribers.size },
    leases: leaseViews(state),
    holds: holdViews(state),
    waits: [...state.waits].map(([id, wait]) => ({ id, ...wait })),
  };
}

function leaseViews(state: CoordinatorState): LeaseView[] {
  return [...state.leases.values()].map((lease) => ({
    replica: lease.replica,
    ts: lease.ts,
    state: stateOf(lease),
    expiresAt: lease.expiresAt,
    isConnected: state.connectedReplicas.has(lease.replica),
  }));
}

function holdViews(state: CoordinatorState): HoldView[] {
  const views: HoldView[] = [
    { kind: 'policy', owner: 'policy', ts: policyHold(state), state: 'held' },
  ];
  const { restartHold } = state;
  if (restartHold !== null) {
    views.push({ kind: 'restart', owner: 'restart', ts: restartHold.ts, state: 'held' });
  }
  for (const lease of state.leases.values()) {
    views.push({ kind: 'lease', owner: lease.replica, ts: lease.ts, state: stateOf(lease) });
  }
  for (const hold of state.holds.values()) {
    views.push({ kind: 'snapshot', owner: hold.id, ts: hold.ts, state: stateOf(hold) });
  }
  for (const { id, position, isWaiting } of state.subscribers.values()) {
    if (!isWaiting) views.push({ kind: 'subscriber', owner: `${id}`, ts: position, state: 'held' });
  }
  return views;
}

function stateOf(hold: { readonly isBroken: boolean }): 'held' | 'broken' {
  return hold.isBroken ? 'broken' : 'held';
}
