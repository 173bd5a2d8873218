/**
 * One two-way table of a replica. What a program reads is the base (Postgres at the replica's position) with the
 * pending changes of this file put on top. Keys that have pending changes are dirty: the table holds the merged
 * row and `tidelock_base_<n>` the base's image of it. The rows of all other keys are the base themselves.
 *
 * Inside the follower's transaction dirty keys are *lifted* before they are touched: the image goes back into the
 * table, so that everything that applies, compares and digests rows sees the base and needs no knowledge of local
 * writes. Before the commit `settle` takes the table's row as the new image and merges again. Nobody else sees a
 * lifted row.
 */
import type { Cell } from '../core/value.ts';
import type { RowState } from '../merge/row-state.ts';
import {
  baseState,
  type Companion,
  keyCellsOf,
  keyText,
  readCompanion,
  readLine,
  rowOf,
  type TwowayTable,
  withPending,
} from './local-rows.ts';
import { ReplicaTable } from './replica-table.ts';
import { RowStatements } from './row-statements.ts';
import { asText, type Sql, type SqlStatement } from './sql.ts';

type Row = readonly Cell[];

/** Lifted keys that are remembered one by one; beyond it the whole table is lifted. */
const LIFTED_KEYS_MAX = 10_000;
/** Dirty keys that are merged together. */
const SETTLED_KEYS = 500;

/** Columns of a base table after the table's own. */
export const PRESENT = 'tidelock_present';
/** What base and pending changes make together: null where it has to be found out from them. */
export const CAUSAL_LENGTH = 'tidelock_cl';
/** JSON list by place; null: all are 1. */
export const VERSIONS = 'tidelock_versions';

export function baseTableName(number: number): string {
  return `tidelock_base_${number}`;
}

/** The layout of `tidelock_base_<n>`: the table's columns, whether the base has the row at all, and the present state. */
export function baseLayout(table: ReplicaTable, number: number): ReplicaTable {
  const columns = [
    ...table.definition.columns,
    { name: PRESENT, type: 'integer', kind: 'int' } as const,
    { name: CAUSAL_LENGTH, type: 'bigint', kind: 'int' } as const,
    { name: VERSIONS, type: 'json', kind: 'text' } as const,
  ];
  const definition = { ...table.definition, columns, indexes: [] };
  return new ReplicaTable(definition, baseTableName(number));
}

/** A dirty key: the base's row (null: it has none), and what that and the pending changes make (null: not known). */
export type Image = {
  readonly key: Row;
  readonly row: Row | null;
  readonly state: RowState | null;
};

/** A key with everything that is known of it. */
type DirtyKey = { readonly key: Row; readonly text: string };

export class LocalTable {
  readonly number: number;
  readonly twoway: TwowayTable;
  readonly #sql: Sql;
  readonly #base: ReplicaTable;
  /** Null while it is not known yet. */
  readonly companion: ReplicaTable | null;
  readonly #rows: RowStatements;
  readonly #images: RowStatements;
  readonly #companions: RowStatements | null;
  readonly #lines: SqlStatement;
  readonly #pendingKeys: SqlStatement;
  readonly #states: SqlStatement;
  readonly #lifted = new Map<string, Row>();
  #isAllLifted = false;
  #isDirty: boolean | null = null;

  /** Null as companion while it is not known yet: all versions are 1 then. */
  constructor(
    sql: Sql,
    options: {
      readonly number: number;
      readonly twoway: TwowayTable;
      readonly companion: ReplicaTable | null;
    },
  ) {
    const { number, twoway, companion } = options;
    this.number = number;
    this.twoway = twoway;
    this.#sql = sql;
    this.companion = companion;
    this.#base = baseLayout(twoway.table, number);
    this.#rows = new RowStatements(sql, twoway.table);
    this.#images = new RowStatements(sql, this.#base);
    this.#companions = companion === null ? null : new RowStatements(sql, companion);
    this.#lines = sql.prepare(
      'SELECT line FROM tidelock_pending WHERE table_name = ? AND key = ? ORDER BY number, seq',
    );
    this.#pendingKeys = sql.prepare(
      'SELECT DISTINCT key FROM tidelock_pending WHERE table_name = ? AND key > ? ORDER BY key LIMIT ?',
    );
    const isKey = this.#base.keyColumns.map((name) => `${name} = ?`).join(' AND ');
    this.#states = sql.prepare(
      `UPDATE ${this.#base.quoted} SET ${CAUSAL_LENGTH} = ?, ${VERSIONS} = ? WHERE ${isKey}`,
    );
  }

  /** Quoted name of the table of images. */
  get baseName(): string {
    return this.#base.quoted;
  }

  /** False while all versions of all rows are 1 for sure. */
  get hasCompanionRows(): boolean {
    if (this.companion === null) return false;
    return this.#sql.prepare(`SELECT 1 FROM ${this.companion.quoted} LIMIT 1`).get() !== undefined;
  }

  get name(): string {
    return this.twoway.table.name;
  }

  /** False when no key is dirty: then nothing has to be lifted. */
  get isDirty(): boolean {
    this.#isDirty ??=
      this.#sql.prepare(`SELECT 1 FROM ${this.#base.quoted} LIMIT 1`).get() !== undefined;
    return this.#isDirty;
  }

  /** Something was lifted and waits for `settle`. */
  get isLifted(): boolean {
    return this.#isAllLifted || this.#lifted.size > 0;
  }

  /** Puts the base's rows of those keys that are dirty back into the table. */
  lift(keys: readonly Row[]): void {
    if (this.#isAllLifted || !this.isDirty) return;
    const present: Row[] = [];
    const absent: Row[] = [];
    this.#images.read(keys, (image) => {
      const key = this.twoway.table.keyCells(image);
      const text = keyText(this.twoway, key);
      if (this.#lifted.has(text)) return;
      this.#lifted.set(text, key);
      const row = this.#rowOfImage(image);
      if (row !== null) present.push(row);
      else absent.push(key);
    });
    this.#rows.delete(absent);
    this.#rows.upsert(present);
    if (this.#lifted.size > LIFTED_KEYS_MAX) this.liftAll();
  }

  /** The same for all keys. Those that were lifted before keep what was written to them since. */
  liftAll(): void {
    if (this.#isAllLifted) return;
    if (this.isDirty) {
      if (this.#lifted.size > 0) this.#takeImages([...this.#lifted.values()]);
      this.#restoreAll();
    }
    this.#lifted.clear();
    this.#isAllLifted = true;
  }

  /** Images anew from the rows, pending changes on top; keys without pending changes are clean from here on. */
  settle(): void {
    if (this.#isAllLifted) this.#settleAll();
    else this.#settleKeys([...this.#lifted].map(([text, key]) => ({ text, key })));
    this.#lifted.clear();
    this.#isAllLifted = false;
  }

  /** The transaction was rolled back. */
  revert(): void {
    this.#lifted.clear();
    this.#isAllLifted = false;
    this.#isDirty = null;
  }

  /** The state of a key before anything of the log: base and pending. Null when the key is clean. */
  dirtyState(key: Row, text: string): RowState | null {
    if (!this.isDirty) return null;
    let state: RowState | null = null;
    this.#images.read([key], (image) => {
      state = withPending(this.baseState(key, this.#rowOfImage(image)), this.#pending(text));
    });
    return state;
  }

  /** The base's state of a key whose row is known. */
  baseState(
    key: Row,
    row: Row | null,
    { isPlain }: { readonly isPlain: boolean } = { isPlain: false },
  ): RowState {
    if (isPlain) return baseState(this.twoway, row, null);
    const companion = this.#companionsOf([key]).get(keyText(this.twoway, key));
    return baseState(this.twoway, row, companion ?? null);
  }

  /** Notes the base's images of clean keys that get their first pending change; null: the base has no such row. */
  remember(images: readonly Image[]): void {
    if (images.length === 0) return;
    this.#images.upsert(images.map((image) => this.#image(image)));
    this.#isDirty = true;
  }

  /** Notes what keys that are dirty already have become. */
  noteState(key: Row, state: RowState): void {
    this.#states.run(state.cl, this.#versionsText(state), ...key);
  }

  /** Images were written by a statement. */
  becameDirty(): void {
    this.#isDirty = true;
  }

  #image({ key, row, state }: Image): Row {
    const cells: Cell[] = row === null ? this.twoway.table.columns.map(() => null) : [...row];
    this.twoway.table.keyPositions.forEach((position, index) => {
      if (row === null) cells[position] = key[index] ?? null;
    });
    const known = state === null ? [null, null] : [state.cl, this.#versionsText(state)];
    return [...cells, row === null ? 0 : 1, ...known];
  }

  #rowOfImage(image: Row): Row | null {
    const { length } = this.twoway.table.columns;
    return image[length] === 1 ? image.slice(0, length) : null;
  }

  #versionsText(state: RowState): string | null {
    const names = this.twoway.definition.twoway.columns;
    const versions = names.map((name) => state.columns.get(name)?.version ?? 1);
    return versions.every((version) => version === 1) ? null : JSON.stringify(versions);
  }

  #takeImages(keys: readonly Row[]): void {
    const rows = this.#rowsOf(keys);
    const images = keys.map((key) => {
      const row = rows.get(keyText(this.twoway, key)) ?? null;
      return this.#image({ key, row, state: null }); // it is settled before anybody asks
    });
    this.#images.upsert(images);
  }

  #restoreAll(): void {
    const { columns, keyColumns, quoted } = this.twoway.table;
    const names = columns.join();
    const sets = columns.filter((name) => !keyColumns.includes(name));
    const action =
      sets.length === 0
        ? 'NOTHING'
        : `UPDATE SET ${sets.map((name) => `${name} = excluded.${name}`).join()}`;
    this.#sql.exec(
      `INSERT INTO ${quoted} (${names}) SELECT ${names} FROM ${this.#base.quoted} WHERE ${PRESENT} = 1
       ON CONFLICT (${keyColumns.join()}) DO ${action}`,
    );
    this.#sql.exec(
      `DELETE FROM ${quoted} WHERE (${keyColumns.join()}) IN
       (SELECT ${keyColumns.join()} FROM ${this.#base.quoted} WHERE ${PRESENT} = 0)`,
    );
  }

  #settleAll(): void {
    this.#sql.exec(`DELETE FROM ${this.#base.quoted}`);
    this.#isDirty = false;
    for (let after = ''; ; ) {
      const rows = this.#pendingKeys.all(this.name, after, SETTLED_KEYS);
      const texts = rows.map(({ key }) => asText(key));
      this.#settleKeys(texts.map((text) => ({ text, key: keyCellsOf(this.twoway, text) })));
      const last = texts.at(-1);
      if (last === undefined) return;
      after = last;
    }
  }

  #settleKeys(keys: readonly DirtyKey[]): void {
    for (let start = 0; start < keys.length; start += SETTLED_KEYS) {
      this.#settleSome(keys.slice(start, start + SETTLED_KEYS));
    }
  }

  #settleSome(keys: readonly DirtyKey[]): void {
    const rows = this.#rowsOf(keys.map(({ key }) => key));
    const companions = this.#companionsOf(keys.map(({ key }) => key));
    const clean: Row[] = [];
    const images: Row[] = [];
    const gone: Row[] = [];
    const shown: Row[] = [];
    for (const { key, text } of keys) {
      const pending = this.#pending(text);
      if (pending.length === 0) {
        clean.push(key);
        continue;
      }
      const row = rows.get(text) ?? null;
      const base = baseState(this.twoway, row, companions.get(text) ?? null);
      const state = withPending(base, pending);
      images.push(this.#image({ key, row, state }));
      const merged = rowOf(this.twoway, key, state, state.cl === base.cl ? row : null);
      if (merged === null) gone.push(key);
      else shown.push(merged);
    }
    this.#images.delete(clean);
    this.#images.upsert(images);
    this.#rows.delete(gone);
    this.#rows.upsert(shown);
    this.#isDirty = images.length > 0 ? true : null;
  }

  #pending(text: string): readonly RowState[] {
    const rows = this.#lines.all(this.name, text);
    return rows.map(({ line }) => readLine(this.twoway, asText(line)));
  }

  #rowsOf(keys: readonly Row[]): ReadonlyMap<string, Row> {
    const rows = new Map<string, Row>();
    this.#rows.read(keys, (row) => {
      rows.set(keyText(this.twoway, this.twoway.table.keyCells(row)), row);
    });
    return rows;
  }

  #companionsOf(keys: readonly Row[]): ReadonlyMap<string, Companion> {
    const companions = new Map<string, Companion>();
    const layout = this.companion;
    if (layout === null) return companions;
    this.#companions?.read(keys, (row) => {
      companions.set(keyText(this.twoway, layout.keyCells(row)), readCompanion(layout, row));
    });
    return companions;
  }
}
