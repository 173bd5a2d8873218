/** Results as a table for spreadsheets and scripts: a line per execution, toplevels included. */
import { EXEC_COLUMNS, EXEC_PLAIN, tableCsv } from './columns.ts';
import type { RunResults } from './results.ts';

export function csvOf(results: readonly RunResults[]): string {
  const rows = results.flatMap(({ run, tests }) => tests.map((test) => ({ run, test })));
  return tableCsv({ rows, columns: EXEC_COLUMNS, names: EXEC_PLAIN });
}
