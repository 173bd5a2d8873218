/** Earlier results of another area, read from the file of its durable run database. */
import { existsSync } from 'node:fs';
import { messageOf, TidelockError } from '../../core/errors.ts';
import type { DataRow, TestRow } from '../../planner/rows.ts';
import { copiedColumns, type RunTableName, runTable } from '../../planner/run-tables.ts';
import { openSql } from '../sql.ts';
import { columnList, rowOf, type SqlValue, Statements } from './run-values.ts';

/** Its area may write just now. */
const LOCK_WAIT_MS = 1000;

export type EarlierQuestion = {
  readonly target: string;
  readonly test: string;
  readonly itemPath: string;
  readonly limit: number;
};

export type EarlierResult = {
  readonly row: Omit<TestRow, 'seq'>;
  readonly data: readonly Omit<DataRow, 'seq'>[];
};

/**
 * Results of one test and item of a target, the newest first. Empty when there is no such file. Throws RUNS_UNUSABLE.
 * The caller has made sure that the file is on a local disk.
 */
export function earlierResultsIn(file: string, question: EarlierQuestion): EarlierResult[] {
  if (!existsSync(file)) return [];
  try {
    const sql = openSql(file, { timeoutMs: LOCK_WAIT_MS, isReadOnly: true });
    try {
      return resultsOf(new Statements(sql), question);
    } finally {
      sql.close();
    }
  } catch (error) {
    throw new TidelockError({
      code: 'RUNS_UNUSABLE',
      message: `the runs of a reference area cannot be read: ${file}: ${messageOf(error)}`,
      hint: 'take it out of [refareas], or look at that area with: tidelock runs ls',
      cause: error,
    });
  }
}

function resultsOf(
  statements: Statements,
  { target, test, itemPath, limit }: EarlierQuestion,
): EarlierResult[] {
  const where = `WHERE name = ? AND item_path = ? AND ended_at IS NOT NULL
    AND run_id IN (SELECT id FROM runs WHERE target = ?) ORDER BY ended_at DESC LIMIT ?`;
  const rows = read<TestRow>(statements, 'tests', where, test, itemPath, target, limit);
  return rows.map((row) => {
    const data = read<DataRow>(statements, 'data', 'WHERE test_id = ? ORDER BY id', row.id);
    return { row, data };
  });
}

function read<T>(
  statements: Statements,
  name: RunTableName,
  where: string,
  ...values: readonly SqlValue[]
): readonly T[] {
  const columns = copiedColumns(runTable(name));
  const text = `SELECT ${columnList(columns)} FROM ${name} ${where}`;
  return statements.all(text, ...values).map((row) => rowOf(columns, row) as T);
}
