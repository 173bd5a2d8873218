/**
 * All replicated rows, whatever their selectors, for readers inside of this process: exact snapshots, and the log's
 * transactions after a position. The same log and the same snapshots as replicas get.
 */
import { TidelockError } from '../core/errors.ts';
import { parseLsn, type Ts } from '../core/lsn.ts';
import type { RowChange } from '../core/row-change.ts';
import type { TableDef } from '../core/table.ts';
import type { StoredGroup } from '../log/group.ts';
import { placeOf } from '../log/heads.ts';
import { gather, sliceGroup } from '../log/slices.ts';
import { ChangeDecoder } from '../protocol/change-decoder.ts';
import { LineSplitter } from '../protocol/lines.ts';
import type { EngineCore } from './core.ts';
import {
  type ExactSnapshot,
  type ExactSnapshotOptions,
  openExactSnapshot,
} from './exact-snapshot.ts';
import { timelineOf } from './log-at-open.ts';

export type RowLogOptions = Omit<ExactSnapshotOptions, 'selectors' | 'signal'>;

/** One transaction, or a piece of one that is larger than a group. */
export type LogPiece = {
  readonly ts: Ts;
  readonly changes: readonly RowChange[];
  /** The transaction ends with it. */
  readonly isLast: boolean;
};

export class RowLog {
  readonly #options: RowLogOptions;

  constructor(options: RowLogOptions) {
    this.#options = options;
  }

  /** Everything at or before it is in the log. */
  get upper(): Ts {
    return this.#options.core.tail.store.upper;
  }

  /** Null before the first history. */
  get timeline(): string | null {
    return timelineOf(this.#options.core.tail.store);
  }

  get tables(): readonly TableDef[] {
    return this.#options.tables();
  }

  /** Postgres at one position. To be closed. Throws `SOURCE_DOWN`, `TIMEOUT`, `BUSY`, `NOT_READY`. */
  snapshot(signal: AbortSignal): Promise<ExactSnapshot> {
    return openExactSnapshot({ ...this.#options, selectors: 'any', signal });
  }

  /** What came after a position. `tables` as of that position: lines of others are passed over. */
  reader(after: Ts, tables: readonly TableDef[]): RowLogReader {
    return new RowLogReader(this.#options.core, after, tables);
  }

  /** Resolves when the log is at `ts`; an idle source is asked where it is. Throws `TIMEOUT`, `SOURCE_DOWN`. */
  async reach(ts: Ts, timeoutMs: number, signal: AbortSignal): Promise<void> {
    await this.#options.core.waitFor(ts, timeoutMs, signal);
  }

  /** Keeps the log from `ts` on for a reader with this name, also while it is away. */
  lease(name: string, ts: Ts): void {
    const { core } = this.#options;
    core.dispatch({ kind: 'lease', now: core.clock.now(), replica: name, ts });
  }

  endLease(name: string): void {
    const { core } = this.#options;
    core.dispatch({ kind: 'endLease', now: core.clock.now(), replica: name });
  }
}

export class RowLogReader {
  readonly #core: EngineCore;
  readonly #decoder: ChangeDecoder;
  readonly #names: Set<string>;
  #after: Ts;
  #seq: number;

  constructor(core: EngineCore, after: Ts, tables: readonly TableDef[]) {
    this.#core = core;
    this.#after = after;
    this.#seq = core.tail.seqBefore(after);
    this.#decoder = new ChangeDecoder(tables, 'any');
    this.#names = new Set(tables.map(({ name }) => name));
  }

  /** The transactions of one group, in order; null when there is nothing now. Throws `TOO_OLD` after a cut. */
  next(): readonly LogPiece[] | null {
    const { store } = this.#core.tail;
    if (store.since > this.#after) throw wasCut();
    const head = store.heads[placeOf(store.heads, this.#seq + 1)];
    if (head === undefined) return null;
    const group = this.#core.tail.read(head.seq);
    this.#seq = group.head.seq;
    const pieces = this.#piecesOf(group);
    if (group.head.part !== 'open') this.#after = group.head.lastTs;
    return pieces;
  }

  #piecesOf({ head, content }: StoredGroup): readonly LogPiece[] {
    const slices = sliceGroup({
      content,
      isWanted: head.selectors.map(() => true),
      after: this.#after,
      isContinued: head.part === 'last',
    });
    const pieces: LogPiece[] = [];
    let changes: RowChange[] = [];
    for (const line of new LineSplitter().push(gather(content.body, slices))) {
      if (line.type === 'commit') {
        pieces.push({ ts: parseLsn(String(line.ts), 'ts') as Ts, changes, isLast: true });
        changes = [];
      } else if (this.#names.has(nameOf(line.table))) {
        const change = this.#decoder.decode(line);
        if (change !== null) changes.push(change);
      }
    }
    if (changes.length > 0) pieces.push({ ts: head.lastTs, changes, isLast: false });
    return pieces;
  }
}

/** A line names its table, or holds its definition. */
function nameOf(table: unknown): string {
  return typeof table === 'object' && table !== null && 'name' in table
    ? String(table.name)
    : String(table);
}

function wasCut(): TidelockError {
  return new TidelockError({
    code: 'TOO_OLD',
    message: 'the log was cut before it was read',
    hint: 'the tables are copied again',
  });
}
