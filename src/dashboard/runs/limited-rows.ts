/** Rows by their key, so many at most: the newest stay, and it is known that others went. */
export class LimitedRows<Key, Row> extends Map<Key, Row> {
  readonly max: number;
  readonly #ageOf: (row: Row) => number;
  #leftOut = 0;

  /** `ageOf` grows with every newer row. */
  constructor(max: number, ageOf: (row: Row) => number) {
    super();
    this.max = max;
    this.#ageOf = ageOf;
  }

  /** How many rows there was no room for, since the last `clear`. */
  get leftOut(): number {
    return this.#leftOut;
  }

  override set(key: Key, row: Row): this {
    super.set(key, row);
    // Half as many again before the oldest go: sorting is not for every row.
    if (this.size > this.max * 1.5) this.#trim();
    return this;
  }

  override clear(): void {
    super.clear();
    this.#leftOut = 0;
  }

  #trim(): void {
    const oldest = [...this].sort(([, one], [, other]) => this.#ageOf(one) - this.#ageOf(other));
    for (const [key] of oldest.slice(0, this.size - this.max)) {
      this.delete(key);
      this.#leftOut += 1;
    }
  }
}
