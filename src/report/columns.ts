/** Rows as tables: which columns there are, which of them are wanted, in which order. */
import { TidelockError } from '../core/errors.ts';
import { pairOf } from '../planner/rollup.ts';
import type { RunRow, TestRow } from '../planner/rows.ts';
import { durationOf, type Grade, gradeOf } from './results.ts';

export type Cell = string | number | null;

/** By name, in the order in which they are shown. */
export type Columns<Row> = Readonly<Record<string, (row: Row) => Cell>>;

/** An execution with its run. */
export type ExecRow = { readonly run: RunRow; readonly test: TestRow };

export const EXEC_COLUMNS: Columns<ExecRow> = {
  target: ({ run }) => run.target,
  run: ({ run }) => run.name,
  test: ({ test }) => test.name,
  item: ({ test }) => test.itemPath,
  state: ({ test }) => test.state,
  status: ({ test }) => test.status,
  comment: ({ test }) => test.comment,
  attempt: ({ test }) => test.attempt,
  host: ({ test }) => test.host,
  started: ({ test }) => timeOf(test.startedAt),
  ended: ({ test }) => timeOf(test.endedAt),
  seconds: ({ test }) => secondsOf(durationOf(test)),
  cpu_ms: ({ test }) => test.cpuMs,
  rss_max_bytes: ({ test }) => test.rssMaxBytes,
  exit_code: ({ test }) => test.exitCode,
  stale: ({ test }) => (test.isStale ? 'yes' : 'no'),
  path: ({ test }) => test.runDir,
  log: ({ test }) => test.log,
};

/** Those of a table that nobody has chosen columns for. */
export const EXEC_PLAIN = Object.keys(EXEC_COLUMNS).slice(0, -2);

export const RUN_COLUMNS: Columns<RunRow> = {
  target: ({ target }) => target,
  run: ({ name }) => name,
  state: ({ state }) => state,
  good: (run) => countOf(run, ['good']),
  failed: (run) => countOf(run, ['bad', 'broken']),
  skipped: (run) => countOf(run, ['skipped']),
  open: (run) => countOf(run, ['open']),
  started: ({ createdAt }) => timeOf(createdAt),
  ended: ({ endedAt }) => timeOf(endedAt),
  seconds: ({ createdAt, endedAt }) => secondsOf(endedAt === null ? null : endedAt - createdAt),
  locked: ({ isLocked }) => (isLocked ? 'yes' : 'no'),
  owner: ({ owner }) => owner,
};

/** Executions of a run that are so good. */
export function countOf({ counts }: Pick<RunRow, 'counts'>, grades: readonly Grade[]): number {
  return Object.entries(counts).reduce(
    (sum, [key, n]) => (grades.includes(gradeOf(pairOf(key))) ? sum + n : sum),
    0,
  );
}

const timeOf = (ms: number | null): string | null =>
  ms === null ? null : new Date(ms).toISOString();

const secondsOf = (ms: number | null): number | null => (ms === null ? null : ms / 1000);

/** `test,status`, or undefined: those that are `plain`. Throws `BAD_REQUEST` for a name that there is not. */
export function columnsOf<Row>(
  columns: Columns<Row>,
  list: string | undefined,
  plain: readonly string[],
): readonly string[] {
  const names = list?.split(',').map((name) => name.trim()) ?? plain;
  for (const name of names) columnOf(columns, name);
  return names;
}

function columnOf<Row>(columns: Columns<Row>, name: string): (row: Row) => Cell {
  const column = Object.hasOwn(columns, name) ? columns[name] : undefined;
  if (column !== undefined) return column;
  throw new TidelockError({
    code: 'BAD_REQUEST',
    message: `there is no field ${name === '' ? 'without a name' : name}`,
    hint: `fields are ${Object.keys(columns).join(', ')}`,
  });
}

/** By `field`, or `-field` for the largest first; what has no value comes last. Throws `BAD_REQUEST`. */
export function sorted<Row>(rows: readonly Row[], columns: Columns<Row>, by: string): Row[] {
  const isDown = by.startsWith('-');
  const column = columnOf(columns, isDown ? by.slice(1) : by);
  const keyed = rows.map((row) => ({ row, key: column(row) }));
  keyed.sort((a, b) => {
    if (a.key === b.key) return 0;
    if (a.key === null || b.key === null) return a.key === null ? 1 : -1;
    return a.key < b.key === isDown ? 1 : -1;
  });
  return keyed.map(({ row }) => row);
}

export type Table<Row> = {
  readonly rows: readonly Row[];
  readonly columns: Columns<Row>;
  readonly names: readonly string[];
};

const cellsOf = <Row>({ columns, names }: Table<Row>, row: Row): readonly Cell[] =>
  names.map((name) => columnOf(columns, name)(row));

/** One object per row. */
export function objectsOf<Row>(table: Table<Row>): readonly Readonly<Record<string, Cell>>[] {
  const { names, rows } = table;
  return rows.map((row) => {
    const cells = cellsOf(table, row);
    return Object.fromEntries(names.map((name, n) => [name, cells[n] ?? null]));
  });
}

/** Columns side by side, with their names above. */
export function tableText<Row>(table: Table<Row>): string {
  const lines = [
    table.names,
    ...table.rows.map((row) =>
      cellsOf(table, row).map((cell) => (cell === null ? '-' : `${cell}`)),
    ),
  ].map((line) => line.map((cell) => cell.replace(/\p{Cc}+/gu, ' ')));
  const widths = table.names.map((_, n) => Math.max(...lines.map((line) => line[n]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, n) => cell.padEnd(widths[n] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** For spreadsheets and scripts (RFC 4180). */
export function tableCsv<Row>(table: Table<Row>): string {
  const lines = [table.names, ...table.rows.map((row) => cellsOf(table, row))];
  return lines.map((line) => `${line.map(fieldOf).join(',')}\r\n`).join('');
}

/** What spreadsheets would compute. */
const FORMULA = /^[=+@\t\r-]/;

/** Texts come from tests: one that a spreadsheet would take for a formula gets a `'` in front, which it takes for text. */
function fieldOf(value: Cell): string {
  const isFormula = typeof value === 'string' && FORMULA.test(value);
  const text = value === null ? '' : `${isFormula ? "'" : ''}${value}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
