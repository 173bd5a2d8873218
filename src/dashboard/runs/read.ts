/** Questions to the run database. */
import type { RunQuery, RunQueryResult } from '../../planner/run-store.ts';
import { ask } from '../api.ts';

/** For `useAsk`. */
export function readPath(query: RunQuery): string {
  return `/runs/v1/read?query=${encodeURIComponent(JSON.stringify(query))}`;
}

/** Throws `ApiError`. */
export function readRuns(query: RunQuery): Promise<RunQueryResult> {
  return ask<RunQueryResult>(readPath(query));
}
