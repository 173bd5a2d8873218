/** What a run would do, without doing any of it. */
import { type Plan, planOf } from '../planner/plan.ts';
import type { RunStore } from '../planner/run-store.ts';
import type { PlanRequest } from '../planner/types.ts';
import type { AreaBook, TargetBook } from './area-book.ts';
import { earlyEnvironment } from './execution/environment.ts';
import { expectedTimes, idOf } from './run-history.ts';

/** Throws AREA_UNFIT for a cycle, BAD_REQUEST for a pattern. */
export async function dryRun(
  {
    store,
    area,
    book,
  }: {
    readonly store: Pick<RunStore, 'read'>;
    area: AreaBook['area'];
    book: TargetBook;
  },
  request: PlanRequest,
): Promise<Plan> {
  const { target, run: name } = request;
  const run = (store.read({ kind: 'runs' }).runs ?? []).find(
    (one) => one.target === target && one.name === name,
  );
  const rows = run === undefined ? [] : (store.read({ kind: 'tests', runId: run.id }).tests ?? []);
  const expected = expectedTimes(store, { runId: run?.id ?? 0, target });
  const existing = rows
    .filter(({ isToplevel }) => !isToplevel)
    .map(({ name: test, itemPath, state, status }) => {
      const id = idOf(test, itemPath);
      return { id, state, status, expectedS: expected.get(id) ?? null };
    });
  const tests = await book.tests(earlyEnvironment(area, { target, run: name }, book.layers));
  return planOf({ area, tests, request, existing });
}
