/**
 * Sealing: the raw log of what programs wrote becomes numbered local transactions with ready upload lines, and
 * rows that were clean get their base image. hot path: runs over every written row (bench/perf/capture.ts).
 *
 * A transaction is a run of entries with one `tx`. Nothing that a program wrote inside one SQLite transaction is
 * split, because sealing needs the write lock; only a boundary that the program itself marked divides it.
 */
import type { Cell } from '../core/value.ts';
import { deleteChange, insertChange, updateChange } from '../merge/local-change.ts';
import { merge, type RowState } from '../merge/row-state.ts';
import { encodeChange } from '../protocol/upload.ts';
import { CHANGES_PER_ENTRY, numberTransactions, sealInBulk } from './local-bulk-seal.ts';
import type { LocalPending } from './local-pending.ts';
import { keyText, valuesOf } from './local-rows.ts';
import { OP_DELETED, OP_INSERTED, OP_NOTED } from './local-schema.ts';
import type { Image, LocalTable } from './local-table.ts';
import { prepareArrays, type Sql } from './sql.ts';

type Row = readonly Cell[];

/** Keys whose state is remembered between entries; beyond it states are computed anew from the file. */
const STATES_MAX = 20_000;
/** Notes of rows in the way that no write has used yet; the oldest go. */
const NOTES_MAX = 1000;

/** What is known of a key while the log is read. `image`: of a clean key, not yet written. */
type Known = {
  readonly key: Row;
  state: RowState;
  readonly image: { readonly row: Row | null } | null;
  isChanged: boolean;
};

/** An open table: what was learned of its keys. */
type Seen = {
  readonly table: LocalTable;
  readonly width: number;
  readonly states: Map<string, Known>;
  readonly notes: Map<string, Row>;
  /** Its companion is empty: nothing to look up. */
  readonly isPlain: boolean;
};

export class Sealer {
  readonly #sql: Sql;
  readonly #pending: LocalPending;
  readonly #newNonce: () => string;
  readonly #seen = new Map<number, Seen>();
  #number: number;
  /** Changes of a transaction are in the order of their entries, of which each may make two. */
  #seq = 0;
  #tx: number | null = null;
  #isOpen = false;
  readonly #last: number;
  readonly #bulkEntriesMin: number;
  /** By `tx`; null: given while the log is read. */
  #numbers: ReadonlyMap<number, number> | null = null;

  /** `last`: number of the newest transaction. */
  constructor(
    sql: Sql,
    options: {
      readonly pending: LocalPending;
      readonly tables: Iterable<LocalTable>;
      readonly newNonce: () => string;
      readonly last: number;
      readonly bulkEntriesMin: number;
    },
  ) {
    this.#sql = sql;
    this.#pending = options.pending;
    this.#newNonce = options.newNonce;
    this.#number = options.last;
    this.#last = options.last;
    this.#bulkEntriesMin = options.bulkEntriesMin;
    for (const table of options.tables) {
      const width = table.twoway.table.columns.length;
      const isPlain = !table.hasCompanionRows;
      const seen = { table, width, states: new Map(), notes: new Map(), isPlain };
      this.#seen.set(table.number, seen);
    }
  }

  /** Empties the log. Returns the number of the newest transaction. */
  seal(): number {
    const isBulk = this.#hasEntries(this.#bulkEntriesMin);
    if (isBulk) this.#sealInBulk();
    const where = isBulk ? 'WHERE id IN (SELECT id FROM tidelock_slow)' : '';
    const entries = prepareArrays(this.#sql, `SELECT * FROM tidelock_log ${where} ORDER BY id`);
    entries.setReadBigInts(true);
    for (const entry of entries.iterate()) this.#take(entry as unknown as Cell[]);
    for (const seen of this.#seen.values()) this.#writeStates(seen);
    this.#sql.exec('DELETE FROM tidelock_log');
    return isBulk ? this.#pending.closeGaps(this.#last, this.#number) : this.#number;
  }

  #hasEntries(count: number): boolean {
    const entry = this.#sql.prepare('SELECT 1 FROM tidelock_log LIMIT 1 OFFSET ?').get(count - 1);
    return entry !== undefined;
  }

  /** Every transaction has its number from here on; those that turn out to be empty are taken out at the end. */
  #sealInBulk(): void {
    this.#numbers = numberTransactions(this.#sql, this.#number);
    for (const number of this.#numbers.values()) {
      this.#pending.addTransaction(number, this.#newNonce());
      this.#number = number;
    }
    for (const { table } of this.#seen.values()) sealInBulk(this.#sql, table);
  }

  #take(entry: readonly Cell[]): void {
    const tx = Number(entry[1]);
    this.#seq = Number(entry[0]) * CHANGES_PER_ENTRY;
    if (tx !== this.#tx) {
      this.#tx = tx;
      this.#isOpen = false;
    }
    const seen = this.#seen.get(Number(entry[2]));
    if (seen === undefined) return; // unreachable: every table that logs is known
    const op = Number(entry[3]);
    const first = cellsOf(entry, 4, seen.width);
    const key = seen.table.twoway.table.keyCells(first);
    const text = keyText(seen.table.twoway, key);
    switch (op) {
      case OP_NOTED:
        this.#note(seen, text, first);
        return;
      case OP_INSERTED:
        this.#insert(seen, { key, text, row: first });
        return;
      case OP_DELETED:
        this.#delete(seen, { key, text, row: first });
        return;
      default:
        this.#update(seen, { key, text, row: first }, cellsOf(entry, 4 + seen.width, seen.width));
    }
  }

  #note(seen: Seen, text: string, row: Row): void {
    seen.notes.set(text, row);
    if (seen.notes.size <= NOTES_MAX) return;
    const [oldest = ''] = seen.notes.keys();
    seen.notes.delete(oldest);
  }

  #insert(seen: Seen, written: Written): void {
    const known = this.#known(seen, written, seen.notes.get(written.text) ?? null);
    seen.notes.delete(written.text);
    const values = valuesOf(seen.table.twoway, written.row);
    this.#write(seen, written, { known, change: insertChange(known.state, values) });
  }

  #delete(seen: Seen, written: Written): void {
    const known = this.#known(seen, written, written.row);
    this.#write(seen, written, { known, change: deleteChange(known.state) });
  }

  #update(seen: Seen, written: Written, oldRow: Row): void {
    const { table } = seen.table.twoway;
    const oldKey = table.keyCells(oldRow);
    const oldText = keyText(seen.table.twoway, oldKey);
    if (oldText !== written.text) {
      this.#delete(seen, { key: oldKey, text: oldText, row: oldRow });
      this.#insert(seen, written);
      return;
    }
    const known = this.#known(seen, written, oldRow);
    const values = valuesOf(seen.table.twoway, written.row);
    this.#write(seen, written, { known, change: updateChange(known.state, values) });
  }

  /** What the key was before this entry. `row`: what the table had there, should nothing be known yet. */
  #known(seen: Seen, { key, text }: Written, row: Row | null): Known {
    const cached = seen.states.get(text);
    if (cached !== undefined) return cached;
    const dirty = seen.table.dirtyState(key, text);
    const base = (): RowState => seen.table.baseState(key, row, { isPlain: seen.isPlain });
    const known: Known =
      dirty === null
        ? { key, state: base(), image: { row }, isChanged: false }
        : { key, state: dirty, image: null, isChanged: false };
    if (seen.states.size >= STATES_MAX) this.#writeStates(seen);
    seen.states.set(text, known);
    return known;
  }

  #write(seen: Seen, written: Written, effect: Effect): void {
    const { known, change } = effect;
    if (change === null) return;
    known.state = merge(known.state, change);
    known.isChanged = true;
    const { definition } = seen.table.twoway;
    this.#pending.addLine(this.#open(), this.#seq, {
      table: definition.name,
      key: written.text,
      line: encodeChange(definition, written.key, change),
    });
    this.#seq += 1;
  }

  #open(): number {
    const given = this.#numbers?.get(this.#tx ?? 0);
    if (given !== undefined) return given;
    if (!this.#isOpen) {
      this.#isOpen = true;
      this.#number += 1;
      this.#pending.addTransaction(this.#number, this.#newNonce());
    }
    return this.#number;
  }

  /** Notes what was learned, and forgets it. */
  #writeStates({ table, states }: Seen): void {
    const images: Image[] = [];
    for (const { key, state, image, isChanged } of states.values()) {
      if (!isChanged) continue;
      if (image === null) table.noteState(key, state);
      else images.push({ key, row: image.row, state });
    }
    table.remember(images);
    states.clear();
  }
}

type Written = { readonly key: Row; readonly text: string; readonly row: Row };
type Effect = { readonly known: Known; readonly change: RowState | null };

const SAFE_MAX = BigInt(Number.MAX_SAFE_INTEGER);

/** Integers come as bigint, because a number could not hold them all. */
function cellsOf(entry: readonly Cell[], start: number, count: number): Row {
  const cells = entry.slice(start, start + count);
  for (let index = 0; index < count; index += 1) {
    const cell = cells[index];
    if (typeof cell !== 'bigint') continue;
    if (cell <= SAFE_MAX && cell >= -SAFE_MAX) cells[index] = Number(cell);
  }
  return cells;
}
