/** Content of this process as an engine of its own: log, feeds, snapshots and digests like those of a Postgres. */
import { mkdirSync } from 'node:fs';
import type { TidelockError } from '../../core/errors.ts';
import { openLogStore } from '../../sqlite/log-store.ts';
import type { Clock } from '../clock.ts';
import { EngineCore } from '../core.ts';
import { DEFAULT_POLICY } from '../engine.ts';
import { LiveEngine } from '../live-engine.ts';
import { RowLog } from '../row-log.ts';
import { Snapshots } from '../snapshots.ts';
import type { LocalSource } from './local-source.ts';

const TAIL_BYTES_MAX = 8 * 1024 * 1024;
const SNAPSHOT_WAIT_MS_MAX = 60_000;

/** In a folder that only this process has and that need not outlive the machine. Throws what opening the log throws. */
export function openLocalCore(logDir: string, clock: Clock): EngineCore {
  mkdirSync(logDir, { recursive: true });
  return new EngineCore({
    ...{ log: openLogStore({ dir: logDir }), clock },
    policy: DEFAULT_POLICY,
    tailBytesMax: TAIL_BYTES_MAX,
  });
}

export type LocalEngineOptions = {
  readonly core: EngineCore;
  readonly source: LocalSource;
  readonly snapshotsDir: string;
  /** What replicas that write are told. */
  readonly refusal: () => TidelockError;
  readonly onNotice: (notice: string) => void;
};

export async function openLocalEngine(options: LocalEngineOptions): Promise<LiveEngine> {
  const { core, source, snapshotsDir, refusal, onNotice } = options;
  const exact = {
    ...{ core, url: '', waitMsMax: SNAPSHOT_WAIT_MS_MAX },
    openRows: async () => source.openRows(),
    tables: () => source.tables,
    serverStart: () => source.serverStart,
  };
  const snapshots = await Snapshots.open({ ...exact, dir: snapshotsDir });
  core.start(source);
  const refuse = (): never => {
    throw refusal();
  };
  return new LiveEngine({
    ...{ core, driver: source, source: exact, snapshots, rows: new RowLog(exact) },
    uploads: { apply: refuse, close: async () => undefined },
    options: { slot: source.serverStart, onNotice },
  });
}
