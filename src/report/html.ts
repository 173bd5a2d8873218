/** A run as one page that opens from disk: no script, nothing from elsewhere. */
import type { TestRow } from '../planner/rows.ts';
import { attributes, escapeMarkup } from './markup.ts';
import {
  durationOf,
  execOf,
  gradeOf,
  isFailure,
  leavesOf,
  type RunResults,
  verdictOf,
} from './results.ts';

export type HtmlOptions = {
  /** The end of an execution's log, or null. */
  readonly tail: (test: TestRow) => string | null;
};

const STYLE = `
:root { color-scheme: light dark; font: 14px/1.4 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #8884; padding: .3rem .6rem; text-align: left; }
td.number { font-variant-numeric: tabular-nums; text-align: right; }
tr.bad td:nth-child(2), tr.broken td:nth-child(2) { font-weight: 600; }
pre { background: #8881; overflow-x: auto; padding: .6rem; }
`;

/** One run, or several one below the other. */
export function htmlOf(all: readonly RunResults[], options: HtmlOptions): string {
  const title = escapeMarkup(all.map(({ run }) => `${run.target} ${run.name}`).join(', '));
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${title}</title><style>${STYLE}</style></head><body>`,
    ...all.flatMap((results) => sectionOf(results, options)),
    '</body></html>',
    '',
  ].join('\n');
}

function sectionOf({ run, tests }: RunResults, options: HtmlOptions): readonly string[] {
  const leaves = leavesOf(tests);
  const failed = leaves.filter(isFailure);
  return [
    `<h1>${escapeMarkup(`${run.target} ${run.name}`)}</h1>`,
    `<p>${summaryOf(leaves)}</p>`,
    ...(failed.length === 0 ? [] : ['<h2>Failed</h2>']),
    ...failed.map((test) => failureOf(test, options.tail(test))),
    '<h2>All</h2>',
    '<table><thead><tr><th>Test</th><th>Result</th><th>Seconds</th><th>Comment</th></tr></thead>',
    '<tbody>',
    ...leaves.map(rowOf),
    '</tbody></table>',
  ];
}

function summaryOf(leaves: readonly TestRow[]): string {
  const counts = new Map<string, number>();
  for (const row of leaves) counts.set(verdictOf(row), (counts.get(verdictOf(row)) ?? 0) + 1);
  const parts = [...counts].sort().map(([verdict, count]) => `${count} ${verdict}`);
  return escapeMarkup(`${leaves.length} executions: ${parts.join(', ')}`);
}

const failureOf = (test: TestRow, log: string | null): string =>
  [
    `<h3>${escapeMarkup(execOf(test))}</h3>`,
    `<p>${escapeMarkup([verdictOf(test), test.comment].filter((text) => text !== '').join(': '))}</p>`,
    ...(test.runDir === null ? [] : [`<p><code>${escapeMarkup(test.runDir)}</code></p>`]),
    ...(log === null ? [] : [`<pre>${escapeMarkup(log)}</pre>`]),
  ].join('\n');

function rowOf(test: TestRow): string {
  const duration = durationOf(test);
  const cells = [
    `<td>${escapeMarkup(execOf(test))}</td>`,
    `<td>${escapeMarkup(verdictOf(test))}</td>`,
    `<td class="number">${duration === null ? '' : (duration / 1000).toFixed(1)}</td>`,
    `<td>${escapeMarkup(test.comment)}</td>`,
  ];
  return `<tr${attributes({ class: gradeOf(test) })}>${cells.join('')}</tr>`;
}
