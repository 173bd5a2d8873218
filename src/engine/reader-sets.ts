/** Readers of the same selectors: what they share. */
import type { Ts } from '../core/lsn.ts';

/** Runs kept for the other readers of their selectors, all together. */
const RUN_BYTES_MAX = 4 * 1024 * 1024;

/** What several small groups have for one set of selectors, as one frame. */
export type Run = {
  /** The first and the last group in it. */
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Timestamp of its first transaction; a reader that has it already cannot take this run. */
  readonly firstTs: Ts;
  /** Where a reader stands that has taken it. */
  readonly lastTs: Ts;
  readonly frame: Uint8Array;
};

export type ReaderSet = {
  /** Names the set of selectors. */
  readonly key: string;
  readonly wanted: ReadonlySet<string>;
  readers: number;
  /** The latest run, while others may want it. */
  run: Run | null;
};

export class ReaderSets {
  readonly #sets = new Map<string, ReaderSet>();
  /** Sets that keep a run, the longest unchanged first. */
  readonly #keeping = new Set<ReaderSet>();
  #runBytes = 0;

  /** One more reader of these selectors. */
  join(selectors: readonly string[]): ReaderSet {
    const wanted = new Set(selectors);
    const key = JSON.stringify([...wanted].sort());
    let set = this.#sets.get(key);
    if (set === undefined) {
      set = { key, wanted, readers: 0, run: null };
      this.#sets.set(key, set);
    }
    set.readers += 1;
    return set;
  }

  leave(set: ReaderSet): void {
    set.readers -= 1;
    if (set.readers <= 1) this.#drop(set);
    if (set.readers === 0) this.#sets.delete(set.key);
  }

  /** Keeps a run for the other readers of the set, if there are any. */
  keep(set: ReaderSet, run: Run): void {
    this.#drop(set);
    if (set.readers < 2) return;
    set.run = run;
    this.#keeping.add(set);
    this.#runBytes += run.frame.byteLength;
    for (const oldest of this.#keeping) {
      if (this.#runBytes <= RUN_BYTES_MAX) break;
      this.#drop(oldest);
    }
  }

  /** The log was reset: what is kept is of another history. */
  clear(): void {
    for (const set of this.#keeping) this.#drop(set);
  }

  #drop(set: ReaderSet): void {
    if (set.run === null) return;
    this.#runBytes -= set.run.frame.byteLength;
    set.run = null;
    this.#keeping.delete(set);
  }
}
