/** Questions to the run database. */
import type { RunQuery, RunQueryResult } from '../../planner/run-store.ts';
import { ask } from '../api.ts';
import { type Asked, useAsk } from '../ask.ts';

/** Nothing is asked while `query` is null. */
export function useRunQuery(query: RunQuery | null): Asked<RunQueryResult> {
  return useAsk<RunQueryResult>(query === null ? null : pathOf(query));
}

/** Throws `ApiError`. */
export function readRuns(query: RunQuery, signal?: AbortSignal): Promise<RunQueryResult> {
  return ask<RunQueryResult>(pathOf(query), signal);
}

function pathOf(query: RunQuery): string {
  return `/runs/v1/read?query=${encodeURIComponent(JSON.stringify(query))}`;
}
