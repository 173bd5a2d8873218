/**
 * Walks over the stored groups for people who look: one group at a time with a pause between, so that nobody else
 * waits, and never more than a budget of bytes. Groups are read past the cache of what is being delivered.
 */
import { hasCode } from '../core/errors.ts';
import { formatLsn, type Ts } from '../core/lsn.ts';
import type { GroupHead, StoredGroup } from '../log/group.ts';
import type { LogStore } from '../log/port.ts';
import type { Looked } from '../protocol/dashboard.ts';
import type { Clock } from './clock.ts';

export type Walk = {
  readonly store: LogStore;
  readonly clock: Clock;
  readonly bytesMax: number;
  readonly signal: AbortSignal;
  /** Which groups are worth reading; all by default. */
  readonly wants?: ((head: GroupHead) => boolean) | undefined;
};

export class LogWalk {
  readonly #walk: Walk;
  #bytes = 0;
  #from: Ts;
  #isComplete = false;

  constructor(walk: Walk) {
    this.#walk = walk;
    this.#from = walk.store.upper;
  }

  /** What was looked at, from the newest on. */
  get looked(): Looked {
    return { bytes: this.#bytes, from: formatLsn(this.#from), isComplete: this.#isComplete };
  }

  /** True when the budget is used up. */
  get isSpent(): boolean {
    return this.#bytes >= this.#walk.bytesMax;
  }

  /** Groups with something at or before `upTo`, the newest first. */
  async *older(upTo: Ts): AsyncIterable<StoredGroup> {
    const { store } = this.#walk;
    // Heads move while others append, merge and purge: places are looked up anew, by what was seen last.
    for (let before: Ts = upTo; ; ) {
      const place = placeBefore(store.heads, before);
      const head = store.heads[place];
      if (head === undefined || head.lastTs <= store.since) break;
      if (this.isSpent) return;
      yield* this.#parts(place);
      this.#from = head.firstTs;
      before = (head.firstTs - 1) as Ts;
    }
    this.#isComplete = true;
    this.#from = store.since;
  }

  /** Groups with something at or after `from`, the oldest first. */
  async *newer(from: Ts): AsyncIterable<StoredGroup> {
    const { store } = this.#walk;
    let after = from - 1;
    for (;;) {
      const head = store.heads[placeAfter(store.heads, after)];
      if (head === undefined || this.isSpent) return;
      // The parts of a large transaction stand at one position.
      for (const part of partsFrom(store.heads, head)) {
        const group = await this.#read(part);
        if (group !== null) yield group;
        if (this.isSpent) return;
      }
      after = head.lastTs;
    }
  }

  /** The group, and the earlier parts of the same transaction; the newest first. */
  async *#parts(place: number): AsyncIterable<StoredGroup> {
    const { heads } = this.#walk.store;
    const last = heads[place];
    const parts: GroupHead[] = [];
    for (let at = place; at >= 0; at -= 1) {
      const head = heads[at];
      if (head === undefined || last === undefined || !isPartOf(last, head)) break;
      parts.push(head);
    }
    for (const head of parts) {
      const group = await this.#read(head);
      if (group !== null) yield group;
      if (this.isSpent) return;
    }
  }

  /** Null for one that is not wanted, or was purged meanwhile. */
  async #read(head: GroupHead): Promise<StoredGroup | null> {
    const { store, clock, signal, wants } = this.#walk;
    if (wants?.(head) === false) return null;
    await new Promise<void>((resolve) => clock.soon(resolve));
    signal.throwIfAborted();
    this.#bytes += head.sizeBytes;
    try {
      return store.read(head.seq);
    } catch (error) {
      if (hasCode(error, 'TOO_OLD')) return null;
      throw error;
    }
  }
}

type Span = Pick<GroupHead, 'firstTs' | 'lastTs'>;

function isPartOf(one: Span, other: Span): boolean {
  return one.firstTs === other.firstTs && one.lastTs === other.lastTs;
}

/** The last group that begins at or before `ts`. */
function placeBefore(heads: readonly GroupHead[], ts: number): number {
  return search(heads, (head) => head.firstTs > ts) - 1;
}

/** The first group that ends behind `ts`. */
function placeAfter(heads: readonly GroupHead[], ts: number): number {
  return search(heads, (head) => head.lastTs > ts);
}

/** The first place from which on `isBeyond` holds. */
function search(heads: readonly GroupHead[], isBeyond: (head: GroupHead) => boolean): number {
  let low = 0;
  let high = heads.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const head = heads[middle];
    if (head === undefined || isBeyond(head)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The group itself, and the later parts of the same transaction. */
function partsFrom(heads: readonly GroupHead[], first: GroupHead): readonly GroupHead[] {
  const parts: GroupHead[] = [];
  for (let at = placeAfter(heads, first.lastTs - 1); at < heads.length; at += 1) {
    const head = heads[at];
    if (head === undefined || !isPartOf(first, head)) break;
    parts.push(head);
  }
  return parts;
}
