/** The actions of the queue, performed: each ends exactly once, with a result that says what came of it. */

import { compilePatterns, matches } from '../area/patterns.ts';
import { unreachable } from '../core/assert.ts';
import { messageOf, TidelockError } from '../core/errors.ts';
import type { Action, RunRow, StatePair, TaskRow, TestRow } from '../planner/rows.ts';
import type { NewTask } from '../planner/run-store.ts';
import { isActive, isWaiting } from '../planner/states.ts';
import type { PlanRequest } from '../planner/types.ts';
import { type ActionArgs, argsOf, type NewAction } from './action-args.ts';
import type { AreaBook } from './area-book.ts';
import { beforeRun } from './before-run.ts';
import { earlyEnvironment } from './execution/environment.ts';
import { itemsBelow } from './execution/nested-areas.ts';
import type { Redo } from './execution/part.ts';
import { linkArea, removeWorkArea } from './execution/work-area.ts';
import { makeRollUpPages } from './roll-up-pages.ts';
import { type ActivityMeans, RunActivity } from './run-activity.ts';
import { isStaleNow } from './run-history.ts';
import { ScopeWatch } from './scope-watch.ts';
import { runOf, Turns } from './turns.ts';

/** An action is tried so often: its runner may die. */
export const ATTEMPTS_MAX = 20;

export type ActionMeans = Omit<ActivityMeans, 'book' | 'onLaunch' | 'onEnd' | 'plan'> & {
  readonly book: AreaBook;
  readonly id: string;
  readonly tasks: Pick<ActivityMeans, 'onLaunch' | 'onEnd'>;
  /** A fresh machine for one run. */
  readonly newPlan: () => ActivityMeans['plan'];
  /** Actions that others perform: archives, exports. */
  readonly others: Partial<Record<Action, (args: ActionArgs, taskId: number) => Promise<unknown>>>;
};

type Work = { readonly task: TaskRow; activity: RunActivity | null };

export class Actions {
  readonly #means: ActionMeans;
  readonly #work = new Map<number, Work>();
  readonly turns: Turns;

  constructor(means: ActionMeans) {
    this.#means = means;
    this.turns = new Turns(means.store, means.outbox, means.id);
  }

  /** Actions that are claimed, and those of them that are under way. */
  get size(): number {
    return this.#work.size;
  }

  get underWay(): number {
    return this.#work.size - this.turns.waiting;
  }

  get activities(): readonly RunActivity[] {
    return [...this.#work.values()].flatMap(({ activity }) =>
      activity === null ? [] : [activity],
    );
  }

  newTask({ action, args, priority, dedupeKey }: NewAction): NewTask {
    return {
      ...{ kind: 'action', action, args, priority, dedupeKey, runId: null, testId: null },
      ...{ attemptsMax: ATTEMPTS_MAX, notBefore: 0, parentId: null },
    };
  }

  /** Performs a task that was claimed; resolves when it has ended. */
  async begin(task: TaskRow): Promise<void> {
    const work: Work = { task, activity: null };
    this.#work.set(task.id, work);
    const { outbox, id: owner } = this.#means;
    const words = { kind: 'endTask' as const, taskId: task.id, owner };
    try {
      if ((await this.turns.of(task)) === null) return;
      const result = await this.#perform(work);
      outbox.add({ ...words, state: 'done', result: result ?? null });
    } catch (error) {
      const result = error instanceof TidelockError ? error.toJSON() : { error: messageOf(error) };
      outbox.add({ ...words, state: 'failed', result });
    } finally {
      this.#work.delete(task.id);
    }
    outbox.flush();
  }

  /** What is not in `held` is somebody else's, or was cancelled. */
  keepOnly(held: ReadonlySet<number>): void {
    for (const [id, { activity }] of this.#work) if (!held.has(id)) activity?.kill('%');
    this.turns.keepOnly(held);
  }

  killAll(): void {
    this.turns.giveUp();
    for (const activity of this.activities) activity.kill('%');
  }

  killAllNow(): void {
    for (const activity of this.activities) activity.killNow();
  }

  async #perform(work: Work): Promise<unknown> {
    const { task } = work;
    const args = argsOf(task);
    const { action } = task;
    switch (action) {
      case 'run':
      case 'rerun':
      case 'clean-rerun':
        return await this.#run(work, args);
      case 'kill':
        return await this.#kill(work, args);
      case 'remove-runs':
        return await this.#remove(work, args);
      case 'set-state':
        return this.#setState(args);
      case 'lock':
      case 'unlock':
        return this.#lock(args, action === 'lock');
      case 'update-meta':
        return await this.#updateMeta(args);
      case 'rollup':
      case 'archive':
      case 'prune':
      case 'export':
        return await this.#other(task, action, args);
      case 'exec':
        throw refused('exec', 'is taken with its run');
      default:
        return unreachable(action);
    }
  }

  async #other({ id }: TaskRow, action: Action, args: ActionArgs): Promise<unknown> {
    const perform = this.#means.others[action];
    if (perform === undefined) throw refused(action, 'is not performed by this runner');
    return await perform(args, id);
  }

  async #run(work: Work, args: ActionArgs): Promise<unknown> {
    const { outbox, store, newPlan, tasks, now } = this.#means;
    if (args.name === '' || args.name.includes('/')) throw refused('run', 'needs a name without /');
    const areaBook = await this.#means.book.again();
    const book = await areaBook.target(args.target, args.setVars);
    const [created] = outbox.now({ kind: 'createRun', target: args.target, name: args.name });
    const runId = created?.id ?? 0;
    const { home, linkTree, isCompatible } = areaBook.area;
    if (isCompatible) linkArea(home, linkTree);
    outbox.now({
      kind: 'setRun',
      runId,
      facts: { state: 'running', endedAt: null },
      cause: 'starts',
    });
    this.#comment(runId, args);
    const request = requestOf(work.task, args);
    const activity = new RunActivity(
      { runId, request, cleansAll: args.more.preclean === true, redo: redoOf(args) },
      { ...this.#means, ...tasks, book, area: areaBook.area, plan: newPlan() },
    );
    work.activity = activity;
    try {
      const names = { target: args.target, run: args.name };
      const env = earlyEnvironment(areaBook.area, names, book.layers);
      const { tests: known = [] } = store.read({ kind: 'tests', runId });
      const { signal } = activity.ending;
      await beforeRun(areaBook.area, { env, isNew: known.length === 0, signal });
      await activity.start();
      await activity.done;
      await makeRollUpPages({ area: areaBook.area, store, outbox, runId, env, signal });
    } finally {
      work.activity = null;
      const facts = { state: 'done' as const, endedAt: now() };
      outbox.add({ kind: 'setRun', runId, facts, cause: 'nothing more to do' });
    }
    return { runId, counts: runOf(store, args)?.counts ?? {} };
  }

  /** What was said of a run is an event of it. */
  #comment(runId: number, { comment }: ActionArgs): void {
    if (comment === '') return;
    const event = { kind: 'note' as const, runId, testId: null, old: null, new: null };
    this.#means.outbox.add({ kind: 'note', event: { ...event, cause: comment } });
  }

  /** Whoever runs them sees the request in the database; what waits never starts. */
  async #kill(work: Work, args: ActionArgs): Promise<unknown> {
    const { outbox } = this.#means;
    const rows = this.#rowsOf(args);
    const active = rows.filter((row) => isActive(row));
    const waiting = rows.filter((row) => isWaiting(row));
    const cause = 'a kill was asked for';
    for (const { id: testId, state } of active) {
      if (state === 'KILLREQ') continue;
      outbox.add({ kind: 'transition', testId, event: { kind: 'requestKill' }, facts: {}, cause });
    }
    for (const { id: testId } of waiting) {
      const event = { kind: 'settle' as const, status: 'BLOCKED' as const };
      outbox.add({ kind: 'transition', testId, event, facts: { comment: cause }, cause });
    }
    outbox.flush();
    const [own] = this.activities.filter(({ request }) => isOf(request, args));
    if (own !== undefined) endIn(own, args, rows);
    else if (active.length > 0 && !this.#hasOthers()) await this.#killOrphans(work, args, active);
    return { killed: active.length, blocked: waiting.length };
  }

  /** Nobody is there to see the request: their processes are taken over, and ended. */
  async #killOrphans(work: Work, args: ActionArgs, rows: readonly TestRow[]): Promise<void> {
    const { outbox, store, tasks, newPlan, now } = this.#means;
    const { id: runId } = this.#runNamed(args);
    const areaBook = await this.#means.book.again();
    const book = await areaBook.target(args.target, args.setVars);
    const request = requestOf(work.task, { ...args, rerun: { kind: 'resume' } });
    const means = { ...this.#means, ...tasks, book, area: areaBook.area, plan: newPlan() };
    const activity = new RunActivity({ runId, request }, means);
    work.activity = activity;
    try {
      await activity.end(new Set(rows.map(({ id }) => id)));
    } finally {
      work.activity = null;
    }
    const { tests = [] } = store.read({ kind: 'tests', runId });
    if (tests.some((row) => isActive(row))) return;
    const facts = { state: 'done' as const, endedAt: now() };
    outbox.add({ kind: 'setRun', runId, facts, cause: 'what was left of it was killed' });
  }

  #hasOthers(): boolean {
    const { store, id, now } = this.#means;
    const { runners = [] } = store.read({ kind: 'runners' });
    return runners.some((runner) => runner.id !== id && runner.leaseUntil > now());
  }

  /** Throws `RUN_NOT_FOUND`. */
  #runNamed(args: ActionArgs): RunRow {
    const run = runOf(this.#means.store, args);
    if (run === null) throw noRun(args.target, args.name);
    return run;
  }

  #rowsOf(args: ActionArgs): readonly TestRow[] {
    const { store } = this.#means;
    const { pattern, states, statuses } = args;
    const run = this.#runNamed(args);
    const patterns = compilePatterns(pattern);
    return (store.read({ kind: 'tests', runId: run.id }).tests ?? []).filter(
      (row) =>
        !row.isToplevel &&
        matches(patterns, row.name, row.itemPath) &&
        (states.length === 0 || states.includes(row.state)) &&
        (statuses.length === 0 || statuses.includes(row.status)),
    );
  }

  /** Kills first, waits until all is over, then removes directories and rows. */
  async #remove(work: Work, args: ActionArgs): Promise<unknown> {
    const { outbox, area } = this.#means;
    const { id: runId } = this.#runNamed(args);
    const rows = await this.#endAll(work, args);
    const below = itemsBelow(this.#means.store.read({ kind: 'tests', runId }).tests ?? []);
    for (const { name: test, itemPath, runDir } of rows) {
      const place = { target: args.target, run: args.name, test, itemPath };
      await removeWorkArea(area, place, { dir: runDir, below: below(test, itemPath) });
    }
    const isWhole = args.pattern === '%' && args.states.length + args.statuses.length === 0;
    const testIds = isWhole ? null : rows.map(({ id }) => id);
    outbox.now({ kind: 'removeTests', runId, testIds, cause: 'removal was asked for' });
    return { removed: rows.length };
  }

  /** Ends what runs in its scope, also what a run that has just begun starts meanwhile. Gives the rows. */
  async #endAll(work: Work, args: ActionArgs): Promise<readonly TestRow[]> {
    const { store } = this.#means;
    const scope = new ScopeWatch(store, this.#runNamed(args).id, () => this.#rowsOf(args));
    for (let looks = 0; looks < LOOKS_MAX; looks++) {
      const inTheWay = this.turns.inTheWay(work.task);
      if (scope.look() || looks === 0) await this.#kill(work, args);
      if (inTheWay.length === 0 && scope.active === 0) return scope.rows();
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    throw new TidelockError({
      code: 'TIMEOUT',
      message: 'executions of the run did not end after the kill',
      hint: 'look at them with: tidelock runs show; their runner may be on another host',
    });
  }

  #setState(args: ActionArgs): unknown {
    const { outbox } = this.#means;
    const { to } = args;
    if (to === null) throw refused('set-state', 'needs a state and a status');
    const rows = this.#rowsOf(args);
    for (const { id: testId } of rows) {
      const facts = args.comment === '' ? {} : { comment: args.comment };
      const event = { kind: 'force' as const, to };
      outbox.add({
        kind: 'transition',
        testId,
        event,
        facts,
        cause: args.comment || 'set by force',
      });
    }
    outbox.flush();
    return { changed: rows.length };
  }

  /** Which results are of another configuration than the one that is written now. */
  async #updateMeta(args: ActionArgs): Promise<unknown> {
    const { outbox } = this.#means;
    const book = await this.#means.book.again();
    const of = await book.target(args.target, args.setVars);
    const names = { target: args.target, run: args.name };
    const tests = await of.tests(earlyEnvironment(book.area, names, of.layers));
    const rows = this.#rowsOf(args).filter((row) => isStaleNow(row, tests) !== row.isStale);
    for (const row of rows) {
      const facts = { isStale: isStaleNow(row, tests) };
      outbox.add({ kind: 'setTest', testId: row.id, facts });
    }
    outbox.flush();
    return { changed: rows.length };
  }

  #lock(args: ActionArgs, isLocked: boolean): unknown {
    const { id: runId } = this.#runNamed(args);
    const cause = isLocked ? 'locked' : 'unlocked';
    this.#means.outbox.now({ kind: 'setRun', runId, facts: { isLocked }, cause });
    this.#comment(runId, args);
    return { runId };
  }
}

const LOOK_MS = 100;
/** Ten minutes: tests that ignore TERM are killed after five seconds. */
const LOOKS_MAX = 6000;

/** A pattern also keeps from starting what is not known yet; of results in some states only these end. */
function endIn(activity: RunActivity, args: ActionArgs, rows: readonly TestRow[]): void {
  if (args.states.length + args.statuses.length === 0) activity.kill(args.pattern);
  else for (const row of rows) activity.changed({ ...row, ...ended(row) });
}

function ended(row: TestRow): StatePair {
  if (isWaiting(row)) return { state: 'NOT_STARTED', status: 'BLOCKED' };
  return isActive(row) ? { state: 'KILLREQ', status: row.status } : row;
}

function isOf(request: PlanRequest, { target, name }: ActionArgs): boolean {
  return request.target === target && request.run === name;
}

function redoOf({ rerun, more }: ActionArgs): Redo {
  const part = rerun.kind === 'steps' ? { step: rerun.step, isOnly: rerun.isOnly } : null;
  return { part, isFrozen: more.frozen === true };
}

/** A second attempt goes on where the first runner stopped. */
export function requestOf(task: TaskRow, args: ActionArgs): PlanRequest {
  const { target, name: run, pattern, tags } = args;
  const asked = task.action === 'clean-rerun' ? ({ kind: 'clean' } as const) : args.rerun;
  const isResumed = task.attempt > 1 || args.rerun.kind === 'resume';
  const rerun = isResumed ? ({ kind: 'resume' } as const) : asked;
  return { target, run, pattern, tags, rerun };
}

function noRun(target: string, name: string): TidelockError {
  return new TidelockError({
    code: 'RUN_NOT_FOUND',
    message: `there is no run ${name} of target ${target}`,
    hint: 'list them with: tidelock runs ls',
  });
}

function refused(action: string, why: string): TidelockError {
  return new TidelockError({ code: 'BAD_REQUEST', message: `the action ${action} ${why}` });
}
