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
    const last = this.#seqs[this.#seqs.length - 1];
    if (last === undefined || last <= after) return Number.POSITIVE_INFINITY;
    return this.#seqs[this.#placeAfter(after)] ?? Number.POSITIVE_INFINITY;
  }

  /** What stood from `first` to `last` is `last` now. */
  merge(first: number, last: number): void {
    const from = this.#placeAfter(first - 1);
    this.#seqs.splice(from, this.#placeAfter(last) - from, last);
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

  /** Where the first number above `after` stands. */
  #placeAfter(after: number): number {
    let low = this.#start;
    let high = this.#seqs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#seqs[middle] ?? 0) > after) high = middle;
      else low = middle + 1;
    }
    return low;
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

  /** The groups from `firstSeq` to `merged` are one group now. */
  merge(firstSeq: number, merged: GroupHead): void {
    if (merged.hasAll) this.#all.merge(firstSeq, merged.seq);
    for (const selector of merged.selectors) {
      this.#bySelector.get(selector)?.merge(firstSeq, merged.seq);
    }
  }

  /** Forgets all groups up to and including `seq`. */
  drop(seq: number): void {
    this.#all.drop(seq);
    for (const [selector, list] of this.#bySelector) {
      if (list.drop(seq)) this.#bySelector.delete(selector);
    }
  }
}
