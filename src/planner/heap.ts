/** A priority queue: the first by `before` comes out first. */
export class Heap<T> {
  readonly #entries: T[] = [];
  readonly #before: (a: T, b: T) => boolean;

  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.#entries.length;
  }

  peek(): T | undefined {
    return this.#entries[0];
  }

  push(entry: T): void {
    const entries = this.#entries;
    let at = entries.length;
    entries.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = entries[parent] as T;
      if (!this.#before(entry, above)) break;
      entries[at] = above;
      at = parent;
    }
    entries[at] = entry;
  }

  pop(): T | undefined {
    const entries = this.#entries;
    const first = entries[0];
    const last = entries.pop();
    if (last !== undefined && entries.length > 0) this.#sink(last);
    return first;
  }

  /** In no order. */
  values(): readonly T[] {
    return this.#entries;
  }

  #sink(entry: T): void {
    const entries = this.#entries;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= entries.length) break;
      const right = child + 1;
      const isRight =
        right < entries.length && this.#before(entries[right] as T, entries[child] as T);
      if (isRight) child = right;
      const below = entries[child] as T;
      if (!this.#before(below, entry)) break;
      entries[at] = below;
      at = child;
    }
    entries[at] = entry;
  }
}
