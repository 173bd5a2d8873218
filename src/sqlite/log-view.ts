/**
 * What readers may see of the log: the heads of its groups and its positions. Changes only after the SQLite
 * transaction that stores the change has come to its end.
 */
import type { Ts } from '../core/lsn.ts';
import type { GroupHead } from '../log/group.ts';
import { placeOf } from '../log/heads.ts';
import type { TransactionMark } from '../log/port.ts';

/** The positions of the log as they are stored. */
export type Frontier = {
  /** Groups before this number are purged. */
  readonly firstSeq: number;
  readonly since: Ts;
  readonly upper: Ts;
  readonly purgedTxid: number;
  /** Missing when it was not counted. */
  readonly purgedLines?: number | undefined;
  /** Written when the last group is purged. */
  readonly purgedEnd?: TransactionMark | undefined;
};

export class LogView {
  readonly #heads: GroupHead[] = [];
  #frontier: Frontier;
  #sizeBytes = 0;

  constructor(frontier: Frontier) {
    this.#frontier = frontier;
  }

  get heads(): readonly GroupHead[] {
    return this.#heads;
  }

  get frontier(): Frontier {
    return this.#frontier;
  }

  /** Of all groups. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get nextSeq(): number {
    return (this.#heads.at(-1)?.seq ?? this.#frontier.firstSeq - 1) + 1;
  }

  /** The head of the group that has this number, or that the group with this number was merged into. */
  headOf(seq: number): GroupHead | undefined {
    return this.#heads[placeOf(this.#heads, seq)];
  }

  /** The last group whose number is not above `seq`. */
  lastUpTo(seq: number): GroupHead | undefined {
    return this.#heads[placeOf(this.#heads, seq + 1) - 1];
  }

  /** Neighbouring groups; empty unless both ends are there. */
  between(firstSeq: number, lastSeq: number): readonly GroupHead[] {
    const heads = this.#heads.slice(
      placeOf(this.#heads, firstSeq),
      placeOf(this.#heads, lastSeq) + 1,
    );
    return heads[0]?.seq === firstSeq && heads.at(-1)?.seq === lastSeq ? heads : [];
  }

  /** The first number that the group with this number stands for: another than its own when it was merged. */
  firstSeqOf(seq: number): number {
    const before = this.#heads[placeOf(this.#heads, seq) - 1];
    return before === undefined ? this.#frontier.firstSeq : before.seq + 1;
  }

  /** A new, empty history. */
  reset(frontier: Frontier): void {
    this.#heads.length = 0;
    this.#sizeBytes = 0;
    this.#frontier = frontier;
  }

  /** The log moved on without a group. */
  moveTo(frontier: Frontier): void {
    this.#frontier = frontier;
  }

  add(head: GroupHead): void {
    this.#heads.push(head);
    this.#sizeBytes += head.sizeBytes;
    if (head.lastTs > this.#frontier.upper) {
      this.#frontier = { ...this.#frontier, upper: head.lastTs };
    }
  }

  /** The groups from `firstSeq` to `merged` are one group now. */
  merge(firstSeq: number, merged: GroupHead): void {
    const place = placeOf(this.#heads, firstSeq);
    const count = placeOf(this.#heads, merged.seq) + 1 - place;
    for (const head of this.#heads.splice(place, count, merged)) this.#sizeBytes -= head.sizeBytes;
    this.#sizeBytes += merged.sizeBytes;
  }

  /** The positions when everything up to the group `last` is purged. */
  frontierAfter(last: GroupHead): Frontier {
    let { purgedTxid } = this.#frontier;
    for (const head of this.#heads) {
      if (head.seq > last.seq) break;
      purgedTxid = Math.max(purgedTxid, head.maxTxid);
    }
    return { ...this.#frontier, firstSeq: last.seq + 1, since: last.lastTs, purgedTxid };
  }

  /** Groups before `frontier.firstSeq` are purged. */
  purge(frontier: Frontier): void {
    for (const head of this.#heads.splice(0, placeOf(this.#heads, frontier.firstSeq))) {
      this.#sizeBytes -= head.sizeBytes;
    }
    this.#frontier = frontier;
  }
}
