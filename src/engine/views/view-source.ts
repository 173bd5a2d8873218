/**
 * Views as a source of changes: subscriptions instead of a slot. Positions are those of the tables that the views are made
 * of; all views stand at the same one, so what one transaction did to several views comes at once.
 *
 * Nothing of it survives the process but the log. A history begins when all views have their first rows.
 */
import { LSN_ZERO, type Ts } from '../../core/lsn.ts';
import type { WantedSelectors } from '../../core/selector.ts';
import type { TableDef } from '../../core/table.ts';
import type { Cell } from '../../core/value.ts';
import type { Column, SqlRow } from '../../sql/types.ts';
import type { ViewRows } from '../../sqlite/view-rows.ts';
import type { EngineCore } from '../core.ts';
import type { LogTask } from '../ingest.ts';
import { type LocalContent, type LocalRows, LocalSource } from '../local/local-source.ts';
import { ViewChanges } from './view-changes.ts';
import { cellsOf, rowKey, selectorOfRow, tableOfView } from './view-table.ts';
import { type Published, ViewWriter } from './view-writer.ts';

/** A cluster of its own: positions of views and of tables are not of one log. */
const NAME = 'views';
const CHUNK_ROWS = 2000;

/** The tables that the views are made of. */
export type ViewedTables = {
  /** How far their log is: where views are while there is none. */
  readonly upper: Ts;
  /** Makes an idle Postgres say where it is, so that the log passes `ts`. */
  reach(ts: Ts): void;
};

export class ViewSource implements LocalContent {
  readonly driver: LocalSource;
  readonly #rows: ViewRows;
  readonly #writer: ViewWriter;
  readonly #tables: ViewedTables;
  readonly #views = new Map<string, Published>();
  /** Told of with the next transaction. */
  readonly #added = new Set<string>();
  readonly #removed = new Set<string>();
  #isReady = false;
  #changes = 0;
  /** The rows written are those of this position. */
  #position: Ts = LSN_ZERO;
  /** Asked for already. */
  #wanted: Ts = LSN_ZERO;

  constructor(core: EngineCore, rows: ViewRows, tables: ViewedTables) {
    this.driver = new LocalSource(core, NAME, this);
    this.#rows = rows;
    this.#writer = new ViewWriter(rows, () => core.clock.wallMicros());
    this.#tables = tables;
  }

  get tables(): readonly TableDef[] {
    return [...this.#views.values()]
      .map(({ table }) => table)
      .filter(({ name }) => !this.#added.has(name));
  }

  get changes(): number {
    return this.#changes;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** Gives the one who takes its subscription's rows; null for a view that cannot be published. */
  add(name: string, columns: readonly Column[]): ((rows: readonly SqlRow[]) => void) | null {
    const table = tableOfView(name, columns);
    if (table === null) return null;
    const changes = new ViewChanges(name, columns);
    this.#rows.clear(name);
    this.#views.set(name, { table, changes });
    this.#added.add(name);
    this.#removed.delete(name);
    return (rows) => {
      changes.take(rows);
      this.wake();
    };
  }

  remove(name: string): void {
    if (!this.#views.delete(name)) return;
    if (!this.#added.delete(name)) this.#removed.add(name);
    this.#rows.clear(name);
    this.wake();
  }

  /** All views of this life were added. */
  ready(): void {
    this.#isReady = true;
    this.wake();
  }

  /** What was told holds no more: the next life begins with a new history. */
  forget(): void {
    this.#isReady = false;
    this.#position = LSN_ZERO;
    this.#views.clear();
    this.#added.clear();
    this.#removed.clear();
    this.driver.lose('the tables have another history');
  }

  /** There may be something to tell. */
  wake(): void {
    this.driver.wake();
  }

  close(): void {
    this.#rows.close();
  }

  /** The rows of all views as of the last change that was taken. */
  openRows(): LocalRows {
    const reader = this.#rows.reader();
    return {
      position: this.#position,
      rows: (table, selectors) => chunksOf(reader.rows(table.name), table, selectors),
      close: () => reader.close(),
    };
  }

  begin(): Ts | null {
    const until = this.#upper();
    if (!this.#isReady || until <= 0) return null;
    this.#added.clear();
    this.#removed.clear();
    this.#rows.write(() => {
      this.#rows.clearAll();
      for (const view of this.#views.values()) this.#writer.load(view, view.changes.upTo(until));
    });
    this.#position = until;
    return until;
  }

  tell(after: Ts): { readonly tasks: readonly LogTask[]; readonly upper: Ts } | null {
    const until = this.#upper();
    if (!this.#isReady || until <= 0) return null;
    if (until > after) return this.#flush(until);
    if (this.#isOther) this.#askOn();
    return null;
  }

  /** A position of the tables behind which nothing happens is passed only when somebody asks for it. */
  reach(ts: Ts): void {
    this.#tables.reach(ts);
  }

  /** How far all views are. */
  #upper(): Ts {
    const uppers = [...this.#views.values()].map(({ changes }) => changes.upper);
    return (uppers.length === 0 ? this.#tables.upper : Math.min(...uppers) - 1) as Ts;
  }

  get #isOther(): boolean {
    return this.#added.size > 0 || this.#removed.size > 0;
  }

  /** What is new is told at the next position, and on an idle Postgres there is none. */
  #askOn(): void {
    const next = (this.#position + 1) as Ts;
    if (this.#wanted >= next) return;
    this.#wanted = next;
    this.#tables.reach(next);
  }

  #flush(until: Ts): { readonly tasks: readonly LogTask[]; readonly upper: Ts } {
    const isOther = this.#isOther;
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
    return { tasks: this.#writer.take(isOther ? this.tables : undefined), upper: until };
  }

  /** Times at which something is to be told, in order; the last one also when only definitions are. */
  #times(until: Ts): readonly number[] {
    const told = [...this.#views.values()]
      .filter(({ table }) => !this.#added.has(table.name))
      .flatMap(({ changes }) => changes.times(until));
    const times = new Set(this.#isOther ? [...told, until] : told);
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
