/** Results of the same execution in earlier runs of its target: of this area, then of those in `[refareas]`. */
import { tmpdir } from 'node:os';
import type { Area } from '../../area/types.ts';
import type { RunRow, TestRow } from '../../planner/rows.ts';
import type { NewData, RunStore } from '../../planner/run-store.ts';
import { earlierResultsIn } from '../../sqlite/runs/reference-runs.ts';
import { networkDiskOf, requireLocalDisk } from '../database/disk.ts';
import { placeOf } from '../database/place.ts';
import { hostIdentity } from '../processes/host.ts';
import type { LaunchRecord } from './launch-record.ts';

/** Results of one test that are looked at for the last one of the same target. */
const HISTORY_MAX = 200;

export type EarlierResult = {
  readonly row: Pick<TestRow, 'state' | 'status' | 'comment' | 'runDir'>;
  readonly data: () => readonly NewData[];
};

export type EarlierMeans = {
  readonly store: RunStore;
  readonly references: Area['settings']['referenceAreas'];
};

/** The newest of this area first; those of other areas behind all of them. They are only asked when they are looked at. */
export function* earlierResults(
  { store, references }: EarlierMeans,
  record: LaunchRecord,
): Generator<EarlierResult> {
  for (const row of ownResults(store, record)) {
    yield { row, data: () => store.read({ kind: 'data', testId: row.id }).data ?? [] };
  }
  const { target, test, itemPath } = record.place;
  for (const { path } of references) {
    const found = earlierResultsIn(durableFileOf(path), {
      ...{ target, test, itemPath, limit: HISTORY_MAX },
    });
    for (const { row, data } of found) yield { row, data: () => data };
  }
}

function durableFileOf(area: string): string {
  const { durableFile } = placeOf({ area, tempDir: tmpdir(), identity: hostIdentity() });
  requireLocalDisk(durableFile, networkDiskOf, 'take that area out of [refareas]');
  return durableFile;
}

function ownResults(store: RunStore, record: LaunchRecord): readonly TestRow[] {
  const { test: name, itemPath, target } = record.place;
  const history = store.read({ kind: 'history', name, itemPath, limit: HISTORY_MAX }).tests ?? [];
  const others = history.filter(({ runId }) => runId !== record.runId);
  const ids = [...new Set(others.map(({ runId }) => runId))];
  const runs: readonly RunRow[] =
    ids.length === 0 ? [] : (store.read({ kind: 'runs', ids }).runs ?? []);
  const same = new Set(runs.filter((run) => run.target === target).map(({ id }) => id));
  return others.filter(({ runId }) => same.has(runId));
}
