/**
 * Where the log has lines that no row change can express (truncate, resync, drop): readers that only know rows
 * cannot pass them, and rows before them may have another layout than today's.
 *
 * Found once per group; only groups with lines for everybody are looked at.
 */
import type { Ts } from '../core/lsn.ts';
import { SEGMENT_ALL, SEGMENT_COMMIT, type StoredGroup } from '../log/group.ts';
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

  /** The first such transaction after `since` that `accept` does not leave out. */
  after(since: Ts, accept: (txid: number) => boolean): Unfollowable | undefined {
    this.#look();
    return this.#found.find(({ ts, txid }) => ts > since && accept(txid));
  }

  #look(): void {
    const { store } = this.#tail;
    const timeline = JSON.stringify(store.identity);
    if (timeline !== this.#timeline) {
      this.#found = [];
      this.#upTo = 0 as Ts;
      this.#timeline = timeline;
    }
    this.#found = this.#found.filter(({ ts }) => ts > store.since);
    for (let at = this.#firstNew(); at < store.heads.length; at += 1) {
      const head = store.heads[at];
      if (head === undefined || head.lastTs <= this.#upTo) continue;
      if (head.hasAll) this.#add(this.#tail.read(head.seq));
    }
    this.#upTo = (store.heads.at(-1)?.lastTs ?? this.#upTo) as Ts;
  }

  /** Place of the first head that was not looked at. */
  #firstNew(): number {
    const { heads } = this.#tail.store;
    let at = heads.length;
    while (at > 0 && (heads[at - 1]?.lastTs ?? 0) > this.#upTo) at -= 1;
    return at;
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
