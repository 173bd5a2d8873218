/** Where in the log a selector's changes are: kept in memory, rebuilt at start from the groups' heads. */
import type { GroupHead } from './group.ts';

/** Ascending group numbers with a moving start, so that purging is cheap. */
class SeqList {
  #seqs: number[] = [];
  #start = 0;

  push(seq: number): void {
    this.#seqs.push(seq);
  }

  /** The first number above `after`, or Infinity. */
  next(after: number): number {
    let low = this.#start;
    let high = this.#seqs.length;
    const last = this.#seqs[high - 1];
    if (last === undefined || last <= after) return Number.POSITIVE_INFINITY;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#seqs[middle] ?? 0) > after) high = middle;
      else low = middle + 1;
    }
    return this.#seqs[low] ?? Number.POSITIVE_INFINITY;
  }

  /** Drops numbers up to `seq`; true when nothing is left. */
  drop(seq: number): boolean {
    while (this.#start < this.#seqs.length && (this.#seqs[this.#start] ?? 0) <= seq)
      this.#start += 1;
    if (this.#start > 1024 && this.#start * 2 > this.#seqs.length) {
      this.#seqs = this.#seqs.slice(this.#start);
      this.#start = 0;
    }
    return this.#start === this.#seqs.length;
  }
}

export class SelectorIndex {
  readonly #bySelector = new Map<string, SeqList>();
  readonly #all = new SeqList();

  add(head: GroupHead): void {
    if (head.hasAll) this.#all.push(head.seq);
    for (const selector of head.selectors) {
      const list = this.#bySelector.get(selector) ?? new SeqList();
      list.push(head.seq);
      this.#bySelector.set(selector, list);
    }
  }

  /** The first group after `after` that has something for these selectors, or Infinity. */
  next(selectors: Iterable<string>, after: number): number {
    let first = this.#all.next(after);
    for (const selector of selectors) {
      const seq = this.#bySelector.get(selector)?.next(after);
      if (seq !== undefined && seq < first) first = seq;
    }
    return first;
  }

  /** Forgets all groups up to and including `seq`. */
  drop(seq: number): void {
    this.#all.drop(seq);
    for (const [selector, list] of this.#bySelector) {
      if (list.drop(seq)) this.#bySelector.delete(selector);
    }
  }
}
