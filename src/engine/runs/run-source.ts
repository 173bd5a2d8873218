/**
 * A run database as a source of changes: a range read by `seq` instead of a slot. A position is a `seq` and one, so that
 * an empty database has one too. What several writes did between two looks is told as one transaction.
 *
 * Every start begins a new history, at which replicas compare digests and fetch what differs.
 */
import type { TidelockError } from '../../core/errors.ts';
import { LSN_ZERO, type Lsn, type Ts } from '../../core/lsn.ts';
import type { WantedSelectors } from '../../core/selector.ts';
import type { TableDef } from '../../core/table.ts';
import type { Cell } from '../../core/value.ts';
import { LineBuffer } from '../../log/line-buffer.ts';
import type { CopyPage, CopyRow } from '../../planner/run-durable.ts';
import { copiedColumns, type RunTable, runTable } from '../../planner/run-tables.ts';
import type { EngineCore, SourcePort } from '../core.ts';
import type { RowTransaction } from '../exact-snapshot.ts';
import { type LogTask, toGroup, writeCommit } from '../ingest.ts';
import type { EngineDriver } from '../live-engine.ts';
import { cellsOf, goneLine, RUN_TABLE_DEFS, runTableOf, stateLine } from './run-rows.ts';

const SYSTEM_ID = 'runs';
const SERVER_START = 'runs';
const CHUNK_ROWS = 2000;

/** One moment of the database. */
export type RunMoment = {
  readonly seq: number;
  changes(since: number): Iterable<CopyPage>;
  rows(table: RunTable): Iterable<CopyRow>;
  close(): void;
};

/** The database that is followed. */
export type FollowedRuns = {
  /** The selector of all its rows. */
  readonly area: string;
  snapshot(): RunMoment;
  onChange(listener: () => void): () => void;
};

export class RunSource implements SourcePort, EngineDriver {
  readonly firstContact: Promise<TidelockError | null> = Promise.resolve(null);
  readonly retainedWalBytes = null;
  readonly lagBytes = null;
  readonly tables: readonly TableDef[] = RUN_TABLE_DEFS;
  readonly serverStart = SERVER_START;
  readonly #core: EngineCore;
  readonly #runs: FollowedRuns;
  readonly #unlisten: () => void;
  /** The history to be started. */
  #generation: number | null = null;
  #isStreaming = false;
  #isPaused = false;
  #isDue = false;
  #isClosed = false;
  #changes = 0;
  #position: Ts = LSN_ZERO;

  constructor(core: EngineCore, runs: FollowedRuns) {
    this.#core = core;
    this.#runs = runs;
    this.#unlisten = runs.onChange(() => this.#soon());
  }

  get tableStates(): EngineDriver['tableStates'] {
    return this.tables.map(({ name }) => ({ name, state: 'live' as const }));
  }

  get counters(): { readonly changes: number; readonly redelivered: number } {
    return { changes: this.#changes, redelivered: 0 };
  }

  connect(): void {
    const { clock } = this.#core;
    clock.soon(() => {
      const { upper } = this.#core.tail.store;
      const isFollowed = this.#position !== LSN_ZERO;
      const slot = isFollowed ? { confirmed: upper, isLost: false, activePid: null } : null;
      const facts = { systemId: SYSTEM_ID, walTimeline: 1, switchedAt: undefined, flushed: upper };
      this.#core.dispatch({ kind: 'sourceConnected', now: clock.now(), facts: { ...facts, slot } });
    });
  }

  startHistory(generation: number): void {
    this.#generation = generation;
    this.#soon();
  }

  startStream(): void {
    const { clock } = this.#core;
    clock.soon(() => {
      this.#isStreaming = true;
      this.#core.dispatch({ kind: 'streamStarted', now: clock.now() });
      this.#soon();
    });
  }

  noteWalTimeline(): void {}

  confirm(_lsn: Lsn): void {}

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#soon();
  }

  nudge(): void {
    this.#soon();
  }

  async measure(): Promise<void> {}

  async close(): Promise<void> {
    this.#isStreaming = false;
    this.#isClosed = true;
    this.#unlisten();
  }

  /** The rows of this moment; the log reaches it soon after. */
  openRows(): RowTransaction {
    const moment = this.#runs.snapshot();
    const position = (moment.seq + 1) as Ts;
    const next = position + 1;
    this.#soon();
    return {
      snapshot: { xmin: next, xmax: next, xips: new Set() },
      text: `${next}:${next}:`,
      insertLsn: position,
      serverStart: SERVER_START,
      beganAt: async () => new Date(this.#core.clock.wallMicros() / 1000).toISOString(),
      rows: (table, selectors) => this.#chunks(moment, table, selectors),
      close: async () => moment.close(),
    };
  }

  async *#chunks(
    moment: RunMoment,
    definition: TableDef,
    selectors: WantedSelectors,
  ): AsyncGenerator<{ rows: Cell[][]; selectors: string[] }, void, void> {
    const { area } = this.#runs;
    if (selectors !== 'any' && !selectors.includes(area)) return;
    const table = runTableOf(definition);
    const columns = copiedColumns(table);
    let chunk: Cell[][] = [];
    for (const row of moment.rows(table)) {
      chunk.push(cellsOf(columns, row));
      if (chunk.length < CHUNK_ROWS) continue;
      yield { rows: chunk, selectors: chunk.map(() => area) };
      chunk = [];
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    if (chunk.length > 0) yield { rows: chunk, selectors: chunk.map(() => area) };
  }

  #soon(): void {
    if (this.#isDue || this.#isClosed) return;
    this.#isDue = true;
    this.#core.clock.soon(() => {
      this.#isDue = false;
      if (!this.#isClosed) this.#turn();
    });
  }

  #turn(): void {
    if (this.#generation === null && (!this.#isStreaming || this.#isPaused)) return;
    const moment = this.#runs.snapshot();
    try {
      if (this.#generation !== null) this.#begin(this.#generation, (moment.seq + 1) as Ts);
      else if (moment.seq + 1 > this.#position) this.#tell(moment);
    } finally {
      moment.close();
    }
  }

  /** Nothing of the past is told: readers copy the rows. */
  #begin(generation: number, startTs: Ts): void {
    this.#generation = null;
    this.#position = startTs;
    const identity = { systemId: SYSTEM_ID, walTimeline: 1, generation, startTs };
    this.#core.reset({ ...identity, startTxid: startTs }, this.tables);
  }

  #tell(moment: RunMoment): void {
    const ts = (moment.seq + 1) as Ts;
    const buffer = new LineBuffer();
    for (const page of moment.changes(this.#position - 1)) this.#write(buffer, page);
    this.#position = ts;
    const tasks: LogTask[] = [];
    if (buffer.segmentCount > 0) {
      const timeMicros = Math.round(this.#core.clock.wallMicros());
      writeCommit(buffer, { ts, commitLsn: ts, timeMicros, xid: 0 }, ts);
      const group = toGroup(buffer, [ts, ts, timeMicros]);
      tasks.push({ kind: 'append', group, tables: undefined });
    }
    this.#core.received(tasks, ts);
  }

  #write(buffer: LineBuffer, { removed, rows }: CopyPage): void {
    const { area } = this.#runs;
    const append = (line: string): void => {
      buffer.append(Buffer.from(line));
      buffer.endLine(buffer.selectorId(area), 0);
      this.#changes += 1;
    };
    for (const { table, id } of removed) append(goneLine(table, area, id));
    for (const { table, rows: changed } of rows) {
      for (const row of changed) append(stateLine(runTable(table), area, row));
    }
  }
}
