/** What was SEEN of a fault, counted under a name for each kind of thing. Nothing seen: it was not exercised. */
export class Effects {
  readonly #counts = new Map<string, number>();

  note(what: string, count = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + count);
  }

  /** `connections reset: 2`, one line for each name, in the order of their first appearance. */
  get lines(): readonly string[] {
    return [...this.#counts].map(([what, count]) => `${what}: ${count}`);
  }
}
