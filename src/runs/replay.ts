/** The schedule of a run as a script, from the run's events. */
import { replayOf, replayScript } from '../planner/replay.ts';
import type { EventRow } from '../planner/rows.ts';
import type { RunStore } from '../planner/run-store.ts';
import { isStarting } from '../planner/tasks.ts';
import type { PlanRequest } from '../planner/types.ts';
import { argsOf, filledIn } from './action-args.ts';
import { requestOf } from './actions.ts';
import type { AreaBook, TargetBook } from './area-book.ts';
import { earlyEnvironment } from './execution/environment.ts';
import { expectedTimes } from './run-history.ts';
import { findRun } from './run-results.ts';

/** Events of one run that are read; a longer history is cut at its beginning. */
const EVENTS_MAX = 1_000_000;
const PAGE_EVENTS = 5000;
const TASKS_MAX = 10_000;

export type ReplayMeans = {
  readonly store: Pick<RunStore, 'read'>;
  readonly area: AreaBook['area'];
  readonly book: TargetBook;
};

/** Its last start. Tests are read as they are now. Throws RUN_NOT_FOUND, AREA_UNFIT. */
export async function replayRun(
  { store, area, book }: ReplayMeans,
  { target, run: name }: Pick<PlanRequest, 'target' | 'run'>,
): Promise<string> {
  const run = await findRun((query) => store.read(query), name, target);
  const rows = store.read({ kind: 'tests', runId: run.id }).tests ?? [];
  const tests = await book.tests(earlyEnvironment(area, { target, run: run.name }, book.layers));
  const request = lastRequest(store, target, run.name);
  const expectedS = expectedTimes(store, { runId: run.id, target });
  const history = { area, tests, request, expectedS, rows, events: eventsOf(store, run.id) };
  const { input, events } = replayOf(history);
  return replayScript(input, events);
}

function eventsOf(store: Pick<RunStore, 'read'>, runId: number): readonly EventRow[] {
  const all: EventRow[] = [];
  for (let since = 0; all.length < EVENTS_MAX; since = all.at(-1)?.seq ?? since) {
    const query = { kind: 'events', runId, testId: null, since, limit: PAGE_EVENTS } as const;
    const { events = [] } = store.read(query);
    all.push(...events);
    if (events.length < PAGE_EVENTS) break;
  }
  return all;
}

/** Of the action that started it last; everything, when that was forgotten. */
function lastRequest(store: Pick<RunStore, 'read'>, target: string, name: string): PlanRequest {
  const { tasks = [] } = store.read({ kind: 'tasks', states: null, limit: TASKS_MAX });
  // The newest come first; wrong arguments have started nothing.
  const last = tasks.find((task) => {
    const args = filledIn(task.args);
    return isStarting(task.action) && args?.target === target && args.name === name;
  });
  if (last !== undefined) return requestOf(last, argsOf(last));
  return { target, run: name, pattern: '%', tags: null, rerun: { kind: 'none' } };
}
