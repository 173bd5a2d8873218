/** What /v1/status and the metrics show, from the coordinator's own view. */
import { type CoordinatorView, inspect } from '../coordinator/inspect.ts';
import type { EngineStatus, SourceState } from './api.ts';
import type { EngineCore } from './core.ts';
import type { Snapshots } from './snapshots.ts';
import type { SourceDriver } from './source-driver.ts';
import type { Tombstones } from './tombstones.ts';

/** What fills the log, as far as it tells of itself. */
export type StatusSource = Pick<
  SourceDriver,
  'tableStates' | 'counters' | 'retainedWalBytes' | 'lagBytes'
>;

export function statusOf(parts: {
  readonly core: EngineCore;
  readonly driver: StatusSource;
  readonly snapshots: Snapshots;
  readonly tombstones: Tombstones;
  readonly slot: string;
}): EngineStatus {
  const { core, driver, snapshots, tombstones, slot } = parts;
  const view = core.look(inspect);
  const { source, log } = view;
  const wallMs = core.clock.wallMicros() / 1000;
  const { changes, redelivered } = driver.counters;
  return {
    timeline: view.timeline,
    source: {
      state: stateOf(source),
      since: new Date(wallMs - (core.clock.now() - source.since)).toISOString(),
      ...(source.reason === undefined ? {} : { reason: source.reason }),
      attempts: source.attempts,
      retainedWalBytes: driver.retainedWalBytes,
      slot,
      lagBytes: driver.lagBytes,
    },
    log: {
      upper: log.upper,
      since: log.since,
      sizeBytes: core.tail.store.sizeBytes,
      groups: log.groups,
      state: log.state,
      ...(log.reason === undefined ? {} : { reason: log.reason }),
      confirmed: source.confirmed,
    },
    tables: driver.tableStates,
    leases: view.leases.map(({ replica, ts, expiresAt }) => ({
      replica,
      ts,
      expiresInS: Math.max(0, Math.round((expiresAt - view.now) / 1000)),
    })),
    subscribers: view.subscribers.total,
    counters: {
      ...{ transactions: core.transactions, changes, redelivered, snapshots: snapshots.count },
      tombstones: tombstones.collected,
    },
    lastCommitLagS: core.lastCommitLagS,
  };
}

function stateOf({ phase, trouble }: CoordinatorView['source']): SourceState {
  switch (phase) {
    case 'streaming':
      return 'streaming';
    case 'resetting':
      return 'resyncing';
    case 'waiting':
      if (trouble === 'slotBusy') return 'slot_busy';
      return trouble === 'unfit' ? 'unfit' : 'down';
    default:
      return 'starting';
  }
}
