/** What the reports of all runs share: style, library, text that is safe in HTML. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

export const REPORT_STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1100px; padding: 0 1rem; color: #1f2937; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #e5e7eb; vertical-align: top; }
.pass { color: #047857; font-weight: 600; } .fail { color: #b91c1c; font-weight: 700; } .not-exercised { color: #6b7280; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
pre { background: #fef2f2; padding: .6rem .8rem; white-space: pre-wrap; overflow-wrap: anywhere; margin: .3rem 0; }
code { background: #f3f4f6; padding: 0 .25rem; }`;

/** A file of uPlot (MIT), without its banner: the report names no address outside of itself. */
export function libraryOf(file: string): string {
  const path = createRequire(import.meta.url).resolve(`uplot/dist/${file}`);
  return readFileSync(path, 'utf8').replace(/^\/\*![\s\S]*?\*\/\s*/, '');
}

export function classOf(verdict: string): string {
  return verdict.toLowerCase().replace(' ', '-');
}

export function htmlText(value: string): string {
  return value
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
