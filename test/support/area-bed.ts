/** An area of testdata/areas, copied to a folder of its own, with a database and runners. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Action, StepRow, TestRow } from '../../src/planner/rows.ts';
import { type ActionArgs, actionArgs } from '../../src/runs/action-args.ts';
import { type AreaBook, openAreaBook } from '../../src/runs/area-book.ts';
import { newRunner } from '../../src/runs/new-runner.ts';
import { hostIdentity } from '../../src/runs/processes/host.ts';
import type { Runner } from '../../src/runs/runner.ts';
import { openRunStore, type SqliteRunStore } from '../../src/sqlite/runs/run-store.ts';
import { until } from './stack.ts';

/** What a test needs of the caller's environment. */
const ENVIRONMENT = { PATH: process.env.PATH ?? '', HOME: tmpdir() };

export class AreaBed {
  readonly home: string;
  readonly book: AreaBook;
  readonly store: SqliteRunStore;
  readonly trouble: unknown[] = [];
  readonly #folder: string;
  readonly #runners: Runner[] = [];

  private constructor(folder: string, home: string, book: AreaBook) {
    this.#folder = folder;
    this.home = home;
    this.book = book;
    const { isCompatible } = book.area;
    const file = join(folder, 'runs.db');
    this.store = openRunStore({ file, area: home, now: Date.now, acceptsAnyStatus: isCompatible });
  }

  /** `area`: a folder that is copied. */
  static async open(area: string): Promise<AreaBed> {
    const folder = mkdtempSync(join(tmpdir(), 'tidelock-run-'));
    const home = join(folder, 'area');
    cpSync(area, home, { recursive: true });
    return new AreaBed(folder, home, await openAreaBook(home, ENVIRONMENT));
  }

  /** Started; stopped with the bed. */
  runner(settings: { readonly slots?: number; readonly isServing?: boolean } = {}): Runner {
    const runner = newRunner({
      ...{ store: this.store, book: this.book, identity: hostIdentity(), now: Date.now },
      ...{ slots: settings.slots ?? 8, isServing: settings.isServing ?? false },
      onTrouble: (error) => this.trouble.push(error),
    });
    this.#runners.push(runner);
    runner.start();
    return runner;
  }

  /** Performs one action to its end. Throws what it failed with. */
  async perform(
    runner: Runner,
    action: Action,
    args: Partial<ActionArgs> & Pick<ActionArgs, 'target' | 'name'>,
  ): Promise<unknown> {
    const request = { action, args: actionArgs(args), priority: 0, dedupeKey: null };
    const { id } = runner.submit(request);
    await until(`the ${action} of ${args.name} has ended`, () => this.#ended(id), 50_000);
    const [task] =
      this.store
        .read({ kind: 'tasks', states: null, limit: 100_000 })
        .tasks?.filter((one) => one.id === id) ?? [];
    if (task?.state === 'done') return task.result;
    throw new Error(JSON.stringify(task?.result));
  }

  #ended(id: number): boolean {
    const { tasks = [] } = this.store.read({ kind: 'tasks', states: null, limit: 100_000 });
    return tasks.some((task) => task.id === id && task.endedAt !== null);
  }

  rows(run: string): readonly TestRow[] {
    const { runs = [] } = this.store.read({ kind: 'runs' });
    const found = runs.find(({ name }) => name === run);
    return found === undefined
      ? []
      : (this.store.read({ kind: 'tests', runId: found.id }).tests ?? []);
  }

  row(run: string, test: string, itemPath = ''): TestRow {
    const found = this.rows(run).find((row) => row.name === test && row.itemPath === itemPath);
    if (found === undefined) throw new Error(`no row ${test}/${itemPath} in ${run}`);
    return found;
  }

  steps(test: TestRow): readonly StepRow[] {
    return this.store.read({ kind: 'steps', testId: test.id }).steps ?? [];
  }

  /** `STATE/STATUS` by `test` or `test/item`. */
  results(run: string): Record<string, string> {
    const entries = this.rows(run).map(({ name, itemPath, state, status }) => {
      return [itemPath === '' ? name : `${name}/${itemPath}`, `${state}/${status}`] as const;
    });
    return Object.fromEntries(entries);
  }

  async close(): Promise<void> {
    for (const runner of this.#runners) {
      runner.interruptNow();
      await until('what the runner runs has ended', () => runner.isIdle);
      runner.stop();
    }
    this.store.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
