/** hot path: which bytes of a group a set of selectors gets. */
import type { Ts } from '../core/lsn.ts';
import { type GroupContent, SEGMENT_ALL, SEGMENT_COMMIT } from './group.ts';

/** Byte ranges of a group's body: pairs of start and end in `ranges[from..to)`, ascending, neighbours merged. */
export type Slices = {
  readonly ranges: ArrayLike<number>;
  readonly from: number;
  readonly to: number;
};

export type SliceRequest = {
  readonly content: GroupContent;
  /** Which of the group's selectors are wanted, by local id; beyond its end: no. */
  readonly isWanted: readonly boolean[];
  /** Transactions at or before this are left out. */
  readonly after: Ts;
  /** Transactions after this are left out; default none. */
  readonly upTo?: Ts;
  /** True for the last part of a large transaction some earlier part of which was delivered. */
  readonly isContinued: boolean;
  /** Which transactions to deliver, besides `after`; default all. */
  readonly accept?: (txid: number) => boolean;
};

/** Whole transactions of a group (or the piece of one) for these selectors. */
export function sliceGroup(request: SliceRequest): Slices {
  const { segments, transactions } = request.content;
  const { isWanted } = request;
  const out: number[] = [];
  let start = 0;
  let tx = 0;
  let isIncluded = accepts(request, tx);
  let hasLines = request.isContinued;
  for (let index = 0; index < segments.length; index += 2) {
    const id = segments[index] ?? 0;
    const end = segments[index + 1] ?? 0;
    if (id === SEGMENT_COMMIT) {
      if (hasLines && isIncluded) push(out, start, end);
      tx += 1;
      isIncluded = tx * 3 < transactions.length ? accepts(request, tx) : true;
      hasLines = false;
    } else if (isIncluded && (id === SEGMENT_ALL || isWanted[id] === true)) {
      push(out, start, end);
      hasLines = true;
    }
    start = end;
  }
  return slicesOf(out);
}

/** All of these ranges. */
function slicesOf(ranges: readonly number[]): Slices {
  return { ranges, from: 0, to: ranges.length };
}

/** The slices of every selector of a group, each alone. */
export class SelectorSlices {
  /** Of all selectors one after the other; `#ends` says where those of each end, `#starts` where they start. */
  readonly #ranges: Uint32Array;
  readonly #starts: Uint32Array;
  readonly #ends: Uint32Array;

  constructor(ranges: Uint32Array, starts: Uint32Array, ends: Uint32Array) {
    this.#ranges = ranges;
    this.#starts = starts;
    this.#ends = ends;
  }

  /** Those of a selector, by local id, without a copy. */
  of(id: number): Slices {
    return { ranges: this.#ranges, from: this.#starts[id] ?? 0, to: this.#ends[id] ?? 0 };
  }
}

/**
 * The slices of every selector alone in one pass: with many selectors and a reader for each, a pass per
 * reader would cost readers times segments. Null when some segment goes to everybody.
 */
export function sliceBySelector(
  content: GroupContent,
  selectorCount: number,
): SelectorSlices | null {
  const starts = rangeStarts(content, selectorCount);
  if (starts === null) return null;
  const { segments } = content;
  const ends = starts.slice(0, selectorCount);
  const ranges = new Uint32Array(starts[selectorCount] ?? 0);
  const touched = new Uint32Array(selectorCount);
  let touchedCount = 0;
  /** The transaction, counted from 1, in which a selector was last touched. */
  const seen = new Uint32Array(selectorCount);
  let tx = 1;
  let start = 0;
  const add = (id: number, end: number): void => {
    const at = ends[id] ?? 0;
    const isNeighbour = at > (starts[id] ?? 0) && ranges[at - 1] === start;
    if (isNeighbour) ranges[at - 1] = end;
    else {
      ranges[at] = start;
      ranges[at + 1] = end;
      ends[id] = at + 2;
    }
  };
  for (let index = 0; index < segments.length; index += 2) {
    const id = segments[index] ?? 0;
    const end = segments[index + 1] ?? 0;
    if (id === SEGMENT_COMMIT) {
      for (let one = 0; one < touchedCount; one += 1) add(touched[one] ?? 0, end);
      touchedCount = 0;
      tx += 1;
    } else if (id < selectorCount) {
      if (seen[id] !== tx) touched[touchedCount++] = id;
      seen[id] = tx;
      add(id, end);
    }
    start = end;
  }
  return new SelectorSlices(ranges, starts, ends);
}

/** Where each selector's ranges would start if none were merged, and the end. Null: see `sliceBySelector`. */
function rangeStarts({ segments }: GroupContent, selectorCount: number): Uint32Array | null {
  const starts = new Uint32Array(selectorCount + 1);
  const seen = new Uint32Array(selectorCount);
  let tx = 1;
  for (let index = 0; index < segments.length; index += 2) {
    const id = segments[index] ?? 0;
    if (id === SEGMENT_ALL) return null;
    if (id === SEGMENT_COMMIT) tx += 1;
    else if (id < selectorCount) {
      // The first segment of a transaction brings its commit line with it.
      starts[id + 1] = (starts[id + 1] ?? 0) + (seen[id] === tx ? 2 : 4);
      seen[id] = tx;
    }
  }
  for (let id = 0; id < selectorCount; id += 1) {
    starts[id + 1] = (starts[id + 1] ?? 0) + (starts[id] ?? 0);
  }
  return starts;
}

function accepts(request: SliceRequest, tx: number): boolean {
  const ts = request.content.transactions[tx * 3];
  const txid = request.content.transactions[tx * 3 + 1];
  if (ts === undefined || txid === undefined) return true;
  if (request.upTo !== undefined && ts > request.upTo) return false;
  return ts > request.after && (request.accept === undefined || request.accept(txid));
}

function push(out: number[], start: number, end: number): void {
  if (out.length > 0 && out[out.length - 1] === start) out[out.length - 1] = end;
  else out.push(start, end);
}

export function sizeOf({ ranges, from, to }: Slices): number {
  let size = 0;
  for (let index = from; index < to; index += 2) {
    size += (ranges[index + 1] ?? 0) - (ranges[index] ?? 0);
  }
  return size;
}

/** The bytes of the ranges, copied together; a view of the body when it is one range. */
export function gather(body: Uint8Array, slices: Slices): Uint8Array {
  const { ranges, from, to } = slices;
  if (to - from === 2) return body.subarray(ranges[from], ranges[from + 1]);
  const out = new Uint8Array(sizeOf(slices));
  copySlices(body, slices, out, 0);
  return out;
}

/** Copies the ranges to `out` from `at` on; returns where they end there. */
export function copySlices(
  body: Uint8Array,
  { ranges, from, to }: Slices,
  out: Uint8Array,
  at: number,
): number {
  let end = at;
  for (let index = from; index < to; index += 2) {
    const first = ranges[index] ?? 0;
    const last = ranges[index + 1] ?? 0;
    out.set(body.subarray(first, last), end);
    end += last - first;
  }
  return end;
}
