/**
 * One reading of the log as changes: for answers that end, in protocols that number each change. It reads the
 * log as it was when the reading was opened, never cuts a transaction, and parses a little at a time. The log goes on
 * meanwhile: merged groups are found by their old numbers, and what was purged or is of another history ends it.
 */
import { TidelockError } from '../core/errors.ts';
import { formatLsn, type Ts } from '../core/lsn.ts';
import type { TableDef } from '../core/table.ts';
import {
  indexLines,
  type LineIndex,
  type TransactionLines,
  wantedLines,
} from '../log/change-lines.ts';
import type { GroupContent, GroupHead, StoredGroup } from '../log/group.ts';
import { LineSplitter } from '../protocol/lines.ts';
import type { Change } from '../protocol/transicator/change.ts';
import { compareSequences, type Sequence } from '../protocol/transicator/sequence.ts';
import type { ChangeReading } from './api.ts';
import { changeOf } from './change-of-line.ts';
import type { LogTail } from './log-tail.ts';

/** An answer is cut at the end of the transaction that reaches this many stored bytes. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

export type ScanOptions = {
  readonly tail: LogTail;
  /** Lines of a large transaction before the group with this head. */
  readonly linesBefore: (head: GroupHead) => number;
  readonly selectors: readonly string[];
  readonly since: Sequence | null;
  readonly accept: (txid: number) => boolean;
  readonly changesMax: number;
  readonly history: number;
  /** As of `upTo`. */
  readonly tables: readonly TableDef[];
  /** Lowest and highest of the whole log, and where it ended, when the reading was opened. */
  readonly first: Sequence;
  readonly last: Sequence;
  readonly upTo: Ts;
};

export class ChangeScan implements ChangeReading {
  readonly first: Sequence;
  readonly upTo: Ts;
  readonly #options: ScanOptions;
  readonly #wanted: ReadonlySet<string>;
  readonly #tables: ReadonlyMap<string, TableDef>;
  /**
   * The next group that has something for the selectors. Known from the start on, because a group that is purged
   * is not found any more: reading it by its number fails, and nothing is passed over.
   */
  #nextSeq: number;
  #after: Ts;
  /** Lines taken so far; a line is a change, but for definitions of tables. */
  #lines = 0;
  #bytes = 0;
  /** The large transaction that is being handed out. */
  #inside: Ts | null = null;
  #taken: Sequence | null = null;
  /** What of the last group is still to be handed out. */
  #pieces: Piece[] = [];
  #isEnded: boolean;
  #isCut = false;

  constructor(options: ScanOptions) {
    const { since, tail } = options;
    this.#options = options;
    this.first = options.first;
    this.upTo = options.upTo;
    this.#wanted = new Set(options.selectors);
    this.#tables = new Map(options.tables.map((table) => [table.name, table]));
    // A cut inside a large transaction leaves its last parts, which are of no use to anybody.
    this.#after = Math.max(tail.store.since, (since?.ts ?? 0) - 1) as Ts;
    this.#nextSeq = tail.next(this.#wanted, tail.seqBefore(this.#after));
    this.#isEnded = options.changesMax <= 0;
  }

  get last(): Sequence {
    const { changesMax, last } = this.#options;
    const isFull = changesMax > 0 && this.#lines >= changesMax;
    return (this.#isCut || isFull) && this.#taken !== null ? this.#taken : last;
  }

  /** The next changes, or null at the end. Throws `TOO_OLD` when the log was cut meanwhile. */
  read(): readonly Change[] | null {
    // Bounded by the groups of the log: every turn moves `#nextSeq` up, takes a piece or ends.
    for (;;) {
      const piece = this.#pieces.shift();
      const changes = piece === undefined ? [] : this.#parse(piece);
      if (changes.length > 0) return changes;
      if (piece !== undefined) continue;
      if (this.#isEnded || this.#nextSeq === Number.POSITIVE_INFINITY) return null;
      this.#readGroup(this.#nextSeq);
    }
  }

  #readGroup(seq: number): void {
    const { tail, accept, since, linesBefore } = this.#options;
    const group = tail.read(seq);
    const { head, content } = group;
    // Lines are counted from the first part on.
    if (head.firstTs <= tail.store.since) throw wasCut(head.firstTs);
    this.#nextSeq = tail.next(this.#wanted, head.seq);
    if (head.firstTs > this.upTo || this.#mustStopBefore(head)) {
      this.#isEnded = true;
      return;
    }
    const found = wantedLines(lineIndexOf(group), {
      selectors: this.#wanted,
      after: this.#after,
      accept,
      linesBefore: head.part === 'whole' ? 0 : linesBefore(head),
    });
    const due = found.filter((one) => countAfter(one, since) > 0);
    const taken = this.#take(head, due);
    if (head.part !== 'open') this.#after = Math.max(this.#after, head.lastTs) as Ts;
    this.#pieces = piecesOf(content.body, taken);
  }

  /** A transaction of many groups is not started behind others: it may be larger than any limit. */
  #mustStopBefore(head: GroupHead): boolean {
    if (head.part === 'whole' || this.#inside === head.lastTs) return false;
    if (head.part === 'open' && this.#lines > 0) this.#isCut = true;
    return this.#isCut;
  }

  /** As many of the transactions as fit; the first one always does. */
  #take(head: GroupHead, due: readonly TransactionLines[]): readonly TransactionLines[] {
    const taken: TransactionLines[] = [];
    for (const transaction of due) {
      if (transaction.ts > this.upTo) {
        this.#isEnded = true;
        break;
      }
      const isInside = this.#inside === transaction.ts;
      const lines = this.#lines + countAfter(transaction, this.#options.since);
      if (!isInside && this.#lines > 0 && lines > this.#options.changesMax) return this.#cut(taken);
      taken.push(transaction);
      this.#lines = lines;
      this.#bytes += sizeOf(transaction);
      this.#taken = this.#sequence(transaction, transaction.indexes.at(-1) ?? 0);
      if (head.part === 'open') this.#inside = transaction.ts;
      else if (this.#isFull()) return this.#cut(taken);
    }
    if (head.part === 'last' && this.#inside === head.lastTs && this.#isFull()) this.#cut(taken);
    return taken;
  }

  #isFull(): boolean {
    return this.#lines >= this.#options.changesMax || this.#bytes >= ANSWER_BYTES_MAX;
  }

  #cut(taken: readonly TransactionLines[]): readonly TransactionLines[] {
    this.#isCut = true;
    this.#isEnded = true;
    return taken;
  }

  #parse({ bytes, places }: Piece): readonly Change[] {
    const { since } = this.#options;
    const lines = new LineSplitter().push(bytes);
    const changes: Change[] = [];
    for (const [at, { transaction, index }] of places.entries()) {
      const line = lines[at];
      const sequence = this.#sequence(transaction, index);
      if (line === undefined) throw unreadable(sequence);
      if (since !== null && compareSequences(sequence, since) <= 0) continue;
      const { txid, micros } = transaction;
      const change = changeOf(line, { tables: this.#tables, sequence, txid, micros });
      if (change !== null) changes.push(change);
    }
    return changes;
  }

  #sequence({ ts }: TransactionLines, index: number): Sequence {
    return { history: this.#options.history, ts, index };
  }
}

/** Kept as long as the group's content is. */
const lineIndexes = new WeakMap<GroupContent, LineIndex>();

function lineIndexOf(group: StoredGroup): LineIndex {
  const known = lineIndexes.get(group.content);
  if (known !== undefined) return known;
  const made = indexLines(group);
  lineIndexes.set(group.content, made);
  return made;
}

/** Some lines of a group, few enough to be parsed and written together. */
type Piece = {
  readonly bytes: Uint8Array;
  readonly places: readonly Place[];
};

type Place = { readonly transaction: TransactionLines; readonly index: number };

/** Objects of a larger piece would outlive the young generation of the heap, and memory would swell. */
const PIECE_BYTES = 32 * 1024;
const NEWLINE = 0x0a;

/** Cut between lines. */
function piecesOf(body: Uint8Array, taken: readonly TransactionLines[]): Piece[] {
  const pieces: Piece[] = [];
  let lines: Uint8Array[] = [];
  let places: Place[] = [];
  let bytes = 0;
  const cut = (): void => {
    if (places.length > 0) pieces.push({ bytes: Buffer.concat(lines, bytes), places });
    lines = [];
    places = [];
    bytes = 0;
  };
  for (const transaction of taken) {
    const { ranges, indexes } = transaction;
    let line = 0;
    for (let at = 0; at < ranges.length; at += 2) {
      const end = ranges[at + 1] ?? 0;
      for (let start = ranges[at] ?? 0; start < end; line += 1) {
        const stop = body.indexOf(NEWLINE, start) + 1;
        lines.push(body.subarray(start, stop));
        places.push({ transaction, index: indexes[line] ?? 0 });
        bytes += stop - start;
        start = stop;
        if (bytes >= PIECE_BYTES) cut();
      }
    }
  }
  cut();
  return pieces;
}

/** Lines that the bearer of `since` does not have. */
function countAfter({ ts, indexes }: TransactionLines, since: Sequence | null): number {
  if (ts !== since?.ts) return indexes.length;
  return indexes.length - indexes.findLastIndex((index) => index <= since.index) - 1;
}

function sizeOf({ ranges }: TransactionLines): number {
  let bytes = 0;
  for (let at = 0; at < ranges.length; at += 2) bytes += (ranges[at + 1] ?? 0) - (ranges[at] ?? 0);
  return bytes;
}

function wasCut(ts: Ts): TidelockError {
  return new TidelockError({
    code: 'TOO_OLD',
    message: `the log was cut inside the transaction at ${formatLsn(ts)} while it was read`,
    hint: 'take a new snapshot',
  });
}

function unreadable({ ts, index }: Sequence): TidelockError {
  return new TidelockError({
    code: 'INTERNAL',
    message: `change ${index} of the transaction at ${ts} is not where its index says`,
  });
}
