/** Metrics of the run manager. */
import { Gauge, type Registry } from 'prom-client';
import type { RunsStatus } from '../../protocol/runs.ts';
import type { RunsService } from './service.ts';

const GAUGES: readonly {
  readonly name: string;
  readonly help: string;
  readonly of: (status: RunsStatus) => number;
}[] = [
  {
    name: 'tidelock_runs_sync_age_seconds',
    help: 'Age of the oldest commit of the run database that the durable one does not have',
    of: ({ sync }) => sync.ageMs / 1000,
  },
  {
    name: 'tidelock_runs_sync_age_seconds_max',
    help: 'The highest such age since this process syncs; above 5 the bound was broken',
    of: ({ sync }) => sync.ageMsMax / 1000,
  },
  {
    name: 'tidelock_runs_sync_ok',
    help: '1 while the durable run database follows, 0 when it is cut off or another process syncs',
    of: ({ sync }) => (sync.state === 'following' ? 1 : 0),
  },
  {
    name: 'tidelock_runs_seq',
    help: 'Number of the last change of the run database',
    of: ({ seq }) => seq,
  },
  {
    name: 'tidelock_runs_synced_seq',
    help: 'Number of the last change that the durable run database has',
    of: ({ sync }) => sync.syncedSeq,
  },
  {
    name: 'tidelock_runs_calls_waiting',
    help: 'Calls of other hosts that wait for their turn',
    of: ({ calls }) => calls.waiting,
  },
  {
    name: 'tidelock_runs_calls_refused',
    help: 'Calls that were refused since the start because too many waited',
    of: ({ calls }) => calls.refused,
  },
];

export function registerRuns(registry: Registry, service: RunsService): void {
  for (const { name, help, of } of GAUGES) {
    new Gauge({
      ...{ name, help, registers: [registry] },
      collect() {
        this.set(of(service.status()));
      },
    });
  }
  new Gauge({
    name: 'tidelock_runs_followers',
    help: 'Pages that follow the run database',
    registers: [registry],
    collect() {
      this.set(service.streams.count);
    },
  });
}
