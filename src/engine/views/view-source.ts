/**
 * Views as a source of changes: subscriptions instead of a slot. Positions are those of the tables that the views are made
 * of; all views stand at the same one, so what one transaction did to several views comes at once.
 *
 * Nothing of it survives the process but the log: every start begins a new history, at which replicas compare digests
 * and fetch what differs.
 *
 *   waiting (for the first rows of every view) --reset--> streaming --other history, close--> waiting
 */
import type { TidelockError } from '../../core/errors.ts';
import { LSN_ZERO, type Lsn, type Ts } from '../../core/lsn.ts';
import type { WantedSelectors } from '../../core/selector.ts';
import type { TableDef } from '../../core/table.ts';
import type { Cell } from '../../core/value.ts';
import type { Column, SqlRow } from '../../sql/types.ts';
import type { ViewRows } from '../../sqlite/view-rows.ts';
import type { EngineCore, SourcePort } from '../core.ts';
import type { RowTransaction } from '../exact-snapshot.ts';
import type { EngineDriver } from '../live-engine.ts';
import { ViewChanges } from './view-changes.ts';
import { cellsOf, rowKey, selectorOfRow, tableOfView } from './view-table.ts';
import { type Published, ViewWriter } from './view-writer.ts';

/** A cluster of its own: positions of views and of tables are not of one log. */
const SYSTEM_ID = 'views';
/** Names this process to snapshots. */
const SERVER_START = 'views';
const CHUNK_ROWS = 2000;

/** The tables that the views are made of. */
export type ViewedTables = {
  /** How far their log is: where views are while there is none. */
  readonly upper: Ts;
  /** Makes an idle Postgres say where it is, so that the log passes `ts`. */
  reach(ts: Ts): void;
};

export class ViewSource implements SourcePort, EngineDriver {
  readonly firstContact: Promise<TidelockError | null> = Promise.resolve(null);
  readonly retainedWalBytes = null;
  readonly lagBytes = null;
  readonly #core: EngineCore;
  readonly #rows: ViewRows;
  readonly #writer: ViewWriter;
  readonly #tables: ViewedTables;
  readonly #views = new Map<string, Published>();
  /** Told of with the next transaction. */
  readonly #added = new Set<string>();
  readonly #removed = new Set<string>();
  /** The history to be started when all views have their rows. */
  #generation: number | null = null;
  #isReady = false;
  #isStreaming = false;
  #isPaused = false;
  #isDue = false;
  #changes = 0;
  #position: Ts = LSN_ZERO;
  /** Asked for already. */
  #wanted: Ts = LSN_ZERO;

  constructor(core: EngineCore, rows: ViewRows, tables: ViewedTables) {
    this.#core = core;
    this.#rows = rows;
    this.#writer = new ViewWriter(rows, () => core.clock.wallMicros());
    this.#tables = tables;
  }

  get tables(): readonly TableDef[] {
    return [...this.#views.values()]
      .map(({ table }) => table)
      .filter(({ name }) => !this.#added.has(name));
  }

  get tableStates(): EngineDriver['tableStates'] {
    return this.tables.map(({ name }) => ({ name, state: 'live' as const }));
  }

  get counters(): { readonly changes: number; readonly redelivered: number } {
    return { changes: this.#changes, redelivered: 0 };
  }

  get serverStart(): string {
    return SERVER_START;
  }

  /** Gives the one who takes its subscription's rows; null for a view that cannot be published. */
  add(name: string, columns: readonly Column[]): ((rows: readonly SqlRow[]) => void) | null {
    const table = tableOfView(name, columns);
    if (table === null) return null;
    const changes = new ViewChanges(name, columns);
    this.#rows.clear(name);
    this.#views.set(name, { table, changes });
    if (this.#generation === null) this.#added.add(name);
    this.#removed.delete(name);
    return (rows) => {
      changes.take(rows);
      this.#soon();
    };
  }

  remove(name: string): void {
    if (!this.#views.delete(name)) return;
    if (!this.#added.delete(name)) this.#removed.add(name);
    this.#rows.clear(name);
    this.#soon();
  }

  /** All views of this life were added. */
  ready(): void {
    this.#isReady = true;
    this.#soon();
  }

  /** What was told holds no more: the next life begins with a new history. */
  forget(): void {
    this.#isReady = false;
    this.#isStreaming = false;
    this.#generation = null;
    this.#position = LSN_ZERO;
    this.#views.clear();
    this.#added.clear();
    this.#removed.clear();
    this.#core.forgetUnwritten([]);
    const now = this.#core.clock.now();
    const reason = 'the tables have another history';
    this.#core.dispatch({ kind: 'sourceLost', now, reason, isUnfit: false });
  }

  /** There may be something to tell. */
  wake(): void {
    this.#soon();
  }

  connect(): void {
    const { clock } = this.#core;
    clock.soon(() => {
      const { upper } = this.#core.tail.store;
      const slot = this.#position === LSN_ZERO ? null : { confirmed: upper, isLost: false };
      this.#core.dispatch({
        kind: 'sourceConnected',
        now: clock.now(),
        facts: {
          ...{ systemId: SYSTEM_ID, walTimeline: 1, switchedAt: undefined, flushed: upper },
          slot: slot === null || !this.#isReady ? null : { ...slot, activePid: null },
        },
      });
    });
  }

  startHistory(generation: number): void {
    this.#generation = generation;
    this.#added.clear();
    this.#removed.clear();
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
    this.#rows.close();
  }

  /** The rows of all views as of the last change that was taken. */
  openRows(): RowTransaction {
    const reader = this.#rows.reader();
    const next = this.#position + 1;
    return {
      snapshot: { xmin: next, xmax: next, xips: new Set() },
      text: `${next}:${next}:`,
      insertLsn: this.#position,
      serverStart: SERVER_START,
      beganAt: async () => new Date(this.#core.clock.wallMicros() / 1000).toISOString(),
      rows: (table, selectors) => chunksOf(reader.rows(table.name), table, selectors),
      close: async () => reader.close(),
    };
  }

  #soon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#core.clock.soon(() => {
      this.#isDue = false;
      this.#turn();
    });
  }

  #turn(): void {
    if (!this.#isReady) return;
    const uppers = [...this.#views.values()].map(({ changes }) => changes.upper);
    const until = (uppers.length === 0 ? this.#tables.upper : Math.min(...uppers) - 1) as Ts;
    if (until <= 0) return;
    if (this.#generation !== null) this.#begin(this.#generation, until);
    else if (!this.#isStreaming || this.#isPaused) return;
    else if (until > this.#position) this.#flush(until);
    else if (this.#added.size > 0 || this.#removed.size > 0) this.#askOn();
  }

  /** What is new is told at the next position, and on an idle Postgres there is none. */
  #askOn(): void {
    const next = (this.#position + 1) as Ts;
    if (this.#wanted >= next) return;
    this.#wanted = next;
    this.#tables.reach(next);
  }

  /** The rows at `until` are what the history begins with. */
  #begin(generation: number, until: Ts): void {
    this.#generation = null;
    this.#rows.write(() => {
      this.#rows.clearAll();
      for (const view of this.#views.values()) this.#writer.load(view, view.changes.upTo(until));
    });
    this.#position = until;
    const identity = { systemId: SYSTEM_ID, walTimeline: 1, generation, startTs: until };
    this.#core.reset({ ...identity, startTxid: until }, this.tables);
  }

  #flush(until: Ts): void {
    const isOther = this.#added.size > 0 || this.#removed.size > 0;
    this.#rows.write(() => {
      for (const time of this.#times(until)) {
        for (const view of this.#views.values()) {
          if (this.#added.has(view.table.name)) continue;
          const deltas = view.changes.at(time);
          this.#changes += deltas.length;
          this.#writer.change(view, deltas);
        }
        if (time === until) this.#define(until);
        this.#writer.commit(time as Ts);
      }
    });
    this.#position = until;
    this.#core.received(this.#writer.take(isOther ? this.tables : undefined), until);
  }

  /** Times at which something is to be told, in order; the last one also when only definitions are. */
  #times(until: Ts): readonly number[] {
    const told = [...this.#views.values()]
      .filter(({ table }) => !this.#added.has(table.name))
      .flatMap(({ changes }) => changes.times(until));
    const isOther = this.#added.size > 0 || this.#removed.size > 0;
    const times = new Set(isOther ? [...told, until] : told);
    return [...times].toSorted((a, b) => a - b);
  }

  /** A new view is fetched by whoever reads it: its rows are not in the log. */
  #define(until: Ts): void {
    for (const name of this.#removed) this.#writer.say({ type: 'drop', table: name });
    this.#removed.clear();
    for (const name of this.#added) {
      const view = this.#views.get(name);
      if (view === undefined) continue;
      this.#writer.load(view, view.changes.upTo(until));
      this.#writer.say({ type: 'table', table: view.table });
      this.#writer.say({ type: 'resync', table: name, reason: 'a new view' });
    }
    this.#added.clear();
  }
}

async function* chunksOf(
  rows: ReturnType<ReturnType<ViewRows['reader']>['rows']>,
  table: TableDef,
  selectors: WantedSelectors,
): AsyncGenerator<{ rows: Cell[][]; selectors: string[] }, void, void> {
  const wanted = selectors === 'any' ? null : new Set(selectors);
  let chunk: { rows: Cell[][]; selectors: string[] } = { rows: [], selectors: [] };
  for (const { hash, n, cells } of rows) {
    const selector = selectorOfRow(table, cells);
    if (selector === null || wanted?.has(selector) === false) continue;
    for (let copy = 1; copy <= n; copy += 1) {
      chunk.rows.push(cellsOf(table, rowKey(hash, copy), cells));
      chunk.selectors.push(selector);
    }
    if (chunk.rows.length < CHUNK_ROWS) continue;
    yield chunk;
    chunk = { rows: [], selectors: [] };
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  if (chunk.rows.length > 0) yield chunk;
}
