/**
 * The rows that one sender owns, as it knows them, and the drawing of its next transaction: inserts, updates
 * and deletes of rows that exist. Pure: chance comes in, and what became of a transaction is told.
 */
import { SeededRandom } from '../random.ts';
import type { EvidenceRow, OpChange } from './evidence.ts';
import { codeOf, ELSEWHERE, firstIdOf, ownSelector, RECORD_TABLE, SHARED } from './schema.ts';

/** A row of `stress_table`. */
export type RecordRow = {
  readonly id: number;
  readonly grp: number;
  readonly sequence: number;
  /** As Postgres prints bytea: `\x00ff`. */
  readonly content: string | null;
  readonly last: boolean;
  readonly _change_selector: string;
};

/**
 * One statement over several rows. `touch` leaves `content` out of the statement, so that a large one is not
 * written again; `move` changes the selector only.
 */
export type Statement = {
  readonly kind: 'insert' | 'update' | 'touch' | 'move' | 'delete';
  /** The rows afterwards; for a delete, as they were. */
  readonly rows: readonly RecordRow[];
};

/** A sender's rows are kept about here: deletes outweigh inserts above it. */
const ROWS_MAX = 1200;
/** Below it nothing is deleted. */
const ROWS_MIN = 20;
const BULK_ROWS = { least: 40, most: 160 } as const;
const BULK_SHARE = 0.02;
const STATEMENT_ROWS_MAX = 12;
const STATEMENTS_MAX = 4;
/** A row that cannot be taken (it is in another open transaction) is drawn again this often. */
const PICKS_MAX = 4;

/** By its first bytes no content is like another. */
const CONTENT_BYTES_MIN = 8;
const CONTENT_BYTES_MAX = 9000;
const NOISE_BYTES = 4000;
/** What Postgres cannot compress, as hexadecimal: contents are cut from it, which is cheaper than drawing them. */
const NOISE = hexOf(new SeededRandom(1), NOISE_BYTES + CONTENT_BYTES_MAX);

export class Records {
  readonly #sender: number;
  readonly #rows = new Map<number, RecordRow>();
  /** The keys of #rows, to draw from. */
  readonly #ids: number[] = [];
  readonly #placeOf = new Map<number, number>();
  /** Rows that nobody may draw: open transactions have them, or their group's end is not acknowledged. */
  readonly #reserved = new Set<number>();
  #nextId: number;

  constructor(sender: number) {
    this.#sender = sender;
    this.#nextId = firstIdOf(sender);
  }

  get size(): number {
    return this.#rows.size;
  }

  /** All rows, as committed. */
  get rows(): ReadonlyMap<number, RecordRow> {
    return this.#rows;
  }

  /** A transaction's draft. Its rows are its own until `settle`. */
  draft(random: SeededRandom, group: number): Draft {
    return new Draft(this, random, { sender: this.#sender, group });
  }

  /** What became of a draft: its rows are as it left them, or as they were. */
  settle(draft: Draft, isCommitted: boolean): void {
    for (const [id, row] of draft.changed) {
      this.#reserved.delete(id);
      if (!isCommitted) continue;
      // Receivers tell main of an end by reading its row: it stays until they have.
      if (row?.last === true && !this.#rows.has(id)) this.#reserved.add(id);
      if (row === null) this.#remove(id);
      else this.#put(row);
    }
  }

  /** The group's end is acknowledged: its row may go. */
  release(id: number): void {
    this.#reserved.delete(id);
  }

  newId(): number {
    this.#nextId += 1;
    this.#reserved.add(this.#nextId);
    return this.#nextId;
  }

  /** Draws a row that no transaction has, and reserves it; undefined when chance finds none. */
  take(random: SeededRandom): RecordRow | undefined {
    for (let tries = 0; tries < PICKS_MAX && this.#ids.length > 0; tries += 1) {
      const id = random.pick(this.#ids);
      if (this.#reserved.has(id)) continue;
      this.#reserved.add(id);
      return this.#rows.get(id);
    }
    return undefined;
  }

  #put(row: RecordRow): void {
    if (!this.#rows.has(row.id)) {
      this.#placeOf.set(row.id, this.#ids.length);
      this.#ids.push(row.id);
    }
    this.#rows.set(row.id, row);
  }

  #remove(id: number): void {
    const place = this.#placeOf.get(id);
    if (place === undefined) return;
    const last = this.#ids.pop();
    if (last !== undefined && last !== id) {
      this.#ids[place] = last;
      this.#placeOf.set(last, place);
    }
    this.#placeOf.delete(id);
    this.#rows.delete(id);
  }
}

/** One transaction being drawn. Later statements may change rows of earlier ones. */
export class Draft {
  /** Key -> the row afterwards, null when it is gone. */
  readonly changed = new Map<number, RecordRow | null>();
  readonly #records: Records;
  readonly #random: SeededRandom;
  readonly #of: { readonly sender: number; readonly group: number };
  readonly #witnesses = new Set<number>();
  #sequence = 0;

  constructor(
    records: Records,
    random: SeededRandom,
    of: { readonly sender: number; readonly group: number },
  ) {
    this.#records = records;
    this.#random = random;
    this.#of = of;
  }

  /** One to four statements. */
  statements(): readonly Statement[] {
    const count = this.#random.between(1, STATEMENTS_MAX);
    return Array.from({ length: count }, () => this.#statement()).filter(
      ({ rows }) => rows.length > 0,
    );
  }

  /** The record that ends a group. */
  end(): Statement {
    const row = { ...this.#newRow(), content: null, last: true };
    const own = { ...row, _change_selector: ownSelector(this.#of.sender) };
    this.changed.set(own.id, own);
    return { kind: 'insert', rows: [own] };
  }

  /**
   * A new row that nothing else in the transaction touches: it is there exactly when the transaction has
   * committed, which is how an unknown commit is found out.
   */
  one(): Statement {
    const statement = this.#insert(1);
    for (const { id } of statement.rows) this.#witnesses.add(id);
    return statement;
  }

  #statement(): Statement {
    const kind = this.#kind();
    const isBulk = this.#random.next() < BULK_SHARE;
    const count = isBulk
      ? this.#random.between(BULK_ROWS.least, BULK_ROWS.most)
      : this.#random.between(1, STATEMENT_ROWS_MAX);
    if (kind === 'insert') return this.#insert(count);
    const rows = this.#take(count).map((row) => this.#changedRow(kind, row));
    for (const row of rows) this.changed.set(row.id, kind === 'delete' ? null : row);
    return { kind, rows };
  }

  #kind(): Statement['kind'] {
    const { size } = this.#records;
    if (size < ROWS_MIN) return 'insert';
    const roll = this.#random.next();
    const inserts = size > ROWS_MAX ? 0.15 : 0.4;
    if (roll < inserts) return 'insert';
    if (roll < inserts + 0.18) return 'update';
    if (roll < inserts + 0.28) return 'touch';
    return roll < inserts + 0.4 ? 'move' : 'delete';
  }

  #insert(count: number): Statement {
    const rows = Array.from({ length: count }, () => this.#newRow());
    for (const row of rows) this.changed.set(row.id, row);
    return { kind: 'insert', rows };
  }

  /** Rows that exist at this point of the transaction, each once. */
  #take(count: number): readonly RecordRow[] {
    const taken = new Map<number, RecordRow>();
    const own = [...this.changed.values()].filter(
      (row) => row !== null && !this.#witnesses.has(row.id),
    );
    for (let index = 0; index < count; index += 1) {
      const isOwn = own.length > 0 && this.#random.next() < 0.2;
      const row = isOwn ? this.#random.pick(own) : this.#records.take(this.#random);
      if (row === undefined || row === null) continue;
      taken.set(row.id, row);
      // Taken is reserved, so it must be settled, whatever the statement does to it.
      if (!this.changed.has(row.id)) this.changed.set(row.id, row);
    }
    return [...taken.values()];
  }

  #newRow(): RecordRow {
    const { sender, group } = this.#of;
    const isShared = this.#random.next() < 0.3;
    return {
      id: this.#records.newId(),
      ...{ grp: group, sequence: this.#nextSequence(), content: this.#content(), last: false },
      _change_selector: isShared ? SHARED : ownSelector(sender),
    };
  }

  #changedRow(kind: Statement['kind'], row: RecordRow): RecordRow {
    const numbered = { ...row, grp: this.#of.group, sequence: this.#nextSequence() };
    switch (kind) {
      case 'update':
        return { ...numbered, content: this.#content() };
      case 'touch':
        return numbered;
      case 'move':
        return { ...row, _change_selector: this.#otherSelector(row) };
      default:
        return row;
    }
  }

  #otherSelector(row: RecordRow): string {
    const all = [ownSelector(this.#of.sender), SHARED, ELSEWHERE];
    return this.#random.pick(all.filter((selector) => selector !== row._change_selector));
  }

  #nextSequence(): number {
    this.#sequence += 1;
    return this.#sequence;
  }

  /** NULL, empty, short, or so large that Postgres stores it out of line. Never twice the same. */
  #content(): string | null {
    const roll = this.#random.next();
    if (roll < 0.04) return null;
    if (roll < 0.08) return '\\x';
    const own = hexOf(this.#random, CONTENT_BYTES_MIN);
    const from = this.#random.between(0, NOISE_BYTES) * 2;
    const rest = (this.#contentBytes(roll) - CONTENT_BYTES_MIN) * 2;
    return `\\x${own}${NOISE.slice(from, from + rest)}`;
  }

  #contentBytes(roll: number): number {
    if (roll < 0.8) return this.#random.between(CONTENT_BYTES_MIN, 300);
    return roll < 0.98
      ? this.#random.between(300, 2500)
      : this.#random.between(4000, CONTENT_BYTES_MAX);
  }
}

/** What a statement does, for the evidence. */
export function changesOf({ kind, rows }: Statement): readonly OpChange[] {
  return rows.map((row) => {
    const op = kind === 'insert' || kind === 'delete' ? kind : 'update';
    const after = op === 'delete' ? null : evidenceRow(row);
    return { table: RECORD_TABLE, op, key: `${row.id}`, row: after };
  });
}

function evidenceRow(row: RecordRow): EvidenceRow {
  return {
    ...{ id: `${row.id}`, grp: `${row.grp}`, sequence: `${row.sequence}` },
    ...{ content: row.content, last: `${row.last}`, _change_selector: row._change_selector },
    code: codeOf(row.id),
  };
}

function hexOf(random: SeededRandom, bytes: number): string {
  let hex = '';
  while (hex.length < bytes * 2) {
    hex += random.between(0, 0xffff_ffff).toString(16).padStart(8, '0');
  }
  return hex.slice(0, bytes * 2);
}
