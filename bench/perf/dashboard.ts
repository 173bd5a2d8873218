/**
 * The matrix of runs over 101,000 rows, in the real browser and from the real server: how long until the first rows stand
 * there, a filter is applied, and a write of 1 or 10,000 rows in the database is seen. Beside each, in the same round, a
 * plain full read of the same rows as JSON by the same browser; beside the first rows, a page of the dashboard that shows nothing.
 *
 *   node bench/perf/dashboard.ts [--rounds 5]
 */
import { parseArgs } from 'node:util';
import type { Page } from 'playwright-core';
import { ensureBrowser } from '../../tools/browser.mjs';
import { MatrixBed } from './lib/matrix-bed.ts';
import { openWatchedPage, type WatchedPage } from './lib/page-watch.ts';
import { median, spread } from './numbers.ts';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' } } });
const ROUNDS = Number(values.rounds);
const MANY = 10_000;
const FIRST_MS_MAX = 1000;
const FILTER_MS_MAX = 200;
const DELTAS_MAX = 4;
const SETTLE_MS = 600;

type Round = {
  readonly emptyMs: number;
  readonly firstMs: number;
  readonly allMs: number;
  readonly fullReadMs: number;
  readonly filterMs: number;
  readonly oneMs: number;
  readonly manyMs: number;
  readonly deltasPerS: number;
};

const browser = await ensureBrowser((text) => process.stderr.write(`${text}\n`));
if ('missing' in browser) {
  process.stderr.write(`SKIPPED: ${browser.missing}\n`);
} else {
  const bed = await MatrixBed.open();
  const watched = await openWatchedPage(browser.path, bed.url);
  try {
    await round(bed, watched, 0); // bundles the page, fills caches
    const rounds: Round[] = [];
    for (let at = 1; at <= ROUNDS; at += 1) rounds.push(await round(bed, watched, at));
    report(bed, rounds);
  } finally {
    await watched.close();
    await bed.close();
  }
}

async function round(bed: MatrixBed, { page, firstOf }: WatchedPage, at: number): Promise<Round> {
  const emptyMs = await firstOf('/dashboard/nothing', '.empty');
  const firstMs = await firstOf('/dashboard/runs', 'tr.test');
  const allMs = await page.evaluate(() => window.tidelockBench.loaded());
  const filterMs = await filterTime(page, bed);
  await page.waitForTimeout(SETTLE_MS); // a quiet page: what is measured next is the write alone
  const status = `WARN${at}`;
  const oneMs = await seenAfter(page, `1 items`, { status, write: () => bed.finish(1, status) });
  const wanted = { status: `CHECK${at}`, write: () => bed.finish(MANY, `CHECK${at}`) };
  const manyMs = await seenAfter(page, '10,000 items', wanted);
  const deltasPerS = await deltaRate(page, bed);
  const fullReadMs = await page.evaluate(readAll, bed.runIds);
  return { emptyMs, firstMs, allMs, fullReadMs, filterMs, oneMs, manyMs, deltasPerS };
}

/** From a key in the field to the painted rows. */
async function filterTime(page: Page, bed: MatrixBed): Promise<number> {
  const ms = await page.evaluate(() => window.tidelockBench.type('find', '/i77'));
  await page.evaluate(() => window.tidelockBench.type('find', ''));
  await page.evaluate((text) => window.tidelockBench.lineSays(text), bed.allItems);
  return ms;
}

type Write = { readonly status: string; readonly write: () => void };

/** From the end of the write to the painted result, by the clock that both processes share. */
async function seenAfter(page: Page, text: string, { status, write }: Write): Promise<number> {
  await page.evaluate((name) => window.tidelockBench.type('status', name), status);
  const seen = page.evaluate((wanted) => window.tidelockBench.lineSays(wanted), text);
  await page.waitForTimeout(SETTLE_MS);
  write();
  const wroteAt = Date.now();
  const ms = (await seen) - wroteAt;
  await page.evaluate(() => window.tidelockBench.type('status', ''));
  return ms;
}

/** How often a second the page changes while the database changes all the time. */
async function deltaRate(page: Page, bed: MatrixBed): Promise<number> {
  const seconds = 2;
  const counting = page.evaluate((s) => window.tidelockBench.changes(s * 1000), seconds);
  const until = Date.now() + seconds * 1000;
  for (let at = 0; Date.now() < until; at += 1) {
    bed.finish(1, at % 2 === 0 ? 'PASS' : 'FAIL');
    await page.waitForTimeout(20); // fifty writes a second
  }
  return (await counting) / seconds;
}

/** Runs in the page. */
async function readAll(runIds: readonly number[]): Promise<number> {
  const start = performance.now();
  let rows = 0;
  for (const runId of runIds) {
    const query = encodeURIComponent(JSON.stringify({ kind: 'tests', runId }));
    const answer = await fetch(`/runs/v1/read?query=${query}`);
    rows += ((await answer.json()) as { tests: unknown[] }).tests.length;
  }
  if (rows === 0) throw new Error('nothing was read');
  return performance.now() - start;
}

function report({ rowCount }: MatrixBed, rounds: readonly Round[]): void {
  const of = (pick: (round: Round) => number): number[] => rounds.map(pick);
  const ratio = (pick: (round: Round) => number): string =>
    `${spread(of((one) => pick(one) / one.fullReadMs))} of a full read`;
  const lines = [
    `${rowCount} rows; a plain full read as JSON ${spread(of((one) => one.fullReadMs))} ms; a page without rows ${spread(of((one) => one.emptyMs))} ms`,
    `first rows       ${spread(of((one) => one.firstMs))} ms (at most ${FIRST_MS_MAX}), ${ratio((one) => one.firstMs)}, ${spread(of((one) => one.firstMs / one.emptyMs))} of a page without rows`,
    `all rows         ${spread(of((one) => one.allMs))} ms, ${ratio((one) => one.allMs)}`,
    `a filter         ${spread(of((one) => one.filterMs))} ms (at most ${FILTER_MS_MAX}), ${ratio((one) => one.filterMs)}`,
    `1 row written    ${spread(of((one) => one.oneMs))} ms, ${ratio((one) => one.oneMs)}`,
    `10,000 written   ${spread(of((one) => one.manyMs))} ms, ${ratio((one) => one.manyMs)}`,
    `changes a second ${spread(of((one) => one.deltasPerS))} (at most ${DELTAS_MAX})`,
  ];
  process.stderr.write(`${lines.join('\n')}\n`);
  const isMet =
    median(of((one) => one.firstMs)) < FIRST_MS_MAX &&
    median(of((one) => one.filterMs)) < FILTER_MS_MAX &&
    median(of((one) => one.deltasPerS)) <= DELTAS_MAX;
  process.stdout.write(`${JSON.stringify({ bench: 'dashboard', rowCount, rounds, isMet })}\n`);
  process.exitCode = isMet ? 0 : 1;
}
