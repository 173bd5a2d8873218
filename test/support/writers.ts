/** Writers that go on without pause, each with a seeded workload of its own. */
import type pg from 'pg';
import { SeededRandom } from '../../src/bench/random.ts';
import { until } from './stack.ts';
import { Workload } from './workload.ts';

/** Postgres ends one of two transactions that wait for each other: it is rolled back as a whole. */
const DEADLOCK = '40P01';
/** One in so many transactions is large. */
const LARGE_EVERY = 60;
const WRITTEN_MS_MAX = 60_000;

export class Writers {
  /** Transactions that were committed. */
  committed = 0;
  readonly #work: Promise<void>[];
  #isDone = false;

  constructor(clients: readonly pg.Client[], seed: number) {
    this.#work = clients.map((client, index) => this.#write(client, seed + index, index));
    for (const work of this.#work) work.catch(() => undefined); // told by `stop`
  }

  /** Resolves when so many more transactions are committed. */
  async wrote(count: number): Promise<void> {
    const goal = this.committed + count;
    await until(`${count} more commits`, () => this.committed >= goal, WRITTEN_MS_MAX);
  }

  /** Ends after the present transactions; rejects when a writer failed. */
  async stop(): Promise<void> {
    this.#isDone = true;
    await Promise.all(this.#work);
  }

  async #write(client: pg.Client, seed: number, index: number): Promise<void> {
    const random = new SeededRandom(seed);
    const workload = new Workload(random, 20_000 * (index + 1));
    while (!this.#isDone) {
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
