/** What executions take as a rule: asked for those only that look slower. */
import { useEffect, useState } from 'preact/hooks';
import type { TestRow } from '../../planner/rows.ts';
import type { RunQuery } from '../../planner/run-store.ts';
import { BAND_RESULTS, type Band, bandOf } from '../../report/compare.ts';
import { execOf } from '../../report/results.ts';
import { readRuns } from './ask-runs.ts';

/** More are told without. */
const ASKED_MAX = 100;

/** Null while they are asked for. `rows`: of the later run, those that look slower than before. */
export function useBands(
  rows: readonly TestRow[],
  target: string,
): ReadonlyMap<string, Band> | null {
  const [bands, setBands] = useState<ReadonlyMap<string, Band> | null>(null);
  const wanted = rows.slice(0, ASKED_MAX);
  useEffect(() => {
    const abort = new AbortController();
    setBands(null);
    bandsOf(wanted, target, abort.signal).then(setBands, () => {
      if (!abort.signal.aborted) setBands(new Map());
    });
    return () => abort.abort();
  }, [wanted.map(({ id }) => id).join(' '), target]);
  return bands;
}

async function bandsOf(
  rows: readonly TestRow[],
  target: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Band>> {
  const bands = new Map<string, Band>();
  for (const row of rows) {
    const { name, itemPath } = row;
    const query: RunQuery = { kind: 'history', name, itemPath, target, limit: BAND_RESULTS };
    const { tests = [] } = await readRuns(query, signal);
    const band = bandOf(tests, row);
    if (band !== null) bands.set(execOf(row), band);
  }
  return bands;
}
