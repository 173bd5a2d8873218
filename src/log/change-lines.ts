/**
 * hot path: which lines of a group a set of selectors gets, transaction by transaction, each with its number
 * inside its whole transaction. Lines of other selectors are counted, not read.
 */
import type { Ts } from '../core/lsn.ts';
import { type GroupContent, SEGMENT_ALL, SEGMENT_COMMIT, SEGMENT_NONE } from './group.ts';

const NEWLINE = 0x0a;

export type LinesRequest = {
  readonly content: GroupContent;
  /** Which of the group's selectors are wanted, by local id; beyond its end: no. */
  readonly isWanted: readonly boolean[];
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
  /** Byte ranges of the body: pairs of start and end. */
  readonly ranges: readonly number[];
  /** The number of each of these lines inside the transaction, ascending. */
  readonly indexes: readonly number[];
};

export function wantedLines(request: LinesRequest): readonly TransactionLines[] {
  const { content, isWanted, after, accept } = request;
  const { segments, transactions, body } = content;
  const found: TransactionLines[] = [];
  let start = 0;
  let first = 0;
  let linesBefore = request.linesBefore;
  for (let tx = 0; tx * 3 < transactions.length; tx += 1) {
    const end = endOfTransaction(segments, first);
    const ts = (transactions[tx * 3] ?? 0) as Ts;
    const txid = transactions[tx * 3 + 1] ?? 0;
    const isDue = ts > after && hasWanted(segments, isWanted, { first, end }) && accept(txid);
    if (isDue) {
      const lines = collect({ body, segments, isWanted, first, end, start, linesBefore });
      found.push({ ts, txid, micros: transactions[tx * 3 + 2] ?? 0, ...lines });
    }
    start = segments[end - 1] ?? 0;
    first = end;
    linesBefore = 0;
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
    const end = segments[index + 1] ?? 0;
    if (counts(segments[index])) lines += countLines(body, start, end);
    start = end;
  }
  return lines;
}

/** Behind the commit segment of the transaction whose segments start at `first`. */
function endOfTransaction(segments: Uint32Array, first: number): number {
  for (let index = first; index < segments.length; index += 2) {
    if (segments[index] === SEGMENT_COMMIT) return index + 2;
  }
  return segments.length;
}

function hasWanted(
  segments: Uint32Array,
  isWanted: readonly boolean[],
  { first, end }: { first: number; end: number },
): boolean {
  for (let index = first; index < end; index += 2) {
    const id = segments[index] ?? 0;
    if (id === SEGMENT_ALL || isWanted[id] === true) return true;
  }
  return false;
}

function collect(part: {
  readonly body: Uint8Array;
  readonly segments: Uint32Array;
  readonly isWanted: readonly boolean[];
  readonly first: number;
  readonly end: number;
  readonly start: number;
  readonly linesBefore: number;
}): { ranges: readonly number[]; indexes: readonly number[] } {
  const { body, segments, isWanted, first, end } = part;
  const ranges: number[] = [];
  const indexes: number[] = [];
  let start = part.start;
  let line = part.linesBefore;
  for (let index = first; index < end; index += 2) {
    const id = segments[index] ?? 0;
    const stop = segments[index + 1] ?? 0;
    if (counts(id)) {
      const lines = countLines(body, start, stop);
      if (id === SEGMENT_ALL || isWanted[id] === true) {
        ranges.push(start, stop);
        for (let at = 0; at < lines; at += 1) indexes.push(line + at);
      }
      line += lines;
    }
    start = stop;
  }
  return { ranges, indexes };
}

/** Commit lines are nobody's change, and what was rolled back may be gone from the body one day. */
function counts(id: number | undefined): boolean {
  return id !== SEGMENT_COMMIT && id !== SEGMENT_NONE;
}

function countLines(body: Uint8Array, start: number, end: number): number {
  let lines = 0;
  for (let at = body.indexOf(NEWLINE, start); at >= 0 && at < end; lines += 1) {
    at = body.indexOf(NEWLINE, at + 1);
  }
  return lines;
}
