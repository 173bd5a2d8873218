/** A run database as an engine of its own: log, feeds, snapshots and digests like those of a Postgres. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { TidelockError } from '../../core/errors.ts';
import { openLogStore } from '../../sqlite/log-store.ts';
import type { Clock } from '../clock.ts';
import { EngineCore } from '../core.ts';
import { DEFAULT_POLICY } from '../engine.ts';
import { LiveEngine } from '../live-engine.ts';
import { RowLog } from '../row-log.ts';
import { Snapshots } from '../snapshots.ts';
import { type FollowedRuns, RunSource } from './run-source.ts';

const TAIL_BYTES_MAX = 8 * 1024 * 1024;
const SNAPSHOT_WAIT_MS_MAX = 60_000;

export type RunEngineOptions = {
  /** Folder of the log, which only this process has; it need not outlive the machine. */
  readonly dir: string;
  readonly clock: Clock;
  readonly runs: FollowedRuns;
  readonly onNotice: (notice: string) => void;
};

/** Throws what opening the log throws: `LOG_IN_USE` while another process follows the same database. */
export async function openRunEngine(options: RunEngineOptions): Promise<LiveEngine> {
  const { dir, clock, runs, onNotice } = options;
  mkdirSync(dir, { recursive: true });
  const core = new EngineCore({
    ...{ log: openLogStore({ dir: join(dir, 'log') }), clock },
    policy: DEFAULT_POLICY,
    tailBytesMax: TAIL_BYTES_MAX,
  });
  const source = new RunSource(core, runs);
  const exact = {
    ...{ core, url: '', waitMsMax: SNAPSHOT_WAIT_MS_MAX },
    openRows: async () => source.openRows(),
    tables: () => source.tables,
    serverStart: () => source.serverStart,
  };
  const snapshots = await Snapshots.open({ ...exact, dir: join(dir, 'snapshots') });
  core.start(source);
  return new LiveEngine({
    ...{ core, driver: source, source: exact, snapshots, rows: new RowLog(exact) },
    uploads: { apply: refuse, close: async () => undefined },
    options: { slot: 'runs', onNotice },
  });
}

function refuse(): never {
  throw new TidelockError({
    code: 'BAD_REQUEST',
    message: 'the tables of runs are written by the run manager only',
    hint: 'send writes to /runs/v1/call',
  });
}
