/** The durable run database as a SQLite file: every commit is synced to the disk. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { TidelockError } from '../../core/errors.ts';
import type {
  CopyBatch,
  CopyMark,
  CopyPage,
  CopyRow,
  DurableStore,
  LeaseRequest,
  SyncLease,
} from '../../planner/run-durable.ts';
import {
  COPIED_TABLES,
  copiedColumns,
  type RunTable,
  type RunTableName,
  runTable,
  sqlName,
} from '../../planner/run-tables.ts';
import { openSql, rollBack, type Sql, sqlFailureOf } from '../sql.ts';
import { prepareCopyFile, readFact, writeFact } from './run-schema.ts';
import { columnList, rowOf, Statements, toSql } from './run-values.ts';

const LOCK_WAIT_MS = 1000;
const PAGE_ROWS = 2000;

export class DurableFile implements DurableStore {
  readonly where: string;
  #sql: Sql | null = null;
  #statements: Statements | null = null;

  /** Nothing is opened before the first call, and a file that went away is opened anew. */
  constructor(file: string) {
    this.where = file;
  }

  /** The area that used the file first; from now on this one when there was none. */
  async areaOf(area: string): Promise<string> {
    return this.#inTransaction(({ sql }) => {
      const known = readFact(sql, 'area');
      if (known === null) writeFact(sql, 'area', area);
      return known ?? area;
    });
  }

  async lease({ owner, now, ms, gone }: LeaseRequest): Promise<SyncLease> {
    return this.#inTransaction(({ sql }) => {
      const held = leaseOf(sql);
      const isTaken = held !== null && held.owner !== owner && held.owner !== gone;
      if (isTaken && held.until > now) {
        return { isOurs: false, owner: held.owner, until: held.until };
      }
      writeFact(sql, 'syncer', JSON.stringify({ owner, until: now + ms }));
      return { isOurs: true };
    });
  }

  async release(owner: string): Promise<void> {
    await this.#inTransaction(({ sql }) => {
      if (leaseOf(sql)?.owner === owner) sql.exec("DELETE FROM meta WHERE name = 'syncer'");
    });
  }

  async mark(): Promise<CopyMark | null> {
    return this.#guarded(({ sql }) => markOf(sql));
  }

  async apply(batch: CopyBatch): Promise<void> {
    await this.#inTransaction(async (statements) => {
      requirePlace(statements.sql, batch);
      for (const page of batch.pages) {
        writePage(statements, page);
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
      writeFact(statements.sql, 'mark', JSON.stringify(batch.to));
    });
  }

  async *pages(): AsyncIterable<{
    readonly table: RunTableName;
    readonly rows: readonly CopyRow[];
  }> {
    for (const table of COPIED_TABLES) {
      let after = 0;
      for (;;) {
        const rows = this.#guarded((statements) => pageOf(statements, table, after));
        if (rows.length === 0) break;
        yield { table: table.name, rows };
        after = Number(rows.at(-1)?.[table.key]);
      }
    }
  }

  async close(): Promise<void> {
    this.#forget();
  }

  async #inTransaction<T>(work: (statements: Statements) => T | Promise<T>): Promise<T> {
    const statements = this.#guarded((opened) => {
      opened.sql.exec('BEGIN IMMEDIATE');
      return opened;
    });
    try {
      const result = await work(statements);
      statements.sql.exec('COMMIT');
      return result;
    } catch (error) {
      this.#undo(statements.sql);
      throw this.#translated(error);
    }
  }

  #undo(sql: Sql): void {
    try {
      rollBack(sql);
    } catch {
      this.#forget(); // the disk is gone: the next call opens the file anew
    }
  }

  #guarded<T>(work: (statements: Statements) => T): T {
    try {
      return work(this.#open());
    } catch (error) {
      throw this.#translated(error);
    }
  }

  #open(): Statements {
    if (this.#statements !== null) return this.#statements;
    mkdirSync(dirname(this.where), { recursive: true });
    const sql = openSql(this.where, { timeoutMs: LOCK_WAIT_MS });
    this.#sql = sql;
    const tables = COPIED_TABLES.map((table) => ({ table, columns: copiedColumns(table) }));
    prepareCopyFile(sql, this.where, tables);
    this.#statements = new Statements(sql);
    return this.#statements;
  }

  #forget(): void {
    this.#sql?.close();
    this.#sql = null;
    this.#statements = null;
  }

  #translated(error: unknown): unknown {
    if (error instanceof TidelockError) return error;
    const isOfTheDisk = error instanceof Error && 'code' in error;
    if (sqlFailureOf(error) === undefined && !isOfTheDisk) return error;
    if (sqlFailureOf(error) !== 'busy') this.#forget();
    return new TidelockError({
      code: 'DURABLE_DOWN',
      message: `the durable run database ${this.where} cannot be used: ${(error as Error).message}`,
      hint: 'runs go on; free or mount its disk, what waits follows in order',
      cause: error,
    });
  }
}

function requirePlace(sql: Sql, { owner, from }: CopyBatch): void {
  const held = leaseOf(sql);
  const mark = markOf(sql);
  const isHere = mark?.seq === from?.seq && mark?.history === from?.history;
  if (held?.owner === owner && isHere) return;
  throw syncTaken(held?.owner === owner ? 'it stands at another place' : `${held?.owner} has it`);
}

function syncTaken(why: string): TidelockError {
  return new TidelockError({
    code: 'SYNC_TAKEN',
    message: `the durable run database is not ours to write: ${why}`,
    hint: 'one syncer is enough: it is waited for until its lease ends',
  });
}

function leaseOf(sql: Sql): { readonly owner: string; readonly until: number } | null {
  const text = readFact(sql, 'syncer');
  return text === null ? null : (JSON.parse(text) as { owner: string; until: number });
}

function markOf(sql: Sql): CopyMark | null {
  const text = readFact(sql, 'mark');
  return text === null ? null : (JSON.parse(text) as CopyMark);
}

function writePage(statements: Statements, { removed, rows }: CopyPage): void {
  for (const { table, id } of removed) {
    const { key } = runTable(table);
    statements.run(`DELETE FROM ${table} WHERE ${sqlName(key)} = ?`, id);
  }
  for (const part of rows) {
    const table = runTable(part.table);
    const columns = copiedColumns(table);
    const places = columns.map(() => '?').join(', ');
    const text = `INSERT OR REPLACE INTO ${table.name} (${columnList(columns)}) VALUES (${places})`;
    for (const row of part.rows) {
      statements.run(text, ...columns.map((column) => toSql(column, row[column.field])));
    }
  }
}

function pageOf(statements: Statements, table: RunTable, after: number): readonly CopyRow[] {
  const columns = copiedColumns(table);
  const text = `SELECT ${columnList(columns)} FROM ${table.name} WHERE ${table.key} > ?
    ORDER BY ${table.key} LIMIT ${PAGE_ROWS}`;
  return statements.all(text, after).map((row) => rowOf(columns, row));
}
