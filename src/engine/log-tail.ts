/** The log with what was lately appended or read kept in memory, and its selector index. */
import { hasCode } from '../core/errors.ts';
import type { GroupHead, NewGroup, StoredGroup } from '../log/group.ts';
import type { LogStore } from '../log/port.ts';
import { SelectorIndex } from '../log/selector-index.ts';
import {
  gather,
  type SelectorSlices,
  type Slices,
  sizeOf,
  sliceBySelector,
  sliceGroup,
} from '../log/slices.ts';
import { linesOfPurged } from './purged-lines.ts';
import { type ReaderSet, ReaderSets, type Run } from './reader-sets.ts';

type CachedGroup = StoredGroup & {
  readonly frames: Map<string, Uint8Array>;
  /** Of frames and slices. */
  frameBytes: number;
  /** Made when the first reader comes. */
  lookup: SelectorLookup | null;
};

type SelectorLookup = {
  readonly ids: ReadonlyMap<string, number>;
  /** Null when the group has something for everybody or is a part. */
  readonly alone: SelectorSlices | null;
};

/** What one group has for a set of selectors. */
export type Piece = {
  readonly group: StoredGroup;
  readonly slices: Slices;
  readonly sizeBytes: number;
  /** Nothing was cut off: every reader of the set that has not read the group gets the same. */
  readonly isWhole: boolean;
};

/** What a cached group costs besides its body: its arrays, its maps, its place. */
const CACHED_GROUP_BYTES = 1024;

export class LogTail {
  readonly store: LogStore;
  /** Set by readers that number lines: they must know whether a position inside the last purged transaction lacks some. */
  countsPurged = false;
  readonly sets: ReaderSets = new ReaderSets();
  readonly #bytesMax: number;
  readonly #cache = new Map<number, CachedGroup>();
  #bytes = 0;
  #index = new SelectorIndex();
  /** Everything up to this group is to be purged. */
  #unpurged: number | null = null;

  constructor(store: LogStore, bytesMax: number) {
    this.store = store;
    this.#bytesMax = bytesMax;
    this.rebuild();
  }

  /** After the store was opened or reset. */
  rebuild(): void {
    this.#cache.clear();
    this.sets.clear();
    this.#bytes = 0;
    this.#unpurged = null;
    this.#index = new SelectorIndex();
    for (const head of this.store.heads) this.#index.add(head);
  }

  /** Notes appended groups; `fresh` are those whose content is still at hand. */
  added(heads: readonly GroupHead[], fresh: readonly NewGroup[]): void {
    for (const head of heads) this.#index.add(head);
    if (fresh.length !== heads.length) return;
    heads.forEach((head, at) => {
      const content = fresh[at]?.content;
      if (content !== undefined)
        this.#keep({ head, content, frames: new Map(), frameBytes: 0, lookup: null });
    });
  }

  /** The groups from `firstSeq` to `lastSeq` become one. Throws as `LogStore.merge`. */
  merge(firstSeq: number, lastSeq: number): GroupHead {
    const head = this.store.merge(firstSeq, lastSeq);
    this.#index.merge(firstSeq, head);
    for (let seq = firstSeq; seq <= lastSeq; seq += 1) {
      const cached = this.#cache.get(seq);
      if (cached !== undefined) this.#forget(seq, cached);
    }
    return head;
  }

  /** What a full disk does not let go of goes with the next purge, or by `purgeLeft`. */
  purge(seq: number): void {
    this.#unpurged = seq;
    this.purgeLeft();
  }

  /** Purges what could not be purged when it was due. False: the disk does not let it go, and it must be left alone. */
  purgeLeft(): boolean {
    const seq = this.#unpurged;
    if (seq === null) return true;
    try {
      this.store.purge(seq, this.countsPurged ? linesOfPurged(this.store, seq) : undefined);
    } catch (error) {
      if (!hasCode(error, 'LOG_WRITE_FAILED')) throw error;
      return false;
    }
    this.#unpurged = null;
    this.#index.drop(seq);
    for (const [cached, group] of this.#cache) {
      if (cached <= seq) this.#forget(cached, group);
    }
    return true;
  }

  /** The first group after `seq` that has something for these selectors, or Infinity. */
  next(selectors: Iterable<string>, seq: number): number {
    return this.#index.next(selectors, seq);
  }

  read(seq: number): StoredGroup {
    return this.#get(seq);
  }

  /** What a group has for a set of readers; `after` cuts off transactions that this one has already. */
  piece(seq: number, { wanted }: ReaderSet, after: number): Piece {
    const group = this.#get(seq);
    const isWhole = group.head.firstTs > after;
    const slices = this.#slices(group, { wanted, after }, isWhole);
    return { group, slices, sizeBytes: sizeOf(slices), isWhole };
  }

  /** What another reader of the set has put together from `seq` on, if this one needs exactly that. */
  runAt(seq: number, { run }: ReaderSet, after: number): Run | null {
    if (run === null || run.firstSeq !== seq || run.firstTs <= after) return null;
    // A merged group keeps a number: it may begin earlier now.
    return this.#get(seq).head.firstTs === run.firstTs ? run : null;
  }

  /** The bytes of a piece, kept for others of the same set when there are any. */
  frame({ group, slices, isWhole }: Piece, { key, readers }: ReaderSet): Uint8Array {
    const { body } = group.content;
    const cached = isWhole && readers > 1 ? this.#cache.get(group.head.seq) : undefined;
    if (cached === undefined) return gather(body, slices);
    const known = cached.frames.get(key);
    if (known !== undefined) return known;
    const made = gather(body, slices);
    cached.frames.set(key, made);
    if (made.buffer !== body.buffer) {
      cached.frameBytes += made.length;
      this.#bytes += made.length;
    }
    return made;
  }

  #slices(
    group: CachedGroup,
    reader: { wanted: ReadonlySet<string>; after: number },
    isWhole: boolean,
  ): Slices {
    const { ids, alone } = group.lookup ?? this.#lookup(group);
    const isWanted: boolean[] = [];
    let count = 0;
    let only = 0;
    for (const selector of reader.wanted) {
      const id = ids.get(selector);
      if (id === undefined) continue;
      if (count === 1) isWanted[only] = true;
      if (count > 0) isWanted[id] = true;
      count += 1;
      only = id;
    }
    if (count === 1) {
      if (isWhole && alone !== null) return alone.of(only);
      isWanted[only] = true;
    }
    return sliceGroup({
      content: group.content,
      isWanted,
      after: reader.after as GroupHead['lastTs'],
      isContinued: group.head.part === 'last',
    });
  }

  #lookup(group: CachedGroup): SelectorLookup {
    const { head, content } = group;
    const ids = new Map(head.selectors.map((selector, id) => [selector, id]));
    const alone = head.part === 'whole' ? sliceBySelector(content, head.selectors.length) : null;
    const sizeBytes = content.segments.byteLength * 4;
    group.frameBytes += sizeBytes;
    this.#bytes += sizeBytes;
    group.lookup = { ids, alone };
    return group.lookup;
  }

  /** Position in `heads` of the first group with a transaction after `ts`; its `seq` minus one, for `next`. */
  seqBefore(ts: number): number {
    const { heads } = this.store;
    let low = 0;
    let high = heads.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((heads[middle]?.lastTs ?? 0) > ts) high = middle;
      else low = middle + 1;
    }
    const first = heads[low];
    if (first !== undefined) return first.seq - 1;
    return heads[heads.length - 1]?.seq ?? 0;
  }

  /** Frames count too, so that many selector sets cannot outgrow the budget unseen. */
  #get(seq: number): CachedGroup {
    const cached = this.#cache.get(seq);
    if (cached !== undefined) return cached;
    const group = this.store.read(seq);
    // A number of before a merge finds the merged group.
    const merged = this.#cache.get(group.head.seq);
    return merged ?? this.#keep({ ...group, frames: new Map(), frameBytes: 0, lookup: null });
  }

  #keep(group: CachedGroup): CachedGroup {
    this.#cache.set(group.head.seq, group);
    this.#bytes += group.content.body.length + CACHED_GROUP_BYTES;
    for (const [seq, old] of this.#cache) {
      if (this.#bytes <= this.#bytesMax || seq === group.head.seq) break;
      this.#forget(seq, old);
    }
    return group;
  }

  #forget(seq: number, group: CachedGroup): void {
    this.#cache.delete(seq);
    this.#bytes -= group.content.body.length + CACHED_GROUP_BYTES + group.frameBytes;
  }
}
