/**
 * The rows of published views, as of the last change that was taken: how often each is there. A file beside the log of
 * views, made anew with every history, so nothing of it need be durable. Readers see one moment while it goes on.
 */
import { rmSync } from 'node:fs';
import { asNumber, asText, inTransaction, openSql, prepareArrays, type Sql } from './sql.ts';

const WAIT_MS = 5000;

const SCHEMA = `
  PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
  CREATE TABLE rows (view TEXT, hash TEXT, n INTEGER NOT NULL, cells TEXT NOT NULL,
    PRIMARY KEY (view, hash)) WITHOUT ROWID`;

const ADD = `
  INSERT INTO rows (view, hash, n, cells) VALUES (?, ?, ?, ?)
  ON CONFLICT (view, hash) DO UPDATE SET n = n + excluded.n RETURNING n`;

/** `cells` is JSON. */
export type CountedRow = { readonly hash: string; readonly n: number; readonly cells: string };

export class ViewRows {
  readonly #file: string;
  readonly #sql: Sql;
  readonly #add: ReturnType<typeof prepareArrays>;

  /** Replaces what an earlier life left behind. Throws what SQLite throws. */
  constructor(file: string) {
    for (const end of ['', '-wal', '-shm']) rmSync(`${file}${end}`, { force: true });
    this.#file = file;
    this.#sql = openSql(file, { timeoutMs: WAIT_MS });
    this.#sql.exec(SCHEMA);
    this.#add = prepareArrays(this.#sql, ADD);
  }

  /** All of it or nothing. */
  write(work: () => void): void {
    inTransaction(this.#sql, work);
  }

  clear(view: string): void {
    this.#sql.prepare('DELETE FROM rows WHERE view = ?').run(view);
  }

  clearAll(): void {
    this.#sql.exec('DELETE FROM rows');
  }

  /** The row is there so many times more (below zero: fewer). Gives how often it is there now. */
  add(view: string, { hash, n, cells }: CountedRow): number {
    const row = this.#add.get(view, hash, n, cells) as unknown as readonly unknown[];
    const now = asNumber(row[0]);
    if (now === 0)
      this.#sql.prepare('DELETE FROM rows WHERE view = ? AND hash = ?').run(view, hash);
    return now;
  }

  /** What is there now, and stays as it is for this reader. To be closed. */
  reader(): ViewReader {
    return new ViewReader(openSql(this.#file, { timeoutMs: WAIT_MS, isReadOnly: true }));
  }

  close(): void {
    this.#sql.close();
  }
}

export class ViewReader {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
    sql.exec('BEGIN');
    sql.prepare('SELECT 1 FROM rows LIMIT 1').get(); // the moment is that of the first read
  }

  *rows(view: string): Generator<CountedRow> {
    const statement = prepareArrays(
      this.#sql,
      'SELECT hash, n, cells FROM rows WHERE view = ? ORDER BY hash',
    );
    for (const row of statement.iterate(view)) {
      const [hash, n, cells] = row as unknown as readonly unknown[];
      yield { hash: asText(hash), n: asNumber(n), cells: asText(cells) };
    }
  }

  close(): void {
    this.#sql.close();
  }
}
