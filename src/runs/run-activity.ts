import type { Environment, Item, TestDef } from '../area/types.ts';
import { unreachable } from '../core/assert.ts';
import { messageOf, TidelockError } from '../core/errors.ts';
import { stepNamesOf } from '../planner/rerun.ts';
import type { StatePair, TestRow } from '../planner/rows.ts';
import { isActive } from '../planner/states.ts';
import type { PlannerEffect, PlannerEvent, PlanRequest, StepRange } from '../planner/types.ts';
import { resetWrites, settlingWrite } from './activity-writes.ts';
import type { LateItems } from './area-book.ts';
import { earlyEnvironment } from './execution/environment.ts';
import { type Exec, Launcher, type LauncherMeans } from './execution/launcher.ts';
import { ownDirOf } from './execution/other-area.ts';
import { goneSteps, NO_REDO, type Redo } from './execution/part.ts';
import { PlanQueue } from './plan-queue.ts';
import type { GroupUse } from './processes/processes.ts';
import { expectedTimes, idOf, isStaleNow } from './run-history.ts';

export type ActivityMeans = Omit<LauncherMeans, 'defOf' | 'itemOf' | 'onEntered'> & {
  /** The planner's machine, fresh. */
  readonly plan: (event: PlannerEvent) => readonly PlannerEffect[];
};

type Settle = Extract<PlannerEffect, { readonly kind: 'settle' }>;

export type ActiveRun = {
  readonly runId: number;
  readonly request: PlanRequest;
  /** Whatever starts begins in an emptied directory. */
  readonly cleansAll?: boolean;
  readonly redo?: Redo;
};

export class RunActivity {
  readonly runId: number;
  readonly request: PlanRequest;
  readonly #means: ActivityMeans;
  readonly #cleansAll: boolean;
  readonly #redo: Redo;
  readonly #launcher: Launcher;
  readonly #execs = new Map<string, Exec>();
  readonly #byTest = new Map<number, Exec>();
  readonly #queue: PlanQueue;
  /** Late items, by test: they are asked for once. */
  readonly #late = new Map<string, Promise<LateItems>>();
  /** Aborted when all of the run is to end: for commands around it. */
  readonly ending = new AbortController();
  readonly #done = Promise.withResolvers<void>();
  #tests: ReadonlyMap<string, TestDef> = new Map();
  #wakeAt = Number.POSITIVE_INFINITY;
  #isLeft = false;
  #isDone = false;

  constructor(run: ActiveRun, means: ActivityMeans) {
    this.runId = run.runId;
    this.#cleansAll = run.cleansAll === true;
    this.#redo = run.redo ?? NO_REDO;
    this.request = run.request;
    this.#means = means;
    this.#queue = new PlanQueue(means.plan, (effect) => this.#perform(effect));
    const { runId, request } = run;
    this.#launcher = new Launcher(
      { runId, request, isFrozen: this.#redo.isFrozen },
      {
        ...means,
        itemOf: (exec) => this.#wholeItem(exec),
        defOf: (test) => this.#tests.get(test) ?? null,
        onEntered: (exec, pair) => this.#entered(exec, pair),
      },
    );
  }

  /** Everything selected is terminal, and written. */
  get done(): Promise<void> {
    return this.#done.promise;
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  get running(): number {
    return this.#launcher.running;
  }

  /** The executions that run now, by name. */
  get runningIds(): readonly string[] {
    return [...this.#execs.values()].filter(({ pair }) => isActive(pair)).map(({ id }) => id);
  }

  /** Plans, and starts what can start. */
  async start(): Promise<void> {
    const { book, store, area, now } = this.#means;
    this.#tests = await book.tests(this.#earlyEnvironment());
    this.#requireStep();
    const rows = (store.read({ kind: 'tests', runId: this.runId }).tests ?? []).filter(
      ({ isToplevel }) => !isToplevel,
    );
    for (const row of rows) this.#know(row);
    const expected = expectedTimes(store, { runId: this.runId, target: this.request.target });
    const existing = rows.map((row) => {
      const id = idOf(row.name, row.itemPath);
      return { id, state: row.state, status: row.status, expectedS: expected.get(id) ?? null };
    });
    const input = {
      area,
      tests: this.#tests,
      request: this.request,
      existing,
      expectedS: expected,
    };
    const active = rows.filter((row) => isActive(row)).map(({ id }) => id);
    this.#feed({ kind: 'start', input, at: now() });
    for (const testId of active) {
      const exec = this.#byTest.get(testId);
      if (exec !== undefined) void this.#launcher.adopt(exec);
    }
  }

  /** Ends these, which a runner that died has left under way, and starts nothing. Resolves when they have ended. */
  async end(testIds: ReadonlySet<number>): Promise<void> {
    const { book, store } = this.#means;
    this.#tests = await book.tests(this.#earlyEnvironment());
    const { tests = [] } = store.read({ kind: 'tests', runId: this.runId });
    const rows = tests.filter((row) => testIds.has(row.id) && isActive(row));
    const execs = rows.map((row) => this.#know(row));
    for (const exec of execs) {
      exec.isStopped = true;
      exec.pair = { state: 'KILLREQ', status: exec.pair.status };
    }
    await Promise.all(execs.map((exec) => this.#launcher.adopt(exec)));
    this.#finish();
  }

  /** A misspelt step must not look like one that had nothing to do. */
  #requireStep(): void {
    const { rerun } = this.request;
    if (rerun.kind !== 'steps') return;
    if ([...this.#tests.values()].some((def) => stepNamesOf(def).includes(rerun.step))) return;
    throw new TidelockError({
      code: 'BAD_REQUEST',
      message: `no test of the area has a step ${rerun.step}`,
      hint: 'see the steps of a test with: tidelock runs show',
    });
  }

  /** `use`: when the host was sampled. */
  tick(use: ReadonlyMap<number, GroupUse> | null): void {
    for (const { running } of this.#execs.values()) running?.tick(use);
    if (!this.#isLeft) this.#queue.goOn();
    const now = this.#means.now();
    if (now < this.#wakeAt) return;
    this.#wakeAt = Number.POSITIVE_INFINITY;
    this.#feed({ kind: 'clock', at: now });
  }

  host(facts: { load: number; slots: number; exclusive: readonly string[] }): void {
    this.#feed({ kind: 'host', ...facts, at: this.#means.now() });
  }

  /** Ends what runs and starts nothing more of it. */
  kill(pattern: string): void {
    if (pattern === '%') this.ending.abort();
    this.#feed({ kind: 'kill', pattern, at: this.#means.now() });
  }

  killNow(): void {
    this.ending.abort();
    for (const { running } of this.#execs.values()) running?.killNow('interrupted twice');
  }

  /** Leaves everything to the next runner. */
  leave(): void {
    this.#isLeft = true;
  }

  /** Somebody else has written this row. */
  changed(row: TestRow): void {
    // A toplevel follows from its items, which come by themselves.
    if (row.isToplevel) return;
    const exec = this.#byTest.get(row.id);
    if (exec === undefined || (row.state === exec.pair.state && row.status === exec.pair.status))
      return;
    if (row.state === 'KILLREQ') {
      exec.running?.kill('a kill was asked for');
      return;
    }
    if (exec.running !== null) return;
    exec.pair = { state: row.state, status: row.status };
    this.#feed({ kind: 'force', exec: exec.id, to: exec.pair, at: this.#means.now() });
  }

  #earlyEnvironment(): Environment {
    const { target, run } = this.request;
    return earlyEnvironment(this.#means.area, { target, run }, this.#means.book.layers);
  }

  #know(row: TestRow): Exec {
    const item = this.#itemOf(row.name, row.itemPath);
    const exec: Exec = {
      ...{ id: idOf(row.name, row.itemPath), test: row.name, item, testId: row.id },
      ...{ isToplevel: row.isToplevel, pair: { state: row.state, status: row.status } },
      ...{
        attempt: row.attempt,
        runDir: ownDirOf(row, this.#means.area.home),
        leftDir: null,
        cleans: this.#cleansAll,
        part: this.#partLeft(row),
        isStopped: false,
        running: null,
      },
    };
    this.#execs.set(exec.id, exec);
    this.#byTest.set(row.id, exec);
    this.#markStale(row);
    return exec;
  }

  /** A runner that has died may have been about to run a part of it: then the other steps still have their results. */
  #partLeft({ id: testId, runDir, state }: TestRow): StepRange | null {
    const { part } = this.#redo;
    const isOpen = state === 'NOT_STARTED' || state === 'LAUNCHED';
    if (part === null || runDir === null || !isOpen || this.request.rerun.kind !== 'resume')
      return null;
    const { steps = [] } = this.#means.store.read({ kind: 'steps', testId });
    return steps.length === 0 ? null : part;
  }

  /** Late items are read again: what a runner that died knew of them is not in the database. */
  async #wholeItem({ test, item }: Exec): Promise<Item | null> {
    if (item === null || this.#tests.get(test)?.items.kind !== 'late') return item;
    const { items, reason } = await this.#lateItems(test);
    const found = items?.find(({ path }) => path === item.path);
    if (found !== undefined) return found;
    throw new TidelockError({
      code: 'RUN_FAILED',
      message: `${item.path} is no item of ${test} any more${reason === '' ? '' : `: ${reason}`}`,
      hint: 'its items are made by a command, and that answers something else now',
    });
  }

  #lateItems(test: string): Promise<LateItems> {
    const known = this.#late.get(test);
    if (known !== undefined) return known;
    const asked = this.#means.book.items(test, this.#earlyEnvironment());
    this.#late.set(test, asked);
    return asked;
  }

  #itemOf(test: string, itemPath: string): Item | null {
    if (itemPath === '') return null;
    const items = this.#tests.get(test)?.items;
    const known = items?.kind === 'known' ? items.items : [];
    return known.find(({ path }) => path === itemPath) ?? { path: itemPath, variables: [] };
  }

  /** A result whose configuration has changed since is shown as stale until it runs again. */
  #markStale(row: TestRow): void {
    const isStale = isStaleNow(row, this.#tests);
    if (isStale === row.isStale) return;
    this.#means.outbox.add({ kind: 'setTest', testId: row.id, facts: { isStale } });
  }

  #feed(event: PlannerEvent): void {
    if (!this.#isLeft) this.#queue.add(event);
  }

  #perform(effect: PlannerEffect): void {
    switch (effect.kind) {
      case 'register':
        this.#register(effect);
        return;
      case 'reset':
        this.#reset(effect);
        return;
      case 'expand':
        void this.#expand(effect.test);
        return;
      case 'launch':
        this.#noteWaits(effect);
        this.#launch(effect);
        return;
      case 'settle':
        this.#settle(effect);
        return;
      case 'kill':
        this.#kill(effect.exec);
        return;
      case 'wake':
        this.#wakeAt = Math.min(this.#wakeAt, effect.at);
        return;
      case 'done':
        this.#finish();
        return;
      default:
        unreachable(effect);
    }
  }

  #register({ execs }: Extract<PlannerEffect, { readonly kind: 'register' }>): void {
    const tests = execs.map(({ test, item, isToplevel }) => {
      return { name: test, itemPath: item?.path ?? '', isToplevel };
    });
    const [answer] = this.#means.outbox.now({ kind: 'putTests', runId: this.runId, tests });
    for (const [index, { exec, test, item, isToplevel }] of execs.entries()) {
      const testId = answer?.ids?.[index];
      if (testId === undefined) continue;
      const known = this.#execs.get(exec);
      const fresh: Exec = {
        ...{ id: exec, test, item, testId, isToplevel },
        pair: known?.pair ?? { state: 'NOT_STARTED', status: 'n/a' },
        ...{ attempt: known?.attempt ?? 0, runDir: known?.runDir ?? null, leftDir: null },
        ...{ cleans: this.#cleansAll, part: null, isStopped: false, running: null },
      };
      this.#execs.set(exec, fresh);
      this.#byTest.set(testId, fresh);
    }
  }

  #launch({ exec: id, item }: Extract<PlannerEffect, { readonly kind: 'launch' }>): void {
    const exec = this.#of(id);
    exec.item = item; // of a late one that was there before, only the path was known
    this.#launcher.launch(exec);
  }

  /** What a time line explains a late start with. */
  #noteWaits({ exec, after }: Extract<PlannerEffect, { readonly kind: 'launch' }>): void {
    const ids = after.flatMap((id) => this.#execs.get(id)?.testId ?? []);
    if (ids.length === 0) return;
    const about = { kind: 'wait' as const, runId: this.runId, testId: this.#of(exec).testId };
    const event = { ...about, old: null, new: ids.join(' '), cause: `after ${after.join(', ')}` };
    this.#means.outbox.add({ kind: 'note', event });
  }

  #reset({ exec: id, ...reset }: Extract<PlannerEffect, { readonly kind: 'reset' }>): void {
    const { cleans, isPart, reason } = reset;
    const exec = this.#of(id);
    exec.part = isPart ? this.#redo.part : null;
    exec.pair = { state: 'NOT_STARTED', status: 'n/a' };
    exec.cleans = cleans || this.#cleansAll;
    exec.isStopped = false;
    const keepsStale = isPart || this.#redo.isFrozen;
    const steps = this.#goneSteps(exec);
    this.#means.outbox.add(...resetWrites(exec.testId, { reason, keepsStale, steps }));
  }

  /** Null: all. */
  #goneSteps({ part, test, testId }: Exec): readonly string[] | null {
    const def = this.#tests.get(test);
    if (part === null || def === undefined) return null;
    const { steps = [] } = this.#means.store.read({ kind: 'steps', testId });
    return goneSteps(stepNamesOf(def), part, steps);
  }

  async #expand(test: string): Promise<void> {
    const at = (): number => this.#means.now();
    try {
      this.#late.delete(test); // whoever asks again wants to know what is so now
      const late = await this.#lateItems(test);
      this.#feed({ kind: 'expanded', test, ...late, at: at() });
    } catch (error) {
      this.#feed({ kind: 'expanded', test, items: null, reason: messageOf(error), at: at() });
    }
  }

  #settle({ exec: id, state, status, reason }: Settle): void {
    const exec = this.#of(id);
    exec.pair = { state, status };
    const cause = status === 'TEN_STRIKES' ? `${reason}: ${exec.trouble ?? 'busy'}` : reason;
    this.#means.outbox.add(settlingWrite(exec.testId, exec.pair, cause));
  }

  #kill(id: string): void {
    const exec = this.#of(id);
    exec.isStopped = true;
    exec.copying?.abort();
    exec.running?.kill('a kill was asked for');
  }

  #of(id: string): Exec {
    const exec = this.#execs.get(id);
    if (exec === undefined)
      throw new RangeError(`the planner names ${id}, which was not registered`);
    return exec;
  }

  #entered(exec: Exec, pair: StatePair): void {
    exec.pair = pair;
    this.#feed({ kind: 'entered', exec: exec.id, ...pair, at: this.#means.now() });
  }

  #finish(): void {
    this.#isDone = true;
    this.#done.resolve(); // what cannot be written now goes before what follows from this
    this.#means.outbox.flush();
  }
}
