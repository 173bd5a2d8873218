/**
 * hot path: which lines of a group a set of selectors gets, transaction by transaction, each with its number
 * inside its whole transaction. What all readers of a group need is counted once, so that a reader costs as
 * much as its own lines: thousands may be woken by one group.
 */
import type { Ts } from '../core/lsn.ts';
import {
  type GroupContent,
  SEGMENT_ALL,
  SEGMENT_COMMIT,
  SEGMENT_NONE,
  type StoredGroup,
} from './group.ts';

const NEWLINE = 0x0a;

/** What there is to know about the lines of a group, whoever asks. */
export type LineIndex = {
  readonly content: GroupContent;
  /** Segments of each selector, ascending. */
  readonly bySelector: ReadonlyMap<string, readonly number[]>;
  /** Segments for everybody. */
  readonly forAll: readonly number[];
  /** By segment: its transaction, counted from 0. */
  readonly transactionOf: Uint32Array;
  /** By segment: how many lines its transaction has before it in this group. */
  readonly linesBefore: Uint32Array;
  /** By segment: its lines. */
  readonly lines: Uint32Array;
};

export type LinesRequest = {
  readonly selectors: Iterable<string>;
  /** Transactions at or before this are left out. */
  readonly after: Ts;
  readonly accept: (txid: number) => boolean;
  /** Lines of the group's first transaction that stand in earlier groups. */
  readonly linesBefore: number;
};

/** The wanted lines of one transaction, or of the part of it that stands in one group. Never empty. */
export type TransactionLines = {
  readonly ts: Ts;
  readonly txid: number;
  /** Commit time, microseconds since 1970. */
  readonly micros: number;
  /** Pairs of start and end in the group's body, ascending. */
  readonly ranges: readonly number[];
  /** The number of each of these lines inside the transaction, ascending. */
  readonly indexes: readonly number[];
};

export function indexLines({ head, content }: Pick<StoredGroup, 'head' | 'content'>): LineIndex {
  const { segments, body } = content;
  const count = segments.length / 2;
  const transactionOf = new Uint32Array(count);
  const linesBefore = new Uint32Array(count);
  const lines = new Uint32Array(count);
  const bySelector = new Map<string, number[]>();
  const forAll: number[] = [];
  let [start, transaction, line] = [0, 0, 0];
  for (let segment = 0; segment < count; segment += 1) {
    const id = segments[segment * 2] ?? SEGMENT_NONE;
    const end = segments[segment * 2 + 1] ?? 0;
    transactionOf[segment] = transaction;
    linesBefore[segment] = line;
    if (id === SEGMENT_COMMIT) {
      transaction += 1;
      line = 0;
    } else if (id !== SEGMENT_NONE) {
      const found = countLines(body, start, end);
      lines[segment] = found;
      line += found;
      file(id, segment, { selectors: head.selectors, bySelector, forAll });
    }
    start = end;
  }
  return { content, bySelector, forAll, transactionOf, linesBefore, lines };
}

export function wantedLines(index: LineIndex, request: LinesRequest): readonly TransactionLines[] {
  const found: TransactionLines[] = [];
  const segments = segmentsOf(index, request.selectors);
  for (let at = 0; at < segments.length; ) {
    const transaction = index.transactionOf[segments[at] ?? 0] ?? 0;
    let end = at;
    while (end < segments.length && index.transactionOf[segments[end] ?? 0] === transaction)
      end += 1;
    const lines = linesOf(index, { transaction, segments: segments.slice(at, end), request });
    if (lines !== null) found.push(lines);
    at = end;
  }
  return found;
}

/** Lines of the last transaction in the group, or of its part; its commit line does not count. */
export function linesOfLast({ segments, body }: GroupContent): number {
  let first = segments.length;
  while (first > 0 && (first === segments.length || segments[first - 2] !== SEGMENT_COMMIT)) {
    first -= 2;
  }
  let lines = 0;
  let start = first === 0 ? 0 : (segments[first - 1] ?? 0);
  for (let index = first; index < segments.length; index += 2) {
    const id = segments[index];
    const end = segments[index + 1] ?? 0;
    // Commit lines are nobody's change, and what was rolled back may be gone from the body one day.
    if (id !== SEGMENT_COMMIT && id !== SEGMENT_NONE) lines += countLines(body, start, end);
    start = end;
  }
  return lines;
}

function file(
  id: number,
  segment: number,
  to: {
    readonly selectors: readonly string[];
    readonly bySelector: Map<string, number[]>;
    readonly forAll: number[];
  },
): void {
  if (id === SEGMENT_ALL) {
    to.forAll.push(segment);
    return;
  }
  const selector = to.selectors[id];
  if (selector === undefined) return;
  const list = to.bySelector.get(selector);
  if (list === undefined) to.bySelector.set(selector, [segment]);
  else list.push(segment);
}

/** Ascending. */
function segmentsOf(index: LineIndex, selectors: Iterable<string>): readonly number[] {
  const lists = [index.forAll];
  for (const selector of selectors) lists.push(index.bySelector.get(selector) ?? []);
  const filled = lists.filter(({ length }) => length > 0);
  const [only = []] = filled;
  return filled.length > 1 ? filled.flat().sort((a, b) => a - b) : only;
}

function linesOf(
  { content, linesBefore, lines }: LineIndex,
  part: {
    readonly transaction: number;
    readonly segments: readonly number[];
    readonly request: LinesRequest;
  },
): TransactionLines | null {
  const { transaction, request } = part;
  const { transactions, segments } = content;
  const ts = (transactions[transaction * 3] ?? 0) as Ts;
  const txid = transactions[transaction * 3 + 1] ?? 0;
  if (ts <= request.after || !request.accept(txid)) return null;
  const before = transaction === 0 ? request.linesBefore : 0;
  const ranges: number[] = [];
  const indexes: number[] = [];
  for (const segment of part.segments) {
    ranges.push(segments[segment * 2 - 1] ?? 0, segments[segment * 2 + 1] ?? 0);
    const first = before + (linesBefore[segment] ?? 0);
    for (let line = 0; line < (lines[segment] ?? 0); line += 1) indexes.push(first + line);
  }
  return { ts, txid, micros: transactions[transaction * 3 + 2] ?? 0, ranges, indexes };
}

function countLines(body: Uint8Array, start: number, end: number): number {
  let lines = 0;
  for (let at = body.indexOf(NEWLINE, start); at >= 0 && at < end; lines += 1) {
    at = body.indexOf(NEWLINE, at + 1);
  }
  return lines;
}
