/** Questions to the run database, as addresses. */
import type { RunQuery, RunQueryResult } from '../../planner/run-store.ts';
import { type Asked, useAsk } from '../ask.ts';

/** Nothing is asked while `query` is null. */
export function useRunQuery(query: RunQuery | null): Asked<RunQueryResult> {
  const path =
    query === null ? null : `/runs/v1/read?query=${encodeURIComponent(JSON.stringify(query))}`;
  return useAsk<RunQueryResult>(path);
}
