/** Which collections are so small that looking at all of them takes next to no time. Finding out looks at a few rows. */
import type { ItemId } from '../../sql/types.ts';
import { asNumber, asText, prepareArrays } from '../sql.ts';
import type { CollectionStore } from './collection-store.ts';
import { liveTable, pastTable } from './collection-table.ts';

/** Rows of now, and as many of the past. */
const SMALL_ROWS = 256;
/** What is in them, of now and of the past each. */
const SMALL_BYTES = 64 * 1024;

export class SmallTables {
  readonly #store: CollectionStore;
  /** Rows by collection, since the last write; null: it is not small. */
  readonly #known = new Map<ItemId, number | null>();
  #writes = -1;
  readonly #lengths = new Map<string, string>();

  constructor(store: CollectionStore) {
    this.#store = store;
  }

  /** How many rows a read of it looks at, of now and of the past; null when they may be many, or long. */
  rowsOf(id: ItemId): number | null {
    if (this.#writes !== this.#store.writes) {
      this.#writes = this.#store.writes;
      this.#known.clear();
    }
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    const { number } = this.#store.versioned(id);
    const rows = this.#sum([liveTable(number), ''], [pastTable(number), '']);
    this.#known.set(id, rows);
    return rows;
  }

  /** The same for its changes from a time on. */
  changesOf(id: ItemId, from: number): number | null {
    const { number } = this.#store.versioned(id);
    return this.#sum(
      [liveTable(number), `WHERE "from" >= ${from}`],
      [pastTable(number), `WHERE until >= ${from}`],
    );
  }

  #sum(...parts: readonly (readonly [table: string, where: string])[]): number | null {
    let sum = 0;
    for (const [table, where] of parts) {
      const rows = this.#number(
        `SELECT count(*) FROM (SELECT 1 FROM ${table} ${where} LIMIT ${SMALL_ROWS + 1})`,
      );
      if (rows > SMALL_ROWS) return null;
      const lengths = this.#lengthsOf(table);
      if (rows > 0 && lengths !== '') {
        const bytes = this.#number(`SELECT total(${lengths}) FROM ${table} ${where}`);
        if (bytes > SMALL_BYTES) return null;
      }
      sum += rows;
    }
    return sum;
  }

  /** The bytes of a row's texts and blobs; SQLite tells them without reading the values. */
  #lengthsOf(table: string): string {
    const known = this.#lengths.get(table);
    if (known !== undefined) return known;
    const names = prepareArrays(
      this.#store.sql,
      `SELECT name FROM pragma_table_info('${table}') WHERE type <> 'INTEGER'`,
    ).all() as unknown as readonly (readonly unknown[])[];
    const lengths = names.map(([name]) => `ifnull(octet_length("${asText(name)}"), 0)`).join(' + ');
    this.#lengths.set(table, lengths);
    return lengths;
  }

  #number(text: string): number {
    const row = prepareArrays(this.#store.sql, text).get() as unknown as readonly unknown[];
    return asNumber(row[0]);
  }
}
