import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import type { VerdictFile } from '../../../../src/bench/stress/evidence.ts';
import { judgeFolder } from '../../../../src/bench/stress/verdict.ts';
import { stressVerdictLines } from '../../../../src/cli/stress-verdict.ts';
import { SyntheticRun } from './synthetic-run.ts';

async function page(edit: (run: SyntheticRun) => void = () => undefined): Promise<{
  readonly html: string;
  readonly stored: VerdictFile;
  readonly verdict: VerdictFile;
}> {
  const { folder, remove } = new SyntheticRun(3).write(edit);
  try {
    const { verdict, report } = await judgeFolder(folder);
    expect(existsSync(report)).toBe(true);
    const stored = JSON.parse(readFileSync(join(folder, 'verdict.json'), 'utf8')) as VerdictFile;
    return { html: readFileSync(report, 'utf8'), stored, verdict };
  } finally {
    remove();
  }
}

test('the report is one file that loads nothing, and its scripts are whole', async () => {
  const { html, stored, verdict } = await page();
  expect(stored).toEqual(verdict);
  expect(html.match(/(?:https?:)?\/\/[a-z0-9-]+\.[a-z]/gi)).toBeNull();
  expect(html).not.toMatch(/<(?:link|img|iframe|script[^>]* src)/i);
  expect(html.match(/<script/g)).toHaveLength(3);
  const scripts = [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(([, code = '']) => code);
  for (const code of scripts) runInNewContext(`(() => {${code}\n})`);
  for (const { property } of verdict.properties) expect(html).toContain(`<td>${property}</td>`);
});

test('the script draws every plot over one time line, with the faults behind it', async () => {
  const { html } = await page(({ fault, sample }) => {
    const one = { id: '1', fault: 'kill-server', target: 'server' };
    fault.push({ t: 300, ...one, kind: 'start', parameters: {} });
    fault.push({ t: 310, ...one, kind: 'effect', effect: 'gone' });
    fault.push({ t: 400, ...one, kind: 'end', ok: true, ms: 100 });
    for (const t of [1000, 2000]) {
      const numbers = { committed: t, rows: t, rss: { server: 90 }, cpu: {}, windows: { a: 1 } };
      sample.push({ t, ...numbers, lag: t === 1000 ? { x: 1024 } : {} });
    }
  });
  const charts = drawn(html);
  expect(charts.map(({ options }) => options.title)).toEqual([
    ...['Throughput (rows/s)', 'Lag (KiB)', 'Windows (unacknowledged groups)', 'Memory (MB)'],
    expect.stringContaining('Commit to replica'),
  ]);
  for (const { columns, options } of charts) {
    expect(columns).toHaveLength(options.series.length);
    for (const column of columns) expect(column).toHaveLength(columns[0]?.length ?? -1);
  }
  expect(charts[1]?.columns).toEqual([
    [0.01, 1, 2],
    [null, 1, null],
  ]);
  const bands: number[][] = [];
  const ctx = {
    save: () => {},
    restore: () => {},
    fillRect: (...band: number[]) => bands.push(band),
  };
  charts[0]?.options.hooks?.drawClear?.[0]?.({
    ...{ ctx, bbox: { top: 0, height: 10 }, valToPos: (value: number) => value * 100 },
  });
  expect(bands).toEqual([[30, 0, 10, 10]]);
});

type Chart = {
  readonly options: {
    readonly title: string;
    readonly series: readonly object[];
    readonly hooks?: { readonly drawClear?: readonly ((chart: object) => void)[] };
  };
  readonly columns: readonly (readonly (number | null)[])[];
};

/** Runs the page's own script beside a library that only notes what it is asked for. */
function drawn(html: string): readonly Chart[] {
  const charts: Chart[] = [];
  const data = /<script type="application\/json" id="data">([\s\S]*?)<\/script>/.exec(html)?.[1];
  const own = [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)].at(-1)?.[1] ?? '';
  class Library {
    static paths = { bars: () => null };
    constructor(options: Chart['options'], columns: Chart['columns']) {
      charts.push({ options, columns });
    }
  }
  runInNewContext(own, {
    document: { getElementById: () => ({ textContent: data }), body: { clientWidth: 900 } },
    ...{ uPlot: Library, addEventListener: () => undefined },
  });
  // Made in another context, the objects have other prototypes.
  return structuredCloneOf(charts);
}

function structuredCloneOf(charts: readonly Chart[]): readonly Chart[] {
  return charts.map(({ options, columns }) => ({
    options,
    columns: JSON.parse(JSON.stringify(columns)) as Chart['columns'],
  }));
}

test('witnesses, faults and data cannot break out of the page', async () => {
  const evil = '</script><script>alert(1)</script>';
  const { html } = await page((run) => {
    const { end } = run.run;
    if (end === null) return;
    const comparison = [{ replica: evil, rows: 1, differences: [evil] }];
    run.run = { ...run.run, end: { ...end, comparison } };
    const one = { id: '1', fault: evil, target: 'x' };
    run.fault.push({ t: 1, ...one, kind: 'start', parameters: {} });
  });
  expect(html).not.toContain('<script>alert');
  expect(html).toContain('&lt;script&gt;alert');
});

test('the table names what failed with its witness, and faults that had no effect', async () => {
  const { verdict } = await page((run) => {
    const { end } = run.run;
    if (end === null) return;
    const comparison = [{ replica: 'replica-1', rows: 1, differences: ['row 5 differs'] }];
    run.run = { ...run.run, end: { ...end, comparison } };
    const one = { id: '1', fault: 'kill-server', target: 'server' };
    run.fault.push({ t: 1, ...one, kind: 'start', parameters: {} });
    run.fault.push({ t: 2, ...one, kind: 'end', ok: true, ms: 1 });
  });
  const text = stressVerdictLines(verdict).join('\n');
  expect(text).toMatch(/^ {2}P1 {2}no committed change is lost +pass +\d+ checked$/m);
  expect(text).toMatch(/^ {2}P20 a lost slot is told.* not exercised$/m);
  expect(text).toContain(
    'P11 fails:\n  replica-1 is not equal to Postgres in the end: row 5 differs',
  );
  expect(text).toContain('faults with an effect: none\nfaults not exercised: kill-server');
  expect(text.endsWith('\nFAIL')).toBe(true);
});
