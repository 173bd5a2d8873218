/** Writers that go on while somebody waits for them, and a little beyond, each with a seeded workload of its own. */
import type pg from 'pg';
import { SeededRandom } from '../../src/bench/random.ts';
import { until } from './stack.ts';
import { Workload } from './workload.ts';

/** Postgres ends one of two transactions that wait for each other: it is rolled back as a whole. */
const DEADLOCK = '40P01';
/** One in so many transactions is large. */
const LARGE_EVERY = 60;
const WRITTEN_MS_MAX = 60_000;
/** Commits beyond what was asked for: a slow machine gets no more work than a fast one, only more time for it. */
const AHEAD_MAX = 150;

export class Writers {
  /** Transactions that were committed. */
  committed = 0;
  readonly #work: Promise<void>[];
  #goal = 0;
  #isDone = false;

  constructor(clients: readonly pg.Client[], seed: number) {
    this.#work = clients.map((client, index) => this.#write(client, seed + index, index));
    for (const work of this.#work) work.catch(() => undefined); // told by `stop`
  }

  /** Resolves when so many more transactions are committed. */
  async wrote(count: number): Promise<void> {
    const goal = this.committed + count;
    this.#goal = goal;
    await until(`${count} more commits`, () => this.committed >= goal, WRITTEN_MS_MAX);
  }

  /** Ends after the present transactions; rejects when a writer failed. */
  async stop(): Promise<void> {
    this.#isDone = true;
    await Promise.all(this.#work);
  }

  get #mayWrite(): boolean {
    return this.#isDone || this.committed < this.#goal + AHEAD_MAX;
  }

  async #write(client: pg.Client, seed: number, index: number): Promise<void> {
    const random = new SeededRandom(seed);
    const workload = new Workload(random, 20_000 * (index + 1));
    while (!this.#isDone) {
      await until('more is asked for', () => this.#mayWrite, WRITTEN_MS_MAX);
      const isLarge = random.between(1, LARGE_EVERY) === 1;
      const sql = isLarge ? workload.largeStep() : workload.step();
      try {
        await client.query(sql);
        this.committed += 1;
      } catch (error) {
        if ((error as { code?: string }).code !== DEADLOCK) throw error;
        await client.query('ROLLBACK');
      }
    }
  }
}
