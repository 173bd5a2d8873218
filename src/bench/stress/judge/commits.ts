/** The commits of a run by position: when each was begun, committed, and how many rows it changed. */
export type CommitEntry = {
  readonly position: number;
  readonly committedAt: number;
  /** When its writer began it; null when no writer of ours wrote it. */
  readonly invokedAt: number | null;
  readonly rows: number;
};

export class Commits {
  readonly #entries: CommitEntry[] = [];
  /** Longest time from begin to commit: how far back those in flight can lie. */
  #longestMs = 0;
  rows = 0;

  get length(): number {
    return this.#entries.length;
  }

  get lastPosition(): number {
    return this.#entries.at(-1)?.position ?? 0;
  }

  /** Milliseconds from the first commit to the last. */
  get durationMs(): number {
    const [first] = this.#entries;
    return (this.#entries.at(-1)?.committedAt ?? 0) - (first?.committedAt ?? 0);
  }

  push(entry: CommitEntry): void {
    this.#entries.push(entry);
    this.rows += entry.rows;
    if (entry.invokedAt !== null) {
      this.#longestMs = Math.max(this.#longestMs, entry.committedAt - entry.invokedAt);
    }
  }

  /** Undefined for a position that is no commit. */
  at(position: number): CommitEntry | undefined {
    const entry = this.#entries[this.#index(position) - 1];
    return entry?.position === position ? entry : undefined;
  }

  /** Transactions that were begun when the last one at or before the position committed, and committed later. */
  inFlightAt(position: number): number {
    const index = this.#index(position);
    const instant = this.#entries[index - 1]?.committedAt;
    if (instant === undefined) return 0;
    let count = 0;
    for (let next = index; next < this.#entries.length; next += 1) {
      const entry = this.#entries[next];
      if (entry === undefined || entry.committedAt > instant + this.#longestMs) break;
      if (entry.invokedAt !== null && entry.invokedAt < instant) count += 1;
    }
    return count;
  }

  /** How many lie at or before the position. */
  #index(position: number): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#entries[middle]?.position ?? 0) <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
