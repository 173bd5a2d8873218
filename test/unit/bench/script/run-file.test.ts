/** Script files: found, run, rewritten only when that is safe. */
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { findScripts } from '../../../../src/bench/script/find-scripts.ts';
import { type FileReport, runFile } from '../../../../src/bench/script/run-file.ts';
import type { World } from '../../../../src/bench/script/world.ts';
import { openerOf } from '../../../../src/bench/script/worlds.ts';
import { caseLines, fileLine, reportJson } from '../../../../src/cli/script-report.ts';
import type { Call } from '../../../../src/script/run.ts';

function folder(files: Readonly<Record<string, string>>): string {
  const dir = mkdtempSync(join(tmpdir(), 'tidelock-script-test-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(dir, name, '..'), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
  return dir;
}

/** A world that counts its openings, and says what it is told to. */
function talker() {
  const seen = { opened: 0, closed: 0, names: [] as (string | undefined)[] };
  const handle = (call: Call): string => {
    if (call.command === 'opening') return `opening ${seen.opened}\n`;
    if (call.command === 'fail') throw new Error('out of order');
    return call.input;
  };
  const open = (): World => {
    seen.opened += 1;
    return {
      handle,
      close: async () => {
        seen.closed += 1;
      },
    };
  };
  const chosen = (name: string | undefined) => {
    seen.names.push(name);
    return open;
  };
  return { seen, openerOf: chosen };
}

type Options = { readonly rewrite?: boolean; readonly throughLine?: number };

async function run(file: string, options: Options = {}, world = talker()): Promise<FileReport> {
  return runFile(
    { file, throughLine: options.throughLine },
    {
      ...{ world: undefined, profile: undefined, dialect: undefined },
      rewrite: options.rewrite ?? false,
      postgres: () => Promise.reject(new Error('no Postgres here')),
      signal: new AbortController().signal,
      openerOf: world.openerOf,
    },
  );
}

test('scripts of a folder come sorted, without leftovers of editors', () => {
  const dir = folder({
    'b.test': '',
    'a.test': '',
    'c/d.test': '',
    '.hidden': '',
    'a.test~': '',
    '#a#': '',
    '.git/x': '',
  });
  expect(findScripts(dir).map(({ file }) => file)).toEqual([
    join(dir, 'a.test'),
    join(dir, 'b.test'),
    join(dir, 'c', 'd.test'),
  ]);
});

test('a line may be named, and what is not there is said', () => {
  const dir = folder({ 'a.test': '' });
  const file = join(dir, 'a.test');
  expect(findScripts(`${file}:12`)).toEqual([{ file, throughLine: 12 }]);
  expect(() => findScripts(join(dir, 'b.test'))).toThrow('there is no script');
  mkdirSync(join(dir, 'empty'));
  expect(() => findScripts(join(dir, 'empty'))).toThrow('there is no script below');
});

test('a difference is shown with file and line, and the rest is not run', async () => {
  const dir = folder({ 'a.test': 'a\nx\n----\ny\n\nb\n----\n' });
  const report = await run(join(dir, 'a.test'));
  expect(caseLines(report).join('\n').replaceAll(dir, '')).toBe(
    '/a.test:1:1: a shows something else\n--- /a.test (expected)\n+++ /a.test (actual)\n@@ -4,1 +4,1 @@\n-y\n+x',
  );
  expect(fileLine(report)).toContain('DIFFERS');
  expect(fileLine(report)).toContain('0 of 2 cases, 1 not run');
  expect(reportJson(report)).toMatchObject({
    verdict: 'DIFFERS',
    results: [{ line: 1, kind: 'differs', expected: 'y\n', actual: 'x\n' }],
  });
});

test('a broken case, a file that cannot be read and a missing world are told apart from a difference', async () => {
  const dir = folder({ 'a.test': 'fail\n----\n', 'b.test': 'a\n', 'c.test': 'a\n----\n' });
  const reports = await Promise.all(['a', 'b'].map((name) => run(join(dir, `${name}.test`))));
  expect(reports.map((report) => fileLine(report).split(' ')[0])).toEqual(['BROKEN', 'BROKEN']);
  expect(caseLines(reports[0] as FileReport).join()).toContain('out of order');
  expect(caseLines(reports[1] as FileReport).join()).toContain('before the separator');
  expect(() => openerOf(undefined, 'c.test')).toThrow('the file names no world');
  expect(() => openerOf('mars', 'c.test')).toThrow('there is no world mars');
});

test('the world is closed, also when a case breaks', async () => {
  const world = talker();
  await run(join(folder({ 'a.test': 'fail\n----\n' }), 'a.test'), {}, world);
  expect(world.seen).toMatchObject({ opened: 1, closed: 1 });
});

test('a rewrite replaces the file in one step, with its rights, and leaves nothing else', async () => {
  const dir = folder({ 'a.test': '# c\na\nx\n----\ny\n' });
  const file = join(dir, 'a.test');
  chmodSync(file, 0o640);
  const { ino } = statSync(file);
  const report = await run(file, { rewrite: true });
  expect(report.isRewritten).toBe(true);
  expect(readFileSync(file, 'utf8')).toBe('# c\na\nx\n----\nx\n');
  expect(statSync(file).mode & 0o777).toBe(0o640);
  expect(statSync(file).ino).not.toBe(ino);
  expect(readdirSync(dir)).toEqual(['a.test']);
});

test('a rewrite needs two runs that see the same', async () => {
  const dir = folder({ 'a.test': 'opening\n----\nnothing\n' });
  const file = join(dir, 'a.test');
  const report = await run(file, { rewrite: true });
  expect(report.isRewritten).toBe(false);
  expect(caseLines(report).join()).toContain('two runs gave different output');
  expect(readFileSync(file, 'utf8')).toBe('opening\n----\nnothing\n');
});

test('a file that passes is not written, and one with a broken case neither', async () => {
  const dir = folder({ 'a.test': 'a\nx\n----\nx\n', 'b.test': 'a\nx\n----\ny\n\nfail\n----\n' });
  const world = talker();
  expect((await run(join(dir, 'a.test'), { rewrite: true }, world)).isRewritten).toBe(false);
  expect(world.seen.opened).toBe(1);
  expect((await run(join(dir, 'b.test'), { rewrite: true })).isRewritten).toBe(false);
  expect(readFileSync(join(dir, 'b.test'), 'utf8')).toContain('----\ny\n');
});

test('the header names the world, the caller goes before it, and .ct files are of the coordinator', async () => {
  const dir = folder({ 'a.test': '#: world=real\na\n----\n', 'b.ct': 'a v\n----\n' });
  const world = talker();
  await run(join(dir, 'a.test'), {}, world);
  await run(join(dir, 'b.ct'), {}, world);
  expect(world.seen.names).toEqual(['real', 'coordinator']);
});
