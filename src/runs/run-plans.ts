/** What runs of an area would do, and the tags of its tests: the area is read anew for each question. */
import type { Environment } from '../area/types.ts';
import type { Plan } from '../planner/plan.ts';
import type { RunStore } from '../planner/run-store.ts';
import type { PlanWish } from '../protocol/runs.ts';
import { openAreaBook } from './area-book.ts';
import { dryRun } from './dry-run.ts';
import { earlyEnvironment } from './execution/environment.ts';

export type RunPlansOptions = {
  readonly store: RunStore;
  /** The area's directory. */
  readonly home: string;
  readonly environment: Environment;
};

export class RunPlans {
  readonly #options: RunPlansOptions;

  constructor(options: RunPlansOptions) {
    this.#options = options;
  }

  /** Throws what reading the area throws, BAD_REQUEST for a target or a pattern. */
  async plan({ target, name: run, pattern, tags }: PlanWish): Promise<Plan> {
    const { store, home, environment } = this.#options;
    const { book, area } = await this.#target(home, environment, target);
    const request = { target, run, pattern, tags, rerun: { kind: 'none' } as const };
    return await dryRun({ store, area, book }, request);
  }

  /** The tags of each test that has some. Throws the same. */
  async tags(target: string): Promise<Readonly<Record<string, readonly string[]>>> {
    const { home, environment } = this.#options;
    const { book, area } = await this.#target(home, environment, target);
    const tests = await book.tests(earlyEnvironment(area, { target, run: '' }, book.layers));
    const tagged = [...tests].filter(([, { tags }]) => tags.length > 0);
    return Object.fromEntries(tagged.map(([name, { tags }]) => [name, tags]));
  }

  async #target(home: string, environment: Environment, target: string) {
    const areaBook = await openAreaBook(home, environment);
    return { book: await areaBook.target(target, {}), area: areaBook.area };
  }
}
