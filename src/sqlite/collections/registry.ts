/** The list of what a file of collections has, with frontiers. */
import type { Column, ItemId } from '../../sql/types.ts';
import { asNumber, asText, prepareArrays, type Sql, type SqlStatement } from '../sql.ts';
import type { GroupsState } from './kept-plan.ts';
import type { CollectionState, Versioned } from './versioned.ts';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS tidelock_collections (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, definition TEXT NOT NULL, upper INTEGER,
    since INTEGER NOT NULL, "changedAt" INTEGER NOT NULL, "hasRepeats" INTEGER NOT NULL, "hasMoved" INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS tidelock_notes (id TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID`;

export type BagDefinition = {
  readonly kind: 'bag';
  readonly columns: readonly Column[];
  /** Positions of columns that tell rows apart, if any: rows are found by them. */
  readonly key: readonly number[];
};

export type Definition = BagDefinition | { readonly kind: 'groups'; readonly groups: GroupsState };

export type Entry = {
  readonly id: ItemId;
  readonly number: number;
  readonly definition: Definition;
  readonly state: CollectionState;
};

export class Registry {
  readonly #sql: Sql;
  readonly #save: SqlStatement;
  readonly #note: SqlStatement;

  constructor(sql: Sql) {
    sql.exec(SCHEMA);
    this.#sql = sql;
    this.#save = sql.prepare(
      `UPDATE tidelock_collections SET upper = ?, since = ?, "changedAt" = ?, "hasRepeats" = ?, "hasMoved" = ?
       WHERE number = ?`,
    );
    this.#note = prepareArrays(sql, 'SELECT text FROM tidelock_notes WHERE id = ?');
  }

  /** In the order in which they were added. */
  all(): Entry[] {
    const rows = prepareArrays(
      this.#sql,
      `SELECT id, number, definition, upper, since, "changedAt", "hasRepeats", "hasMoved"
       FROM tidelock_collections ORDER BY number`,
    ).all() as unknown as (string | number | null)[][];
    return rows.map(([id, number, definition, upper, since, changedAt, hasRepeats, hasMoved]) => ({
      id: asText(id),
      number: asNumber(number),
      // The cast trusts what we wrote.
      definition: JSON.parse(asText(definition)) as Definition,
      state: {
        upper: upper === null ? null : asNumber(upper),
        since: asNumber(since),
        changedAt: asNumber(changedAt),
        hasRepeats: hasRepeats !== 0,
        hasMoved: hasMoved !== 0,
      },
    }));
  }

  add(id: ItemId, definition: Definition, frontiers: { upper: number; since: number }): Entry {
    const { upper, since } = frontiers;
    const { lastInsertRowid } = this.#sql
      .prepare(
        `INSERT INTO tidelock_collections (id, definition, upper, since, "changedAt", "hasRepeats", "hasMoved")
         VALUES (?, ?, ?, ?, 0, 0, 0)`,
      )
      .run(id, textOf(definition), upper, since);
    const state = { upper, since, changedAt: 0, hasRepeats: false, hasMoved: false };
    return { id, number: Number(lastInsertRowid), definition, state };
  }

  remove({ id, number }: Versioned): void {
    this.#sql.prepare('DELETE FROM tidelock_collections WHERE number = ?').run(number);
    this.setNote(id, null);
  }

  save({ number, state }: Versioned): void {
    const { upper, since, changedAt, hasRepeats, hasMoved } = state;
    this.#save.run(upper, since, changedAt, Number(hasRepeats), Number(hasMoved), number);
  }

  setNote(id: ItemId, text: string | null): void {
    if (text === null) this.#sql.prepare('DELETE FROM tidelock_notes WHERE id = ?').run(id);
    else this.#sql.prepare('INSERT OR REPLACE INTO tidelock_notes VALUES (?, ?)').run(id, text);
  }

  note(id: ItemId): string | null {
    const row = this.#note.get(id);
    return row === undefined ? null : asText((row as unknown as readonly unknown[])[0]);
  }
}

/** Definitions and plans as text: equal ones give equal texts. */
export function textOf(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? `${one}n` : one));
}
