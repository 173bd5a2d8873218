/** The rows of the simulated database at one moment, and what a write does to them. */

import { unreachable } from '../core/assert.ts';
import type { TableDef } from '../core/table.ts';
import { type Alteration, alterationOf } from './alteration.ts';
import type { Change } from './plan.ts';
import { ACCOUNTS, accountRow, ITEMS, itemRow, keyOf, type Row, TABLES } from './tables.ts';

/** What one write did to one row. */
export type RowChange = {
  /** As it is when the change is made, or as `alter` leaves it. */
  readonly table: TableDef;
  /** Table and key as one text. */
  readonly name: string;
  readonly kind: 'insert' | 'update' | 'delete' | 'truncate' | 'alter';
  readonly old: Row | null;
  readonly row: Row | null;
  /** Of `alter`: what it does, and the rows that it is done to. */
  readonly alteration?: (Alteration & { readonly rows: readonly Row[] }) | undefined;
};

export class Database {
  /** By the table's name: definitions come back from the log as other objects. */
  readonly #rows = new Map<string, Map<string, Row>>(TABLES.map(({ name }) => [name, new Map()]));
  readonly #tables = new Map<string, TableDef>(TABLES.map((table) => [table.name, table]));

  /** Their definitions now. */
  get tables(): readonly TableDef[] {
    return [...this.#tables.values()];
  }

  rows(table: TableDef): readonly Row[] {
    return [...this.#table(table).values()];
  }

  copy(): Database {
    const made = new Database();
    for (const [name, rows] of this.#rows) made.#rows.set(name, new Map(rows));
    for (const [name, table] of this.#tables) made.#tables.set(name, table);
    return made;
  }

  /** What the write does now; nothing, when there is nothing to do. */
  plan(change: Change): readonly RowChange[] {
    switch (change.kind) {
      case 'put':
        return this.#put(this.#items, itemRow(this.#items, change));
      case 'delete':
        return this.#delete(this.#items, `${change.id}`);
      case 'transfer':
        return this.#transfer(change);
      case 'move':
        return this.#move(change);
      case 'truncate':
        return [{ table: this.#items, name: ITEMS.name, kind: 'truncate', old: null, row: null }];
      case 'alter':
        return this.#alter(change);
      case 'open': {
        const { account, balance, selector } = change;
        return this.#put(ACCOUNTS, accountRow(account, balance, 0, selector));
      }
      default:
        return unreachable(change);
    }
  }

  apply(changes: readonly RowChange[]): void {
    for (const { table, kind, old, row, alteration } of changes) {
      const rows = this.#table(table);
      if (alteration !== undefined) {
        this.#tables.set(table.name, table);
        for (const [key, held] of rows) rows.set(key, alteration.move(held));
      }
      if (kind === 'truncate') rows.clear();
      if (old !== null) rows.delete(keyOf(old));
      if (row !== null) rows.set(keyOf(row), row);
    }
  }

  get #items(): TableDef {
    return this.#tables.get(ITEMS.name) ?? ITEMS;
  }

  #alter(change: Change & { kind: 'alter' }): readonly RowChange[] {
    const alteration = alterationOf(this.#items, change);
    if (alteration === null) return [];
    const rows = this.rows(this.#items);
    const made = { table: alteration.after, name: ITEMS.name, old: null, row: null };
    return [{ ...made, kind: 'alter', alteration: { ...alteration, rows } }];
  }

  #table(table: TableDef): Map<string, Row> {
    const rows = this.#rows.get(table.name);
    if (rows === undefined) throw new Error(`there is no table ${table.name}`);
    return rows;
  }

  #put(table: TableDef, row: Row): readonly RowChange[] {
    const old = this.#table(table).get(keyOf(row)) ?? null;
    const name = `${table.name} ${keyOf(row)}`;
    return [{ table, name, kind: old === null ? 'insert' : 'update', old, row }];
  }

  #delete(table: TableDef, key: string): readonly RowChange[] {
    const old = this.#table(table).get(key);
    if (old === undefined) return [];
    return [{ table, name: `${table.name} ${key}`, kind: 'delete', old, row: null }];
  }

  #transfer({ from, to, amount }: Change & { kind: 'transfer' }): readonly RowChange[] {
    const accounts = this.#table(ACCOUNTS);
    const [giver, taker] = [accounts.get(`${from}`), accounts.get(`${to}`)];
    if (giver === undefined || taker === undefined || from === to) return [];
    return [
      ...this.#put(ACCOUNTS, moved(giver, -amount)),
      ...this.#put(ACCOUNTS, moved(taker, amount)),
    ];
  }

  #move({ account, selector }: Change & { kind: 'move' }): readonly RowChange[] {
    const old = this.#table(ACCOUNTS).get(`${account}`);
    if (old === undefined) return [];
    return this.#put(ACCOUNTS, [...old.slice(0, -1), selector]);
  }
}

function moved(row: Row, amount: number): Row {
  const [id = null, balance, moves, selector = null] = row;
  return [id, `${Number(balance) + amount}`, `${Number(moves) + 1}`, selector];
}
