/**
 * Where the log has lines that no row change can express (truncate, resync, drop): readers that only know rows
 * cannot pass them, and rows before them may have another layout than today's.
 *
 * Found once per group; only groups with lines for everybody are looked at.
 */
import type { Ts } from '../core/lsn.ts';
import { SEGMENT_ALL, SEGMENT_COMMIT, type StoredGroup } from '../log/group.ts';
import { placeOf } from '../log/heads.ts';
import type { LogTail } from './log-tail.ts';

export type Unfollowable = { readonly ts: Ts; readonly txid: number };

const STARTS = ['truncate', 'resync', 'drop'].map((type) => Buffer.from(`{"type":"${type}"`));
const NEWLINE = 0x0a;

export class UnfollowableLines {
  readonly #tail: LogTail;
  /** Ascending. */
  #found: Unfollowable[] = [];
  /** Everything at or before this was looked at. */
  #upTo = 0 as Ts;
  #timeline: string | null = null;

  constructor(tail: LogTail) {
    this.#tail = tail;
  }

  /** The first such transaction after `since` that `accept` does not leave out. Looks at everything that is new. */
  after(since: Ts, accept: (txid: number) => boolean): Unfollowable | undefined {
    this.look(Number.POSITIVE_INFINITY);
    const from = Math.max(since, this.#tail.store.since);
    return this.#found.find(({ ts, txid }) => ts > from && accept(txid));
  }

  /** Looks at some groups that are new. False: there are more. After a start, that is the whole log. */
  look(groupsMax: number): boolean {
    const { store } = this.#tail;
    const timeline = JSON.stringify(store.identity);
    if (timeline !== this.#timeline) {
      this.#found = [];
      this.#upTo = 0 as Ts;
      this.#timeline = timeline;
    }
    this.#found = this.#found.filter(({ ts }) => ts > store.since);
    const { heads } = store;
    let groups = 0;
    for (let at = this.#firstNew(); at < heads.length; at += 1) {
      const head = heads[at];
      // Parts of one transaction have one position: it is behind us only after the last of them.
      if (head === undefined || (groups >= groupsMax && heads[at - 1]?.part !== 'open'))
        return false;
      if (head.hasAll) {
        this.#add(this.#tail.read(head.seq));
        groups += 1;
      }
      if (head.part !== 'open') this.#upTo = head.lastTs;
    }
    return true;
  }

  /** Place of the first head that was not looked at. */
  #firstNew(): number {
    return placeOf(this.#tail.store.heads, this.#tail.seqBefore(this.#upTo) + 1);
  }

  #add({ content }: StoredGroup): void {
    const { segments, transactions, body } = content;
    let start = 0;
    let tx = 0;
    for (let index = 0; index < segments.length; index += 2) {
      const end = segments[index + 1] ?? 0;
      if (segments[index] === SEGMENT_COMMIT) tx += 1;
      const ts = (transactions[tx * 3] ?? 0) as Ts;
      const isNew = ts > this.#upTo && this.#found.at(-1)?.ts !== ts;
      if (segments[index] === SEGMENT_ALL && isNew && hasSuchLine(body.subarray(start, end))) {
        this.#found.push({ ts, txid: transactions[tx * 3 + 1] ?? 0 });
      }
      start = end;
    }
  }
}

function hasSuchLine(segment: Uint8Array): boolean {
  const bytes = Buffer.from(segment.buffer, segment.byteOffset, segment.byteLength);
  for (let start = 0; start < bytes.length; ) {
    if (STARTS.some((text) => text.equals(bytes.subarray(start, start + text.length)))) return true;
    const end = bytes.indexOf(NEWLINE, start);
    if (end < 0) return false;
    start = end + 1;
  }
  return false;
}
