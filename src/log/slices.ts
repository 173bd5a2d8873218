/** hot path: which bytes of a group a set of selectors gets. */
import type { Ts } from '../core/lsn.ts';
import { type GroupContent, SEGMENT_ALL, SEGMENT_COMMIT } from './group.ts';

/** Byte ranges of a group's body: pairs of start and end, ascending, neighbours merged. */
export type Slices = readonly number[];

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
  return out;
}

/**
 * The slices of every selector alone, by local id, in one pass: with many selectors and a reader for each,
 * a pass per reader would cost readers times segments. Null when some segment goes to everybody.
 */
export function sliceBySelector(
  content: GroupContent,
  selectorCount: number,
): readonly Slices[] | null {
  const { segments } = content;
  const slices: number[][] = Array.from({ length: selectorCount }, () => []);
  let touched: number[] = [];
  /** The number of the transaction in which a selector was last touched. */
  const seen = new Int32Array(selectorCount).fill(-1);
  let tx = 0;
  let start = 0;
  for (let index = 0; index < segments.length; index += 2) {
    const id = segments[index] ?? 0;
    const end = segments[index + 1] ?? 0;
    if (id === SEGMENT_ALL) return null;
    if (id === SEGMENT_COMMIT) {
      for (const one of touched) push(slices[one] ?? [], start, end);
      touched = [];
      tx += 1;
    } else if (id < selectorCount) {
      if (seen[id] !== tx) touched.push(id);
      seen[id] = tx;
      push(slices[id] ?? [], start, end);
    }
    start = end;
  }
  return slices;
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

/** The bytes of the ranges, copied together; the body itself when one range covers it. */
export function gather(body: Uint8Array, slices: Slices): Uint8Array {
  if (slices.length === 2) return body.subarray(slices[0], slices[1]);
  let size = 0;
  for (let index = 0; index < slices.length; index += 2) {
    size += (slices[index + 1] ?? 0) - (slices[index] ?? 0);
  }
  const out = new Uint8Array(size);
  let at = 0;
  for (let index = 0; index < slices.length; index += 2) {
    out.set(body.subarray(slices[index], slices[index + 1]), at);
    at += (slices[index + 1] ?? 0) - (slices[index] ?? 0);
  }
  return out;
}
