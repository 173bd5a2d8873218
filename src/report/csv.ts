/** Results as a table for spreadsheets and scripts (RFC 4180): a line per execution, toplevels included. */
import { durationOf, type RunResults } from './results.ts';

const COLUMNS = [
  ...(['target', 'run', 'test', 'item', 'state', 'status', 'comment', 'attempt', 'host'] as const),
  ...(['started', 'ended', 'seconds', 'cpu_ms', 'rss_max_bytes', 'exit_code', 'stale'] as const),
];

export function csvOf(results: readonly RunResults[]): string {
  const lines = results.flatMap(({ run, tests }) =>
    tests.map((test) => {
      const duration = durationOf(test);
      return [
        ...[run.target, run.name, test.name, test.itemPath, test.state, test.status],
        ...[test.comment, test.attempt, test.host, timeOf(test.startedAt), timeOf(test.endedAt)],
        ...[duration === null ? null : duration / 1000, test.cpuMs, test.rssMaxBytes],
        ...[test.exitCode, test.isStale ? 'yes' : 'no'],
      ];
    }),
  );
  return [COLUMNS, ...lines].map((line) => `${line.map(fieldOf).join(',')}\r\n`).join('');
}

const timeOf = (ms: number | null): string | null =>
  ms === null ? null : new Date(ms).toISOString();

/** What spreadsheets would compute. */
const FORMULA = /^[=+@\t\r-]/;

/** Texts come from tests: one that a spreadsheet would take for a formula gets a `'` in front, which it takes for text. */
function fieldOf(value: string | number | null): string {
  const isFormula = typeof value === 'string' && FORMULA.test(value);
  const text = value === null ? '' : `${isFormula ? "'" : ''}${value}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
