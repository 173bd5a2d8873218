/**
 * The log as numbered changes: what may be read from a position, and what is at its two ends. For protocols whose
 * clients know nothing but rows; native readers use feeds.
 */
import { TidelockError } from '../core/errors.ts';
import type { Ts } from '../core/lsn.ts';
import { isInSnapshot } from '../core/txid-snapshot.ts';
import { linesOfLast } from '../log/change-lines.ts';
import type { GroupHead } from '../log/group.ts';
import { placeOf } from '../log/heads.ts';
import type { LogStore } from '../log/port.ts';
import {
  HISTORY_MAX,
  INDEX_MAX,
  NO_SEQUENCE,
  type Sequence,
} from '../protocol/transicator/sequence.ts';
import type { ChangesRequest } from './api.ts';
import { cannotFollow } from './change-of-line.ts';
import { ChangeScan } from './change-scan.ts';
import type { EngineCore } from './core.ts';
import { UnfollowableLines } from './unfollowable.ts';

/** Line counts of parts of large transactions that are kept. */
const COUNTS_MAX = 100_000;
/** Groups that are looked through before others have their turn. */
const LOOK_GROUPS = 16;

export class ChangeLog {
  readonly #core: Pick<EngineCore, 'tail' | 'clock'>;
  readonly #unfollowable: UnfollowableLines;
  /** By group. */
  readonly #lines = new Map<number, number>();
  #ends: { readonly seq: number; readonly last: Sequence } | null = null;

  constructor(core: Pick<EngineCore, 'tail' | 'clock'>) {
    this.#core = core;
    this.#unfollowable = new UnfollowableLines(core.tail);
  }

  /** True for what asks for everything: nothing, or `0.0.0`, which an empty log answers. */
  isFromStart(since: Sequence | null): boolean {
    return since === null || (since.history === 0 && since.ts === 0 && since.index === 0);
  }

  /** Looks through what is new in the log, a little at a time: after a start, that is all of it. */
  async prepare(signal: AbortSignal): Promise<void> {
    // Bounded by the groups of the log.
    while (!this.#unfollowable.look(LOOK_GROUPS)) {
      await new Promise<void>((resolve) => this.#core.clock.soon(resolve));
      signal.throwIfAborted();
    }
  }

  /**
   * Opens a reading of everything that the log has now. Throws `TOO_OLD` when something after `since` is no
   * longer there or cannot be told as changes, `NOT_READY` before the first history.
   */
  open(request: ChangesRequest): ChangeScan {
    const { tail } = this.#core;
    const { identity, upper, tables } = tail.store;
    if (identity === null) throw notReady();
    tail.countsPurged = true;
    const history = historyOf(identity.generation);
    const since = this.isFromStart(request.since) ? null : request.since;
    if (since !== null) this.#requireReachable(since, history);
    else if (request.since !== null && request.snapshot === null) this.#requireWhole(history);
    const { snapshot, selectors, changesMax } = request;
    const accept = (txid: number): boolean => snapshot === null || !isInSnapshot(snapshot, txid);
    const hindrance = this.#unfollowable.after(since?.ts ?? (0 as Ts), accept);
    if (hindrance !== undefined && changesMax > 0) throw cannotFollow('a resync', 'of this log');
    return new ChangeScan({
      ...{ tail, selectors, since, accept, changesMax, history, tables },
      linesBefore: (head) => this.#linesBefore(head),
      first: this.#first(history),
      last: this.#last(history),
      upTo: upper,
    });
  }

  /** Throws `TOO_OLD` when the log begins behind `since`, or `since` is of another history. */
  #requireReachable(since: Sequence, history: number): void {
    const { store } = this.#core.tail;
    const hasAll = since.ts > store.since || this.#isEndOfPurged(since);
    if (since.history !== history) throw tooOld('is of another history of the database');
    if (!hasAll) throw tooOld('is no longer reached by the log');
  }

  /** Throws `TOO_OLD` unless the log has everything since it began: what `0.0.0` stands for. */
  #requireWhole(history: number): void {
    const { since, identity } = this.#core.tail.store;
    if (history > 0) throw tooOld('is of another history of the database');
    if (since !== identity?.startTs) throw tooOld('is no longer reached by the log');
  }

  /** At the last purged transaction, only its end will do: what a client has not of it is gone. */
  #isEndOfPurged({ ts, index }: Sequence): boolean {
    const { store } = this.#core.tail;
    return ts === store.since && index >= lastIndexOf(store);
  }

  #first(history: number): Sequence {
    const { heads, since } = this.#core.tail.store;
    const first = heads.find(({ firstTs }) => firstTs > since);
    return first === undefined ? this.#last(history) : { history, ts: first.firstTs, index: 0 };
  }

  #last(history: number): Sequence {
    const { tail } = this.#core;
    const { heads, since, identity } = tail.store;
    const head = heads.at(-1);
    if (head === undefined || head.lastTs <= since) {
      const hasNothing = since === identity?.startTs && history === 0;
      return hasNothing ? NO_SEQUENCE : { history, ts: since, index: lastIndexOf(tail.store) };
    }
    if (this.#ends?.seq !== head.seq || this.#ends.last.ts !== head.lastTs) {
      const before = head.part === 'whole' ? 0 : this.#linesBefore(head);
      const index = before + linesOfLast(tail.read(head.seq).content) - 1;
      this.#ends = { seq: head.seq, last: { history, ts: head.lastTs, index: Math.max(0, index) } };
    }
    return this.#ends.last;
  }

  /** Lines of a large transaction in the groups before this part of it. */
  #linesBefore(head: GroupHead): number {
    const { heads } = this.#core.tail.store;
    let lines = 0;
    for (let at = placeOf(heads, head.seq) - 1; at >= 0; at -= 1) {
      const earlier = heads[at];
      if (earlier?.part !== 'open' || earlier.lastTs !== head.lastTs) break;
      lines += this.#linesOf(earlier.seq);
    }
    return lines;
  }

  #linesOf(seq: number): number {
    const known = this.#lines.get(seq);
    if (known !== undefined) return known;
    if (this.#lines.size >= COUNTS_MAX) this.#lines.clear();
    const lines = linesOfLast(this.#core.tail.read(seq).content);
    this.#lines.set(seq, lines);
    return lines;
  }
}

/** The number of the last line of the last purged transaction; the highest there can be when it is not known. */
function lastIndexOf({ purgedLines, since, identity }: LogStore): number {
  if (since === identity?.startTs) return 0;
  return purgedLines === undefined ? INDEX_MAX : Math.max(0, purgedLines - 1);
}

/** The first history has no bits in its sequences. */
function historyOf(generation: number): number {
  return Math.min(Math.max(0, generation - 1), HISTORY_MAX);
}

function tooOld(why: string): TidelockError {
  return new TidelockError({
    code: 'TOO_OLD',
    message: `this sequence ${why}`,
    hint: 'take a new snapshot',
  });
}

function notReady(): TidelockError {
  return new TidelockError({
    code: 'NOT_READY',
    message: 'the server has no history yet',
    hint: 'try again in a moment; /v1/status tells what it waits for',
  });
}
