/**
 * Feeds the sources that are replicated tables: an exact snapshot once, then the log's transactions as they come, all
 * sources at the same upper. Runs by itself until it is closed.
 *
 *   waiting --snapshot--> live --resync, log cut, other history--> waiting        any --table gone, changed--> failed
 */
import type { Time } from '../../coordinator/sql/worker.ts';
import { hasCode, messageOf } from '../../core/errors.ts';
import type { Ts } from '../../core/lsn.ts';
import type { RowChange } from '../../core/row-change.ts';
import type { TableDef } from '../../core/table.ts';
import type { Column, ItemId } from '../../sql/types.ts';
import type { Clock, TimerHandle } from '../clock.ts';
import type { ExactSnapshot } from '../exact-snapshot.ts';
import type { LogPiece, RowLog } from '../row-log.ts';
import type { SourceOperation } from './keyed-changes.ts';
import { operationsOf } from './postgres-operations.ts';
import type { SourcePiece } from './postgres-sources.ts';
import { layoutOf, noteOf, readNote, rowOf, type SourceLayout } from './postgres-types.ts';

/** What the worker does with them. */
export interface SourceWorker {
  /** Everything before it is there; 0 when nothing is. And what was noted with it. */
  sourceState(id: ItemId): { readonly upper: Time; readonly note: string | null };
  /** The rows that are there are to go. Nothing is told before `endLoad`. */
  beginLoad(id: ItemId): void;
  /** Takes a bounded part of them away, at `time`. True when there is more. */
  clear(id: ItemId, time: Time): boolean;
  load(id: ItemId, time: Time, operations: readonly SourceOperation[]): void;
  /** The rows are those of `time`; it is readable from there on. */
  endLoad(loaded: readonly { readonly id: ItemId; readonly note: string }[], time: Time): void;
  /** Applies them as one, then everything before `upper` is complete. */
  applyPieces(pieces: readonly SourcePiece[], upper: Time | null): void;
  noteSource(id: ItemId, note: string): void;
  failSource(id: ItemId, failure: { readonly code: string; readonly message: string }): void;
}

/** What is read of the log. */
type Reader = { next(): readonly LogPiece[] | null };

type Rows = Pick<RowLog, 'upper' | 'timeline' | 'snapshot' | 'reach' | 'lease' | 'endLease'> & {
  reader(after: Ts, tables: readonly TableDef[]): Reader;
};

export type PostgresFeedOptions = {
  readonly rows: Rows;
  readonly worker: SourceWorker;
  readonly clock: Clock;
  /** The rows of a source are there, or never will be. */
  readonly onSettled: (id: ItemId) => void;
  /** Positions went back: nothing that was told about replicated tables holds any more. */
  readonly onOtherHistory: () => void;
  readonly onNotice: (notice: string) => void;
};

type Source = {
  readonly id: ItemId;
  readonly table: string;
  readonly columns: readonly Column[];
  /** Null while it waits for its rows. */
  layout: SourceLayout | null;
  /** Changes before it are there already. */
  upper: Time;
  isFailed: boolean;
};

const LEASE = 'tidelock-sql';
const LEASE_EVERY_MS = 1000;
const RETRY_MS = 500;
const REACH_MS_MAX = 5000;
/** How often the log's end is looked at when nobody wakes us: keepalives move it too. */
const LOOK_MS = 100;
/** Rows of one write while a source is filled. */
const LOAD_ROWS = 2000;
/** Changes of one write of the worker. */
const PIECE_CHANGES = 5000;

export class PostgresFeed {
  readonly #options: PostgresFeedOptions;
  readonly #sources = new Map<ItemId, Source>();
  #reader: Reader | null = null;
  #definitions = new Map<string, TableDef>();
  readonly #closing = new AbortController();
  #wake: (() => void) | null = null;
  #leasedAtMs = Number.NEGATIVE_INFINITY;
  #lastNotice = '';
  /** The latest time that the log was asked to reach. */
  #wantedTime: Time = 0;
  readonly #running: Promise<void>;

  constructor(options: PostgresFeedOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** The worker has the source already, perhaps with rows of an earlier life. */
  add(source: {
    readonly id: ItemId;
    readonly table: string;
    readonly columns: readonly Column[];
  }): void {
    const { upper, note } = this.#options.worker.sourceState(source.id);
    const layout = upper > 0 && note !== null ? this.#resume(source.columns, note) : null;
    this.#sources.set(source.id, { ...source, layout, upper, isFailed: false });
    this.#reader = null;
    if (layout !== null) this.#options.onSettled(source.id);
    this.wake();
  }

  drop(id: ItemId): void {
    if (!this.#sources.delete(id)) return;
    this.#reader = null;
    if (this.#sources.size === 0) this.#options.rows.endLease(LEASE);
  }

  /** There may be something new. */
  wake(): void {
    this.#wake?.();
    this.#wake = null;
  }

  /** Somebody waits for a time: an idle Postgres is asked to say where it is. */
  reach(time: Time): void {
    const { rows } = this.#options;
    if (time <= Math.max(this.#wantedTime, rows.upper)) return;
    this.#wantedTime = time;
    const { signal } = this.#closing;
    // Who gives up here goes on with what the stream brings by itself.
    rows.reach(time as Ts, REACH_MS_MAX, signal).then(
      () => this.wake(),
      () => {
        this.#wantedTime = 0;
      },
    );
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.wake();
    await this.#running;
  }

  /** Rows of this history are gone on with; those of another one are loaded anew. */
  #resume(columns: readonly Column[], text: string): SourceLayout | null {
    const { timeline, table } = readNote(text);
    const { rows } = this.#options;
    if (rows.timeline !== null && timeline !== rows.timeline) return null;
    this.#definitions.set(table.name, table);
    return layoutOf(columns, table);
  }

  async #run(): Promise<void> {
    // Until it is closed: every turn does something, or waits.
    while (!this.#closing.signal.aborted) {
      try {
        if (!(await this.#turn())) await this.#pause(LOOK_MS);
        this.#lastNotice = '';
      } catch (error) {
        this.#failed(error);
        await this.#pause(RETRY_MS);
      }
    }
  }

  /** False when there is nothing to do now. */
  async #turn(): Promise<boolean> {
    const open = [...this.#sources.values()].filter(({ isFailed }) => !isFailed);
    if (open.length === 0 || this.#options.rows.timeline === null) return false;
    const waiting = open.filter(({ layout }) => layout === null);
    if (waiting.length > 0) await this.#load(waiting);
    else return await this.#follow(open);
    return true;
  }

  /** Whatever goes wrong is tried again; a log that does not reach back any more means new snapshots. */
  #failed(error: unknown): void {
    this.#reader = null;
    if (hasCode(error, 'TOO_OLD'))
      for (const source of this.#sources.values()) source.layout = null;
    const notice = `replicated tables of SQL: ${messageOf(error)}`;
    if (notice !== this.#lastNotice && !this.#closing.signal.aborted)
      this.#options.onNotice(notice);
    this.#lastNotice = notice;
  }

  async #load(waiting: readonly Source[]): Promise<void> {
    const { rows } = this.#options;
    const snapshot = await rows.snapshot(this.#closing.signal);
    try {
      const { ts } = snapshot;
      if (waiting.some(({ upper }) => upper > ts + 1)) {
        this.#options.onOtherHistory();
        return;
      }
      const ready = waiting.filter((source) => this.#begin(source, snapshot));
      for (const source of ready) await this.#copy(source, snapshot);
      await this.#applyLate(ready, snapshot);
      this.#end(ready, snapshot);
    } finally {
      await snapshot.close();
    }
  }

  #begin(source: Source, { tables }: ExactSnapshot): boolean {
    const table = tables.find(({ name }) => name === source.table);
    const layout = table === undefined ? null : layoutOf(source.columns, table);
    if (table === undefined || layout === null) {
      this.#fail(source, table === undefined ? 'is not replicated any more' : CHANGED);
      return false;
    }
    this.#options.worker.beginLoad(source.id);
    this.#definitions.set(table.name, table);
    source.layout = layout;
    return true;
  }

  /** In pieces, between which others are served. */
  async #copy({ id, table, layout }: Source, snapshot: ExactSnapshot): Promise<void> {
    const definition = this.#definitions.get(table);
    const { worker } = this.#options;
    if (layout === null || definition === undefined) return;
    while (this.#sources.has(id) && worker.clear(id, snapshot.ts)) await this.#others();
    for await (const { rows } of snapshot.rows(definition, 'any')) {
      for (let from = 0; from < rows.length; from += LOAD_ROWS) {
        if (!this.#sources.has(id)) return;
        const piece = rows.slice(from, from + LOAD_ROWS);
        const operations = piece.map((row) => ({ row: rowOf(layout, row), diff: 1 }));
        worker.load(id, snapshot.ts, operations);
        await this.#others();
      }
    }
  }

  /** Whoever waits has a turn. Throws when it is closed. */
  async #others(): Promise<void> {
    await new Promise<void>((resolve) => this.#options.clock.soon(resolve));
    this.#closing.signal.throwIfAborted();
  }

  async #applyLate(sources: readonly Source[], snapshot: ExactSnapshot): Promise<void> {
    for (const changes of snapshot.lateChanges()) {
      await this.#others();
      for (const { id, table, layout } of sources) {
        if (layout === null || !this.#sources.has(id)) continue;
        const operations = changes
          .filter((change) => nameOf(change) === table)
          .flatMap((change) => operationsOf(change, layout));
        this.#options.worker.load(id, snapshot.ts, operations);
      }
    }
  }

  #end(sources: readonly Source[], { ts, timeline }: ExactSnapshot): void {
    const loaded = sources.filter(({ id }) => this.#sources.has(id));
    const notes = loaded.flatMap(({ id, table }) => {
      const definition = this.#definitions.get(table);
      return definition === undefined ? [] : [{ id, note: noteOf(timeline, definition) }];
    });
    this.#options.worker.endLoad(notes, ts);
    for (const source of loaded) source.upper = ts + 1;
    this.#reader = null;
    this.#lease();
    for (const { id } of loaded) this.#options.onSettled(id);
  }

  /** Takes what the log has, a group at a time. False when that was nothing. */
  async #follow(open: readonly Source[]): Promise<boolean> {
    const { rows, worker, clock } = this.#options;
    const position = Math.min(...open.map(({ upper }) => upper)) - 1;
    const names = new Set(open.map(({ table }) => table));
    const definitions = [...this.#definitions.values()].filter(({ name }) => names.has(name));
    this.#reader ??= rows.reader(position as Ts, definitions);
    const pieces = this.#reader.next();
    if (pieces !== null) {
      this.#take(pieces, open);
      await new Promise<void>((resolve) => clock.soon(resolve));
      return true;
    }
    const upper = rows.upper + 1;
    if (open.some((source) => source.upper < upper)) {
      worker.applyPieces([], upper);
      for (const source of open) source.upper = Math.max(source.upper, upper);
    }
    if (clock.now() - this.#leasedAtMs >= LEASE_EVERY_MS) this.#lease();
    return false;
  }

  /** Whole transactions are visible at once; of one that is larger than a group, only its end makes it visible. */
  #take(pieces: readonly LogPiece[], open: readonly Source[]): void {
    let due: SourcePiece[] = [];
    let changes = 0;
    for (const { ts, changes: rows, isLast } of pieces) {
      for (const change of rows) this.#define(change, ts, open);
      // Nothing is complete from here on before its rows are there again: the rest is read once more after that.
      if (open.some(({ layout, isFailed }) => layout === null && !isFailed)) {
        this.#reader = null;
        break;
      }
      const updates = open.flatMap((source) => this.#updateOf(source, ts, rows));
      due.push({ time: ts, updates, isLast });
      changes += rows.length;
      if (changes < PIECE_CHANGES) continue;
      this.#apply(due, open);
      due = [];
      changes = 0;
    }
    this.#apply(due, open);
  }

  #apply(pieces: readonly SourcePiece[], open: readonly Source[]): void {
    const last = pieces.findLast(({ isLast }) => isLast);
    const upper = last === undefined ? null : last.time + 1;
    if (pieces.length > 0) this.#options.worker.applyPieces(pieces, upper);
    if (upper === null) return;
    for (const source of open) source.upper = Math.max(source.upper, upper);
  }

  #updateOf({ id, table, layout, upper, isFailed }: Source, ts: Ts, changes: readonly RowChange[]) {
    if (layout === null || isFailed || ts < upper) return [];
    const operations = changes
      .filter((change) => nameOf(change) === table)
      .flatMap((change) => operationsOf(change, layout));
    return operations.length === 0 ? [] : [{ id, operations }];
  }

  /** A source goes on as long as its columns and its key are there. */
  #define(change: RowChange, ts: Ts, open: readonly Source[]): void {
    if (change.type !== 'table' && change.type !== 'drop' && change.type !== 'resync') return;
    const name = nameOf(change);
    if (change.type === 'table' && open.some(({ table, upper }) => table === name && ts >= upper))
      this.#definitions.set(name, change.table);
    for (const source of open) {
      // What was before its rows were loaded is in them.
      if (source.table !== name || source.isFailed || ts < source.upper) continue;
      if (change.type === 'drop') this.#fail(source, 'is not replicated any more');
      else if (change.type === 'resync') this.#copyAnew(source);
      else this.#redefine(source, change.table);
    }
  }

  #redefine(source: Source, table: TableDef): void {
    const { rows, worker } = this.#options;
    source.layout = layoutOf(source.columns, table);
    if (source.layout === null) this.#fail(source, CHANGED);
    else worker.noteSource(source.id, noteOf(rows.timeline ?? '', table));
  }

  #copyAnew(source: Source): void {
    source.layout = null;
    this.#options.onNotice(`SQL: ${source.table} is copied anew; nothing is complete meanwhile`);
  }

  #fail(source: Source, why: string): void {
    source.isFailed = true;
    const message = `${source.table} ${why}: drop the source, and make it anew`;
    this.#options.onNotice(`SQL: ${message}`);
    this.#options.worker.failSource(source.id, { code: '55000', message });
    this.#options.onSettled(source.id);
  }

  #lease(): void {
    const { rows, clock } = this.#options;
    const uppers = [...this.#sources.values()].filter(isLive).map(({ upper }) => upper);
    if (uppers.length === 0) return;
    this.#leasedAtMs = clock.now();
    rows.lease(LEASE, (Math.min(...uppers) - 1) as Ts);
  }

  #pause(ms: number): Promise<void> {
    if (this.#closing.signal.aborted) return Promise.resolve();
    let timer: TimerHandle | null = null;
    return new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = this.#options.clock.after(ms, resolve);
    }).finally(() => timer?.cancel());
  }
}

const CHANGED = 'has lost, or changed the type of, a column of the source';

function isLive({ layout, isFailed }: Source): boolean {
  return layout !== null && !isFailed;
}

function nameOf({ table }: RowChange): string {
  return typeof table === 'string' ? table : table.name;
}
