/**
 * Which runs' rows a page keeps: those that are held, and others while there is room. Past the limit the runs that were
 * held longest ago go first; when the held ones alone are too many, the last of them stay out.
 */

export type ShelfOptions = {
  /** Of all runs together. */
  readonly rowsMax: number;
  /** Forgets the rows of a run. */
  readonly drop: (runId: number) => void;
};

export class RunShelf {
  readonly #options: ShelfOptions;
  /** Rows by run, those held longest ago first. */
  readonly #counts = new Map<number, number>();
  readonly #whole = new Set<number>();
  readonly #holds = new Set<readonly number[]>();
  readonly #out = new Set<number>();
  #total = 0;

  constructor(options: ShelfOptions) {
    this.#options = options;
  }

  get rowCount(): number {
    return this.#total;
  }

  /** True while its rows are wanted, read or not. */
  has(runId: number): boolean {
    return this.#counts.has(runId);
  }

  isWhole(runId: number): boolean {
    return this.#whole.has(runId);
  }

  /** There was no room for it. */
  isOut(runId: number): boolean {
    return this.#out.has(runId);
  }

  /** The runs to be read now, in this order. The rows stay at least until the release, if there is room. */
  hold(runIds: readonly number[]): { readonly missing: readonly number[]; release: () => void } {
    const held = [...runIds];
    this.#holds.add(held);
    this.#out.clear();
    const missing = held.filter((runId) => !this.has(runId));
    for (const runId of held) {
      const count = this.#counts.get(runId) ?? 0;
      this.#counts.delete(runId);
      this.#counts.set(runId, count);
    }
    return { missing, release: () => void this.#holds.delete(held) };
  }

  /** So many rows more, or fewer. */
  add(runId: number, rows: number): void {
    const count = this.#counts.get(runId);
    if (count === undefined) return;
    this.#counts.set(runId, count + rows);
    this.#total += rows;
  }

  setWhole(runId: number): void {
    if (this.has(runId)) this.#whole.add(runId);
  }

  /** What could not be read is read when it is held again. */
  giveUp(runId: number): void {
    if (this.has(runId)) this.#remove(runId);
  }

  /** Makes room. To be called when rows have come. */
  trim(): void {
    while (this.#total > this.#options.rowsMax) {
      const victim = this.#victim();
      if (victim === undefined) return;
      if (this.#isHeld(victim)) this.#out.add(victim);
      this.#remove(victim);
    }
  }

  clear(): void {
    this.#counts.clear();
    this.#whole.clear();
    this.#out.clear();
    this.#total = 0;
  }

  /** Whoever is held last came last. */
  #victim(): number | undefined {
    const runIds = [...this.#counts.keys()];
    return runIds.find((runId) => !this.#isHeld(runId)) ?? runIds.at(-1);
  }

  #isHeld(runId: number): boolean {
    for (const held of this.#holds) if (held.includes(runId)) return true;
    return false;
  }

  #remove(runId: number): void {
    this.#total -= this.#counts.get(runId) ?? 0;
    this.#counts.delete(runId);
    this.#whole.delete(runId);
    this.#options.drop(runId);
  }
}
