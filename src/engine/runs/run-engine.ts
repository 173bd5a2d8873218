/** A run database as an engine of its own: log, feeds, snapshots and digests like those of a Postgres. */
import { join } from 'node:path';
import { TidelockError } from '../../core/errors.ts';
import type { Clock } from '../clock.ts';
import type { LiveEngine } from '../live-engine.ts';
import { openLocalCore, openLocalEngine } from '../local/local-engine.ts';
import { LocalSource } from '../local/local-source.ts';
import { type FollowedRuns, RunContent } from './run-content.ts';

/** Names the source of all run databases. */
const NAME = 'runs';

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
  const core = openLocalCore(join(dir, 'log'), clock);
  const content = new RunContent(runs, () => clock.wallMicros());
  const source = new LocalSource(core, NAME, content);
  content.listen(() => source.wake());
  const snapshotsDir = join(dir, 'snapshots');
  return openLocalEngine({ core, source, snapshotsDir, refusal, onNotice });
}

function refusal(): TidelockError {
  return new TidelockError({
    code: 'BAD_REQUEST',
    message: 'the tables of runs are written by the run manager only',
    hint: 'send writes to /runs/v1/call',
  });
}
