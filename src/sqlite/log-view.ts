/**
 * What readers may see of the log: the heads of its groups and its positions. Changes only after the SQLite
 * transaction that stores the change has come to its end.
 */
import type { Ts } from '../core/lsn.ts';
import type { GroupHead } from '../log/group.ts';

/** The positions of the log as they are stored. */
export type Frontier = {
  /** Groups before this number are purged. */
  readonly firstSeq: number;
  readonly since: Ts;
  readonly upper: Ts;
  readonly purgedTxid: number;
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
    return this.#frontier.firstSeq + this.#heads.length;
  }

  /** The head of a group that is there. */
  headOf(seq: number): GroupHead | undefined {
    return this.#heads[seq - this.#frontier.firstSeq];
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
    for (const head of this.#heads.splice(0, frontier.firstSeq - this.#frontier.firstSeq)) {
      this.#sizeBytes -= head.sizeBytes;
    }
    this.#frontier = frontier;
  }
}
