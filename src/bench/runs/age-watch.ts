/**
 * An independent look at the bound of the sync: reads what the durable file has and how old the oldest commit is that
 * it does not have, and believes no syncer. The age is that of a moment before it asked: what is missing in the answer was
 * missing then, and a delay of its own makes no commit older.
 */
import type { CopyMark, DurableStore } from '../../planner/run-durable.ts';

const EVERY_MS = 50;

export type WatchedStore = {
  oldestCommit(seq: number): number | null;
};

export class AgeWatch {
  ageMsMax = 0;
  looks = 0;
  readonly #durable: DurableStore;
  readonly #store: WatchedStore;
  readonly #running: Promise<void>;
  #isEnding = false;

  constructor(store: WatchedStore, durable: DurableStore) {
    this.#store = store;
    this.#durable = durable;
    this.#running = this.#run();
  }

  async end(): Promise<number> {
    this.#isEnding = true;
    await this.#running;
    return this.ageMsMax;
  }

  async #run(): Promise<void> {
    while (!this.#isEnding) {
      const asked = Date.now();
      this.#look(await this.#durable.mark(), asked);
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  }

  #look(mark: CopyMark | null, asked: number): void {
    this.looks += 1;
    const oldest = this.#store.oldestCommit(mark?.seq ?? 0);
    if (oldest !== null) this.ageMsMax = Math.max(this.ageMsMax, asked - oldest);
  }
}
