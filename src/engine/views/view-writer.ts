/** Changes of views as groups of the log: whole transactions, all views of one time together. */
import type { Ts } from '../../core/lsn.ts';
import type { TableDef } from '../../core/table.ts';
import { LineBuffer } from '../../log/line-buffer.ts';
import type { ViewRows } from '../../sqlite/view-rows.ts';
import { writeForAll } from '../change-writer.ts';
import { type LogTask, toGroup, writeCommit } from '../ingest.ts';
import type { ViewChanges, ViewDelta } from './view-changes.ts';
import { deleteLine, hashedRow, insertLine, rowKey, selectorOfRow } from './view-table.ts';

const GROUP_BYTES = 256 * 1024;
/** A view that changes more at one time is copied anew by its readers: their difference snapshots cost less. */
const DELTAS_MAX = 50_000;

export type Published = { readonly table: TableDef; readonly changes: ViewChanges };

export class ViewWriter {
  readonly #rows: ViewRows;
  readonly #nowMicros: () => number;
  #buffer = new LineBuffer();
  #transactions: number[] = [];
  /** Segments of transactions that have ended. */
  #segments = 0;
  #tasks: LogTask[] = [];

  constructor(rows: ViewRows, nowMicros: () => number) {
    this.#rows = rows;
    this.#nowMicros = nowMicros;
  }

  /** For everybody: definitions, what is copied anew, what is gone. */
  say(line: object): void {
    writeForAll(this.#buffer, 0, line);
  }

  /** Takes changes into the rows only. */
  load({ table, changes }: Published, deltas: readonly ViewDelta[]): void {
    for (const { row, diff } of deltas) {
      this.#rows.add(table.name, { ...hashedRow(changes.columns, row), n: diff });
    }
  }

  /** Takes what the view changes at one time, into the rows and into the log. */
  change({ table, changes }: Published, deltas: readonly ViewDelta[]): void {
    const isTold = deltas.length <= DELTAS_MAX;
    for (const { row, diff } of deltas) {
      const { hash, cells } = hashedRow(changes.columns, row);
      const now = this.#rows.add(table.name, { hash, n: diff, cells });
      if (isTold) this.#tell(table, { hash, cells, before: now - diff, now });
    }
    if (!isTold) {
      const reason = `${deltas.length} rows changed at once`;
      this.say({ type: 'resync', table: table.name, reason });
    }
  }

  /** Ends the transaction at `ts`; one that is empty is none. */
  commit(ts: Ts): void {
    if (this.#buffer.segmentCount === this.#segments) return;
    const timeMicros = Math.round(this.#nowMicros());
    // The position is the transaction's id too: a snapshot sees everything up to one position.
    writeCommit(this.#buffer, { ts, commitLsn: ts, timeMicros, xid: 0 }, ts);
    this.#transactions.push(ts, ts, timeMicros);
    this.#segments = this.#buffer.segmentCount;
    if (this.#buffer.length >= GROUP_BYTES) this.#cut(undefined);
  }

  /** Everything so far as tasks of the log. `tables` when their definitions have changed. */
  take(tables: readonly TableDef[] | undefined): LogTask[] {
    this.#cut(tables);
    const tasks = this.#tasks;
    this.#tasks = [];
    return tasks;
  }

  #cut(tables: readonly TableDef[] | undefined): void {
    if (this.#transactions.length === 0) return;
    this.#tasks.push({ kind: 'append', group: toGroup(this.#buffer, this.#transactions), tables });
    this.#buffer = new LineBuffer();
    this.#transactions = [];
    this.#segments = 0;
  }

  #tell(
    table: TableDef,
    change: {
      readonly hash: string;
      readonly cells: string;
      readonly before: number;
      readonly now: number;
    },
  ): void {
    const { hash, cells, before, now } = change;
    const selector = selectorOfRow(table, cells);
    if (selector === null) return;
    for (let copy = before + 1; copy <= now; copy += 1) {
      const line = insertLine(table.name, { selector, key: rowKey(hash, copy), cells });
      this.#write(line, selector);
    }
    for (let copy = before; copy > now; copy -= 1) {
      this.#write(deleteLine(table.name, { selector, key: rowKey(hash, copy) }), selector);
    }
  }

  #write(line: string, selector: string): void {
    this.#buffer.append(Buffer.from(line));
    this.#buffer.endLine(this.#buffer.selectorId(selector), 0);
  }
}
