/**
 * A snapshot in Transicator's SQLite layout: plain tables, `_transicator_metadata`, `_transicator_tables`.
 *
 * The file is nobody's until it is finished, so it is written without journal and syncs. Its header says WAL
 * mode, as the original's does, and it stands alone.
 */
import { existsSync, rmSync, statSync } from 'node:fs';
import { assert } from '../core/assert.ts';
import { quoteName } from '../core/table.ts';
import type { Cell } from '../core/value.ts';
import { replicaWriteFailure } from './replica-errors.ts';
import { openSql, rollBack, type Sql, type SqlStatement } from './sql.ts';

export type FileColumn = {
  readonly name: string;
  readonly oid: number;
  readonly isKey: boolean;
  /** Its declared type in the file. */
  readonly declared: 'integer' | 'real' | 'blob' | 'text';
  /** Stored as the texts 1 and 0. */
  readonly isBool: boolean;
};

export type FileTable = {
  /** The table in the file. */
  readonly name: string;
  readonly columns: readonly FileColumn[];
  /** A view that writes through, and the name under which its columns are listed. */
  readonly alias: { readonly view: string; readonly listedAs: string } | null;
};

export type TransicatorFileOptions = {
  /** Must not exist. */
  readonly file: string;
  readonly tables: readonly FileTable[];
  /** What the rows show: `xmin:xmax:xip,xip`. */
  readonly snapshot: string;
};

const PAGE_BYTES = 4096;
/** Rows of one statement: most of the gain of larger ones. */
const BATCH_ROWS = 20;
/** SQLite's own limit of parameters of one statement. */
const PARAMETERS_MAX = 32_766;

/** Phases: rows of all tables, then `finish`. Throws `REPLICA_WRITE_FAILED`; call `abort` then. */
export class TransicatorFile {
  readonly #file: string;
  readonly #sql: Sql;
  readonly #writers = new Map<string, RowWriter>();
  #isClosed = false;

  constructor(options: TransicatorFileOptions) {
    const { file, tables, snapshot } = options;
    assert(!existsSync(file), `the snapshot file ${file} is new`);
    this.#file = file;
    this.#sql = openSql(file, { timeoutMs: 0, isUnsafe: true });
    this.#guard(() => {
      prepare(this.#sql);
      createLists(this.#sql, tables, snapshot);
      for (const table of tables) {
        createTable(this.#sql, table);
        this.#writers.set(table.name, new RowWriter(this.#sql, table));
      }
    });
  }

  /** Rows in column order. The arrays are kept for a while: do not change them. */
  add(table: string, rows: readonly (readonly Cell[])[]): void {
    const writer = this.#writers.get(table);
    assert(writer !== undefined, `rows of ${table} are being loaded`);
    this.#guard(() => writer.add(rows));
  }

  /** Completes and closes the file; returns its size in bytes. */
  finish(): number {
    return this.#guard(() => {
      for (const writer of this.#writers.values()) writer.flush();
      this.#sql.exec('COMMIT');
      this.#sql.exec('PRAGMA journal_mode = WAL');
      this.#close();
      return statSync(this.#file).size;
    });
  }

  /** Closes and removes the file, whatever state it is in. */
  abort(): void {
    try {
      if (!this.#isClosed) rollBack(this.#sql);
      this.#close();
    } finally {
      for (const suffix of ['', '-wal', '-shm']) rmSync(`${this.#file}${suffix}`, { force: true });
    }
  }

  #close(): void {
    if (!this.#isClosed) this.#sql.close();
    this.#isClosed = true;
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw replicaWriteFailure(error, this.#file);
    }
  }
}

function prepare(sql: Sql): void {
  sql.exec(`PRAGMA page_size = ${PAGE_BYTES}`);
  sql.exec('PRAGMA journal_mode = OFF');
  sql.exec('PRAGMA synchronous = OFF');
  sql.exec('PRAGMA locking_mode = EXCLUSIVE');
  sql.exec('BEGIN');
}

function createLists(sql: Sql, tables: readonly FileTable[], snapshot: string): void {
  sql.exec('CREATE TABLE _transicator_metadata (key varchar primary key, value varchar)');
  sql.exec(`CREATE TABLE _transicator_tables (tableName varchar not null, columnName varchar not null,
    typid integer, primaryKey bool)`);
  sql.prepare("INSERT INTO _transicator_metadata VALUES ('snapshot', ?)").run(snapshot);
  const list = sql.prepare('INSERT INTO _transicator_tables VALUES (?, ?, ?, ?)');
  for (const { name, alias, columns } of tables) {
    const names = alias === null ? [name] : [name, alias.listedAs];
    for (const listed of names) {
      for (const { name: column, oid, isKey } of columns) {
        list.run(listed, column, oid, isKey ? 1 : 0);
      }
    }
  }
}

function createTable(sql: Sql, table: FileTable): void {
  const columns = table.columns.map(({ name, declared }) => `${quoteName(name)} ${declared}`);
  const key = keyOf(table).map(quoteName);
  if (key.length > 0) columns.push(`primary key (${key.join(', ')})`);
  sql.exec(`CREATE TABLE ${quoteName(table.name)} (${columns.join(', ')})`);
  if (table.alias !== null) createAlias(sql, table, table.alias.view);
}

/** The old name: a view whose inserts, updates and deletes go to the table. */
function createAlias(sql: Sql, table: FileTable, view: string): void {
  const target = quoteName(table.name);
  const names = table.columns.map(({ name }) => quoteName(name));
  const found = keyOf(table).map((name) => `${quoteName(name)} IS OLD.${quoteName(name)}`);
  const where = found.length === 0 ? 'false' : found.join(' AND ');
  const on = (event: string): string =>
    `CREATE TRIGGER ${quoteName(`${view}_${event.toLowerCase()}`)} INSTEAD OF ${event} ON ${quoteName(view)}`;
  sql.exec(`CREATE VIEW ${quoteName(view)} AS SELECT * FROM ${target}`);
  sql.exec(`${on('INSERT')} BEGIN INSERT INTO ${target} (${names.join(', ')})
    VALUES (${names.map((name) => `NEW.${name}`).join(', ')}); END`);
  sql.exec(`${on('UPDATE')} BEGIN UPDATE ${target}
    SET ${names.map((name) => `${name} = NEW.${name}`).join(', ')} WHERE ${where}; END`);
  sql.exec(`${on('DELETE')} BEGIN DELETE FROM ${target} WHERE ${where}; END`);
}

function keyOf({ columns }: FileTable): readonly string[] {
  return columns.filter(({ isKey }) => isKey).map(({ name }) => name);
}

/** Collects rows of one table into full statements. */
class RowWriter {
  readonly #sql: Sql;
  readonly #table: FileTable;
  readonly #batchRows: number;
  #rows: (readonly Cell[])[] = [];
  #full: SqlStatement | null = null;

  constructor(sql: Sql, table: FileTable) {
    this.#sql = sql;
    this.#table = table;
    this.#batchRows = Math.max(
      1,
      Math.min(BATCH_ROWS, Math.floor(PARAMETERS_MAX / Math.max(1, table.columns.length))),
    );
  }

  add(rows: readonly (readonly Cell[])[]): void {
    for (const row of rows) {
      this.#rows.push(row);
      if (this.#rows.length < this.#batchRows) continue;
      this.#full ??= this.#sql.prepare(this.#insertSql(this.#batchRows));
      this.#run(this.#full);
    }
  }

  flush(): void {
    if (this.#rows.length > 0) this.#run(this.#sql.prepare(this.#insertSql(this.#rows.length)));
  }

  #run(statement: SqlStatement): void {
    const { columns } = this.#table;
    const parameters: Cell[] = [];
    for (const row of this.#rows) {
      for (let at = 0; at < columns.length; at += 1) {
        const cell = row[at] ?? null;
        parameters.push(columns[at]?.isBool === true ? boolText(cell) : cell);
      }
    }
    statement.run(...parameters);
    this.#rows = [];
  }

  #insertSql(rows: number): string {
    const row = `(${this.#table.columns.map(() => '?').join()})`;
    return `INSERT INTO ${quoteName(this.#table.name)} VALUES ${Array(rows).fill(row).join()}`;
  }
}

/** What a client stores in this column when a change brings a boolean: SQLite makes texts of its 1 and 0. */
function boolText(cell: Cell): Cell {
  if (cell === null) return null;
  return cell === 0 ? '0' : '1';
}
