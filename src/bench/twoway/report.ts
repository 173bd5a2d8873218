/** The report of a two-way run: one HTML file that needs nothing else. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { classOf, htmlText, libraryOf, REPORT_STYLE } from '../stress/report/page.ts';
import { endWords, type StressProof, writeProof } from '../stress/report/proof.ts';
import { SCRIPT } from '../stress/report/script.ts';
import { FILES, type TwowayVerdict } from './evidence.ts';
import { logsWithErrors } from './log-ends.ts';
import { plotsOf } from './plots.ts';
import type { Evidence } from './read-evidence.ts';

/** Writes `report.html`, and `proof.json` for the dashboard, into the folder; returns the path of the first. */
export function writeTwowayReport(
  folder: string,
  evidence: Evidence,
  verdict: TwowayVerdict,
): string {
  const path = join(folder, FILES.report);
  writeFileSync(path, pageOf(folder, evidence, verdict));
  writeProof(folder, proofOf(evidence, verdict), plotsOf(evidence));
  return path;
}

function proofOf({ run }: Evidence, verdict: TwowayVerdict): StressProof {
  const { seed, databases, rows, iterations, options, faults, end } = run;
  const { workload, isRls } = options;
  return {
    ...{ title: `stress two-way, ${workload}`, verdict: verdict.verdict, seed },
    command:
      `bin/tidelock stress two-way --workload ${workload} --databases ${databases} --rows ${rows} ` +
      `--iterations ${iterations}${isRls === true ? ' --rls' : ''} --faults ${options.faults} --seed ${seed}`,
    schedule: faults.map(({ fromMs, fault, target }) => `${fromMs / 1000} s ${fault} ${target}`),
    properties: verdict.properties,
    facts: [
      ['ended', endWords(end)],
      ['rows', String(verdict.totals.rows)],
      ['errors', `${verdict.totals.errors}, unexpected ${verdict.totals.unexpectedErrors}`],
      [
        'from the last step to level',
        verdict.settleMs === null ? 'never' : `${(verdict.settleMs / 1000).toFixed(1)} s`,
      ],
    ],
  };
}

function pageOf(folder: string, evidence: Evidence, verdict: TwowayVerdict): string {
  const { run } = evidence;
  const data = JSON.stringify(plotsOf(evidence)).replaceAll('<', '\\u003c');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${htmlText(`${verdict.verdict}: two-way run ${run.id}`)}</title>
<style>${libraryOf('uPlot.min.css')}${REPORT_STYLE}</style>
</head>
<body>
<h1><span class="${classOf(verdict.verdict)}">${verdict.verdict}</span> two-way run ${htmlText(run.id)}</h1>
${metricsOf(evidence, verdict)}
<h2>Properties</h2>
${table(
  ['', 'property', 'verdict', 'checked'],
  verdict.properties.map(({ property, title, verdict: word, checked, witness }) => [
    cell(property),
    `<td>${htmlText(title)}${witness.length === 0 ? '' : `<pre>${htmlText(witness.join('\n'))}</pre>`}</td>`,
    `<td class="${classOf(word)}">${word}</td>`,
    number(checked),
  ]),
)}
<h2>Databases</h2>
${databasesOf(verdict)}
<h2>Errors</h2>
${errorsOf(folder, verdict)}
<h2>Faults</h2>
${faultsOf(evidence, verdict)}
<h2>Time line</h2>
<p>Bands are faults: red when something was seen of them, grey when not.</p>
<div id="plots"></div>
<div id="latency"></div>
<script type="application/json" id="data">${data}</script>
<script>${libraryOf('uPlot.iife.min.js')}</script>
<script>${SCRIPT}</script>
</body>
</html>
`;
}

function metricsOf({ run }: Evidence, { totals, settleMs }: TwowayVerdict): string {
  const { errorTypes, durationMs } = totals;
  const rows: readonly (readonly [string, string | number])[] = [
    ['databases', totals.databases],
    ['rows', totals.rows],
    ['iterations', totals.iterations],
    ['total CRUD operations', totals.crudOperations],
    ['total sync operations', totals.syncOperations],
    ['duration', `${(durationMs / 1000).toFixed(1)} s`],
    [
      'from the last step to level',
      settleMs === null ? 'never' : `${(settleMs / 1000).toFixed(1)} s`,
    ],
    ['errors', `${totals.errors}, unexpected ${totals.unexpectedErrors}`],
    ['types of errors', errorTypes.join(', ') || 'none'],
    ['seed', run.seed],
    ['started', run.startedAt],
    ['options', words(run.options)],
    ['versions', words(run.versions)],
    ['ended', `${run.end.how}${run.end.reason === null ? '' : `: ${run.end.reason}`}`],
    ...(run.bug === null ? [] : [['planted bug', run.bug] as const]),
  ];
  return table(
    [],
    rows.map(([name, value]) => [cell(name), cell(value)]),
  );
}

function databasesOf({ perDatabase }: TwowayVerdict): string {
  return table(
    ['', 'user', 'steps', 'rows written', 'sent', 'received', 'errors', 'lives', 'in the end'],
    perDatabase.map((one) => [
      cell(`db${one.database}`),
      cell(one.user ?? ''),
      ...[one.steps, one.crudRows, one.sent, one.received, one.errors, one.lives].map(number),
      cell(one.isEqual === null ? 'not compared' : one.isEqual ? 'equal' : 'differs'),
    ]),
  );
}

function errorsOf(folder: string, verdict: TwowayVerdict): string {
  const { errorGroups, errorsByIteration, mostAffected } = verdict;
  if (errorGroups.length === 0) return '<p>There were none.</p>';
  const groups = table(
    ['side', 'category', 'code', 'count', 'unexpected', 'samples'],
    errorGroups.map(({ side, category, code, count, unexpected, samples }) => [
      ...[side, category, code].map(cell),
      ...[count, unexpected].map(number),
      cell(samples.join(' | ')),
    ]),
  );
  const logs = logsWithErrors(join(folder, 'logs')).map(
    ({ name, first, last }) =>
      `<details><summary>${htmlText(name)}</summary><pre>${htmlText([...first, '…', ...last].join('\n'))}</pre></details>`,
  );
  return `${groups}
<p>By iteration: ${errorsByIteration.join(' ')}. Most affected: ${mostAffected.map(({ database, errors }) => `db${database} (${errors})`).join(', ')}.</p>
${logs.join('\n')}`;
}

function faultsOf({ run }: Evidence, { faults }: TwowayVerdict): string {
  if (faults.length === 0) return '<p>None were planned.</p>';
  const counts = table(
    ['fault', 'times', ''],
    faults.map(({ fault, times, seen }) => [
      cell(fault),
      number(times),
      cell(seen > 0 ? `seen ${seen} times` : 'not exercised'),
    ]),
  );
  const list = table(
    [],
    run.faults.map(({ fault, target, fromMs, toMs, effects }) => [
      cell(`${(fromMs / 1000).toFixed(1)} s`),
      cell(`${((toMs - fromMs) / 1000).toFixed(1)} s`),
      cell(`${fault} (${target})`),
      cell(effects.join('; ') || 'nothing was seen of it'),
    ]),
  );
  return `${counts}<details><summary>each of them</summary>${list}</details>`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const first =
    head.length === 0 ? '' : `<tr>${head.map((name) => `<th>${name}</th>`).join('')}</tr>`;
  return `<table>${first}${rows.map((cells) => `<tr>${cells.join('')}</tr>`).join('\n')}</table>`;
}

function cell(value: string | number): string {
  return `<td>${htmlText(String(value))}</td>`;
}

function number(value: number): string {
  return `<td class="number">${value}</td>`;
}

function words(values: Readonly<Record<string, unknown>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(', ');
}
