/** The words of `tidelock runs` as a user types them, on one area with few runs: what they answer, and with which code. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Plan } from '../../src/planner/plan.ts';
import type { RunRow, TestRow } from '../../src/planner/rows.ts';
import type { Finding } from '../../src/postgres/findings.ts';
import { checkRunFile } from '../../src/sqlite/runs/check-file.ts';
import { Command } from '../support/command.ts';
import { until } from '../support/stack.ts';
import { writeArea } from '../support/written-area.ts';

const HELPER = fileURLToPath(new URL('../../bin/helper/megatest', import.meta.url));

let area = '';
let temp = '';

beforeAll(() => {
  temp = mkdtempSync(join(tmpdir(), 'tidelock-words-'));
  area = join(temp, 'area');
  writeArea(area, {
    good: '[ezsteps]\nrun echo fine; [ -e left ] && echo "left there"; touch left\n',
    bad: '[ezsteps]\nrun echo "the reason"; exit 3\n',
    after: '[requirements]\nwaiton good\n[ezsteps]\nrun true\n',
    slow: '[ezsteps]\nrun sleep 1000\n',
  });
});

afterAll(() => rmSync(temp, { recursive: true, force: true, maxRetries: 5 }));

function runs(...args: readonly string[]): Command {
  return new Command(['runs', ...args, '--area', area], { TMPDIR: temp });
}

/** Its stdout; fails when it ends with another code. */
async function said(code: number, ...args: readonly string[]): Promise<string> {
  const command = runs(...args);
  expect(await command.exit(), command.stderr).toBe(code);
  return command.stdout;
}

type Shown = { readonly run: RunRow; readonly tests: readonly TestRow[] };

async function shown(name: string): Promise<Shown> {
  return JSON.parse(await said(0, 'show', '--name', name, '--json')) as Shown;
}

test('a rerun is of the newest run, and only of what is in it', async () => {
  await said(1, 'run', '--target', 'x', '--name', 'one', '--pattern', 'bad');
  const plan = JSON.parse(await said(0, 'rerun', '--dry-run', '--json')) as Plan;
  expect(plan.run).toBe('one');
  expect(plan.tests.map(({ name }) => name)).toEqual(['bad']);
  await said(1, 'rerun', '--name', 'nobody');
  await said(2, 'rerun', '--from-step', 'run', '--step', 'run');
  expect(await said(1, 'run', '--target', 'x', '--name', 'one', '--pattern', 'bad')).toContain(
    'nothing was run: all of it has a result already',
  );
});

test('a run whose reader leaves goes on to its end, and its log has every line', async () => {
  const log = join(temp, 'two.log');
  const words = ['--name', 'two', '--pattern', 'after,bad', '--log', log, '-m', 'for the record'];
  const run = runs('run', '--target', 'x', ...words);
  run.process.stdout?.destroy();
  expect(await run.exit(), run.stderr).toBe(1);
  expect(readFileSync(log, 'utf8')).toMatch(
    /^PASS .* good\n[\s\S]*^PASS .* after\n[\s\S]*1 failed/m,
  );
});

test('a terminal that is closed ends a run as Ctrl-C does', async () => {
  const run = runs('run', '--target', 'x', '--name', 'three', '--pattern', 'slow', '--json');
  await until(
    'the test runs',
    async () =>
      !run.isAlive || (await shown('three').catch(() => null))?.tests[0]?.state === 'RUNNING',
  );
  expect(await run.kill('SIGHUP'), run.stderr).toBe(3);
  const last = run.lines.at(-1);
  expect(last).toMatchObject({ kind: 'run', exitCode: 3, counts: { 'KILLED/KILLED': 1 } });
});

test('emptied directories, names that are taken, a disk that cannot be written', async () => {
  const log = ['log', 'good', '--name', 'four'];
  const again = ['run', '--target', 'x', '--name', 'four', '--pattern', 'good', '--rerun', 'PASS'];
  await said(0, ...again);
  await said(0, ...again);
  expect(await said(0, ...log)).toContain('left there');
  await said(0, ...again, '--preclean');
  expect(await said(0, ...log)).not.toContain('left there');
  await said(2, ...again, '--log', temp);
  const other = join(temp, 'other');
  writeArea(other, {});
  const refused = new Command(['runs', 'ls', '--area', other], { TMPDIR: '/sys' });
  expect(await refused.exit()).toBe(1);
  expect(refused.stderr).toMatch(/^error RUN_FAILED: \/sys\//);
});

test('runs and results are filtered, sorted, and printed as lines, tables, CSV and JSON', async () => {
  expect(await said(0, 'ls', '--status', 'KILLED')).toMatch(
    /^\S+ \S+ {2}done +x {2}three {2}0 good, 1 failed\n$/,
  );
  const fields = ['--fields', 'run,status', '--pattern', 'bad'];
  expect(await said(0, 'ls', '--tests', ...fields, '--format', 'csv')).toBe(
    'run,status\r\none,FAIL\r\ntwo,FAIL\r\n',
  );
  expect(
    JSON.parse(await said(0, 'show', '--name', 'two', '--sort', '-test', ...fields, '--json')),
  ).toEqual([{ run: 'two', status: 'FAIL' }]);
  expect(await said(0, 'show', '--name', 'two', '--since', '1h')).toContain('for the record');
  await said(1, 'show', '--name', 'two', '--status', 'WARN');
});

test('the files of tests are found, those of the newest run first', async () => {
  const places = (await said(0, 'path', 'good,bad', '--files', '*.log')).trim().split('\n');
  expect(places.map((path) => path.split('/runs/x/')[1])).toEqual([
    ...['four/good/run.log', 'two/bad/run.log', 'two/good/run.log', 'one/bad/run.log'],
  ]);
});

test('what is done to runs says what it did, and a selection that fits nothing is an error', async () => {
  expect(await said(0, 'set', 'COMPLETED/WAIVED', '--name', 'two', '--pattern', 'bad')).toBe(
    'x two: set-state COMPLETED/WAIVED: 1 changed\n',
  );
  await said(1, 'rm', '--name', 'two', '--pattern', 'nobody');
  await said(0, 'run-status', 'accepted', '--name', 'two', '--comment', 'by hand');
  expect(await said(0, 'run-status', '--name', 'two')).toBe('accepted\n');
  expect(JSON.parse(await said(0, 'targets', '--db', '--json'))).toEqual([
    { target: 'x', runs: 4, newest: 'four' },
  ]);
});

test('the status says what there is without a server, and a comparison what it lacks', async () => {
  const status = JSON.parse(await said(1, 'status', '--json')) as { readonly disks: unknown[] };
  expect(status).toMatchObject({ serving: false, runners: [], runsUnderWay: [] });
  expect(status.disks).toHaveLength(1);
  const compare = runs('compare', 'last-good', 'one');
  expect(await compare.exit()).toBe(1);
  expect(compare.stderr).toContain('no run of target x before one that ended without a failure');
});

test("the helper knows Megatest's words outside of a test, and refuses what is for the inside", () => {
  const helper = (...args: readonly string[]): ReturnType<typeof spawnSync> =>
    spawnSync(HELPER, args, {
      env: { ...process.env, TMPDIR: temp, TIDELOCK_CALLS: '' },
      encoding: 'utf8',
    });
  const list = helper('-list-runs', 'tw%', '-testpatt', 'good', '-start-dir', area);
  expect(list.stderr).toContain('runs ls --name tw% --tests --pattern good');
  expect(list.stdout).toMatch(/^target .*\nx +two +good +COMPLETED +PASS /);
  expect(helper('-step', 'one', ':state', 'start').status).toBe(5);
  expect(helper('-nonsense').status).toBe(2);
});

test('the doctor finds executions without a runner and folders without a run, and ends the former', async () => {
  const run = runs('run', '--target', 'x', '--name', 'five', '--pattern', 'slow');
  await until(
    'the test runs',
    async () =>
      !run.isAlive || (await shown('five').catch(() => null))?.tests[0]?.state === 'RUNNING',
  );
  await run.kill('SIGKILL');
  mkdirSync(join(area, '.tidelock/runs/x/ghost'));
  const sick = JSON.parse(await said(1, 'doctor', '--json')) as Examined;
  expect(levelsOf(sick)).toMatchObject({ executions: 'fail', folders: 'warn', sync: 'ok' });
  const mended = JSON.parse(await said(0, 'doctor', '--mark-incompletes', '--json')) as Examined;
  expect(mended).toMatchObject({ fit: true, marked: 1 });
  expect((await shown('five')).tests[0]?.state).toBe('KILLED');
  const file = runFileOf(sick);
  writeFileSync(file, 'this is no database, and never was one', { flag: 'r+' });
  expect(checkRunFile(file)).toEqual([expect.stringContaining('not a database')]);
});

type Examined = { readonly findings: readonly Finding[] };

const levelsOf = ({ findings }: Examined): Readonly<Record<string, string>> =>
  Object.fromEntries(findings.map(({ check, level }) => [check, level]));

const runFileOf = ({ findings }: Examined): string =>
  findings.find(({ check }) => check === 'local database')?.found.split(': ')[0] ?? '';
