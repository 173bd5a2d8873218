/** How a local database begins: empty, or from what the durable one has. */
import { randomBytes } from 'node:crypto';
import type { CopyMark, CopyRow, DurableStore } from '../../planner/run-durable.ts';
import { copiedColumns, runTable } from '../../planner/run-tables.ts';
import { openSql, rollBack, type Sql } from '../sql.ts';
import { runFileError } from './run-errors.ts';
import { prepareRunFile, readFact, writeFact } from './run-schema.ts';
import { columnList, Statements, toSql } from './run-values.ts';

/** Others that open the same new file wait for it to be filled. */
const FILL_WAIT_MS = 30_000;
const HISTORY_BYTES = 9;

/** Inside the caller's transaction. */
export function beginHistory(sql: Sql, area: string, base: CopyMark | null = null): void {
  if (readFact(sql, 'history') !== null) return;
  writeFact(sql, 'seq', String(base?.seq ?? 0));
  writeFact(sql, 'area', area);
  if (base !== null) writeFact(sql, 'base', JSON.stringify(base));
  writeFact(sql, 'history', randomBytes(HISTORY_BYTES).toString('base64url'));
}

/** True when the file has its rows: it need not be filled. Throws `RUNS_UNUSABLE`, `BUSY`. */
export function isFilled(file: string): boolean {
  const sql = openSql(file, { timeoutMs: FILL_WAIT_MS });
  try {
    prepareRunFile(sql, file);
    return readFact(sql, 'history') !== null;
  } catch (error) {
    throw runFileError(error, file);
  } finally {
    sql.close();
  }
}

/** True when no process has the file open, whatever its journal holds; that is folded into it. */
export function isUnused(file: string): boolean {
  const sql = openSql(file, { timeoutMs: 0 });
  try {
    sql.exec('PRAGMA locking_mode = EXCLUSIVE');
    // SQLite leaves this mode only for the one who has the file alone.
    return sql.prepare('PRAGMA journal_mode = DELETE').get()?.journal_mode === 'delete';
  } catch {
    return false; // locked, or none of ours: it stays
  } finally {
    sql.close();
  }
}

/**
 * Fills a new local database with what the durable one has, in one transaction. The caller holds the lease of the
 * syncer, so the durable one stands still. Leases of tasks are void: who held them ran under the lost database.
 */
export async function fillRunFile(
  file: string,
  options: { readonly area: string; readonly durable: DurableStore },
): Promise<void> {
  const sql = openSql(file, { timeoutMs: FILL_WAIT_MS });
  try {
    prepareRunFile(sql, file);
    sql.exec('BEGIN IMMEDIATE');
    if (readFact(sql, 'history') === null) {
      const mark = await options.durable.mark();
      await copyRows(new Statements(sql), options.durable);
      beginHistory(sql, options.area, mark);
    }
    sql.exec('COMMIT');
  } catch (error) {
    throw runFileError(error, file);
  } finally {
    rollBack(sql);
    sql.close();
  }
}

async function copyRows(statements: Statements, durable: DurableStore): Promise<void> {
  for await (const { table, rows } of durable.pages()) insertRows(statements, table, rows);
  statements.run("UPDATE tasks SET lease_until = 0 WHERE state IN ('claimed', 'running')");
}

function insertRows(
  statements: Statements,
  name: Parameters<typeof runTable>[0],
  rows: readonly CopyRow[],
): void {
  const columns = copiedColumns(runTable(name));
  const places = columns.map(() => '?').join(', ');
  const text = `INSERT INTO ${name} (${columnList(columns)}) VALUES (${places})`;
  for (const row of rows) {
    statements.run(text, ...columns.map((column) => toSql(column, row[column.field])));
  }
}
