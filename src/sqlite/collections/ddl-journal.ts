/** The statements that made the catalog, in order: what brings it back after a restart. Beside the collections. */
import { asNumber, prepareArrays, type Sql } from '../sql.ts';

/** `ids`: of the items that it made, from `firstId` on. */
export type DdlRecord = {
  readonly number: number;
  readonly text: string;
  readonly database: string;
  readonly schema: string;
  readonly firstId: number;
  readonly ids: number;
};

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS tidelock_ddl (
    number INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL, database TEXT NOT NULL, schema TEXT NOT NULL,
    "firstId" INTEGER NOT NULL, ids INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS tidelock_sql (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID`;

export class DdlJournal {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
    sql.exec(SCHEMA);
  }

  get records(): readonly DdlRecord[] {
    const rows = prepareArrays(
      this.#sql,
      'SELECT number, text, database, schema, "firstId", ids FROM tidelock_ddl ORDER BY number',
    ).all() as unknown as (string | number)[][];
    return rows.map(([number, text, database, schema, firstId, ids]) => ({
      number: asNumber(number),
      text: String(text),
      database: String(database),
      schema: String(schema),
      firstId: asNumber(firstId),
      ids: asNumber(ids),
    }));
  }

  add({ text, database, schema, firstId, ids }: Omit<DdlRecord, 'number'>): void {
    this.#sql
      .prepare(
        'INSERT INTO tidelock_ddl (text, database, schema, "firstId", ids) VALUES (?, ?, ?, ?, ?)',
      )
      .run(text, database, schema, firstId, ids);
  }

  remove(number: number): void {
    this.#sql.prepare('DELETE FROM tidelock_ddl WHERE number = ?').run(number);
  }

  /** The number of the last item that ever was: numbers are not used again. */
  get lastItem(): number {
    const row = prepareArrays(
      this.#sql,
      `SELECT value FROM tidelock_sql WHERE name = 'lastItem'`,
    ).get();
    return row === undefined ? 0 : asNumber((row as unknown as number[])[0]);
  }

  set lastItem(value: number) {
    this.#sql
      .prepare(`INSERT OR REPLACE INTO tidelock_sql (name, value) VALUES ('lastItem', ?)`)
      .run(value);
  }
}
