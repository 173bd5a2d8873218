/** The report of a run: one HTML file that needs nothing else, to be read today or kept with the evidence. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { REPORT_FILE, type RunFile, type Verdict, type VerdictFile } from '../evidence.ts';
import { readRun } from '../judge/streams.ts';
import { type ReportData, readReportData } from './data.ts';
import { classOf, libraryOf, REPORT_STYLE as STYLE, htmlText as text } from './page.ts';
import { oneWayProof, writeProof } from './proof.ts';
import { SCRIPT } from './script.ts';

/** Writes `report.html`, and `proof.json` for the dashboard, into the folder; returns the path of the first. */
export async function writeReport(folder: string, verdict: VerdictFile): Promise<string> {
  const path = join(folder, REPORT_FILE);
  const data = await readReportData(folder, verdict);
  const run = readRun(folder);
  writeFileSync(path, pageOf(run, verdict, data));
  writeProof(folder, oneWayProof(run, verdict), data);
  return path;
}

function pageOf(run: RunFile, verdict: VerdictFile, data: ReportData): string {
  const title = `${verdict.verdict}: stress run ${run.id}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${text(title)}</title>
<style>${libraryOf('uPlot.min.css')}${STYLE}</style>
</head>
<body>
<h1><span class="${classOf(verdict.verdict)}">${verdict.verdict}</span> stress run ${text(run.id)}</h1>
${summaryOf(run, verdict)}
<h2>Properties</h2>
<table><tr><th></th><th>property</th><th>verdict</th><th class="number">checked</th></tr>
${verdict.properties.map(propertyRow).join('\n')}
</table>
<h2>Faults</h2>
${faultsOf(verdict, data)}
<h2>Time line</h2>
<p>Bands are faults: red when something was seen of them, grey when not.</p>
<div id="plots"></div>
<h2>Delay</h2>
<p>${text(latencyWords(verdict))}</p>
<div id="latency"></div>
<script type="application/json" id="data">${JSON.stringify(data).replaceAll('<', '\\u003c')}</script>
<script>${libraryOf('uPlot.iife.min.js')}</script>
<script>${SCRIPT}</script>
</body>
</html>
`;
}

function summaryOf(run: RunFile, verdict: VerdictFile): string {
  const { end, options, versions } = run;
  const facts: (readonly [string, string])[] = [
    ['started', run.startedAt],
    ['seed', String(run.seed)],
    ['options', words(options)],
    ['versions', words(versions)],
    ['protocol', run.protocol],
    [
      'ended',
      end === null
        ? 'not yet'
        : `${end.how} at ${end.position}${end.reason === null ? '' : `: ${end.reason}`}`,
    ],
    ['rows per second', String(verdict.rowsPerSecond)],
    ['server CPU per row', verdict.cpuPerRowMs === null ? 'unknown' : `${verdict.cpuPerRowMs} ms`],
  ];
  if (run.bug !== null) facts.push(['planted bug', run.bug]);
  const rows = facts.map(
    ([name, value]) => `<tr><td>${text(name)}</td><td>${text(value)}</td></tr>`,
  );
  return `<table>${rows.join('')}</table>
<p>To judge it again: <code>tidelock stress check &lt;folder&gt;</code></p>`;
}

function words(values: Readonly<Record<string, unknown>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(', ');
}

function propertyRow({ property, title, verdict, checked, witness }: Verdict): string {
  const shown = witness.length === 0 ? '' : `<pre>${text(witness.join('\n'))}</pre>`;
  return `<tr><td>${property}</td><td>${text(title)}${shown}</td><td class="${classOf(verdict)}">${verdict}</td><td class="number">${checked}</td></tr>`;
}

function faultsOf({ faults }: VerdictFile, data: ReportData): string {
  if (faults.length === 0) return '<p>None were planned.</p>';
  const counts = faults.map(({ fault, times, effects }) => {
    const state = effects > 0 ? `seen ${effects} times` : 'not exercised';
    return `<tr><td>${text(fault)}</td><td class="number">${times}</td><td>${state}</td></tr>`;
  });
  const list = data.faults.map(
    ({ name, from, to, effect }) =>
      `<tr><td class="number">${from.toFixed(1)} s</td><td class="number">${(to - from).toFixed(1)} s</td><td>${text(name)}</td><td>${text(effect ?? 'nothing was seen of it')}</td></tr>`,
  );
  return `<table><tr><th>fault</th><th class="number">times</th><th></th></tr>${counts.join('')}</table>
<details><summary>each of them</summary><table>${list.join('')}</table></details>`;
}

function latencyWords({ latency }: VerdictFile): string {
  const { samples, p50, p90, p99, max } = latency;
  if (samples === 0) return 'Nothing was measured outside of faults.';
  return `From the commit in Postgres to the commit in the replica, ${samples} times, outside of faults: p50 ${p50} ms, p90 ${p90} ms, p99 ${p99} ms, max ${max} ms.`;
}
