/** Steps that a launcher of the area starts: killed, lost and found again. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { markFile } from '../../src/runs/execution/launch-record.ts';
import { askToEnd, startLaunched } from '../../src/runs/execution/launched.ts';
import { pidStartOf } from '../../src/runs/processes/host.ts';
import { readMark } from '../../src/runs/processes/process-group.ts';
import { AreaBed } from '../support/area-bed.ts';
import { Command } from '../support/command.ts';
import { until } from '../support/stack.ts';
import { writtenArea } from '../support/written-area.ts';

const TESTS = {
  runs: '[ezsteps]\nrun echo $$ > pid; while [ ! -e ../go ]; do sleep 0.05; done; echo ran >> times\n',
  queued: '[ezsteps]\nrun echo ran >> ran\n',
};
/** Both return at once; the jobs have nothing of the environment. The second waits for a file. */
const AREA = [
  '[fields]',
  'SYSTEM TEXT',
  '[setup]',
  'max_concurrent_jobs 8',
  '[jobtools]',
  'flexi-launcher yes',
  '[launchers]',
  'runs away',
  'queued queue',
  '[host-types]',
  'away (env -i setsid JOBCOMMAND) > /dev/null 2>&1 &',
  'queue (while [ ! -e ../go ]; do sleep 0.05; done; JOBCOMMAND) > /dev/null 2>&1 &',
  '',
].join('\n');

async function withBed(perform: (bed: AreaBed) => Promise<void>): Promise<void> {
  const bed = await AreaBed.open(writtenArea(TESTS, { 'area.config': AREA }));
  try {
    await perform(bed);
    expect(bed.trouble).toEqual([]);
  } finally {
    await bed.close();
  }
}

function fileOf(bed: AreaBed, run: string, name: string, file: string): string {
  return join(bed.row(run, name).runDir ?? '', file);
}

async function untilThere(bed: AreaBed, run: string, name: string, file: string): Promise<void> {
  await until(`${name} has ${file}`, () => {
    const row = bed.rows(run).find((one) => one.name === name);
    return row?.runDir != null && existsSync(join(row.runDir, file));
  });
}

test('a kill reaches what a launcher has started elsewhere, and what it only queued never begins', async () => {
  await withBed(async (bed) => {
    const runner = bed.runner();
    const run = { target: 'x', name: 'one' };
    const ended = bed.perform(runner, 'run', run);
    await untilThere(bed, 'one', 'runs', 'pid');
    await untilThere(bed, 'one', 'queued', 'launcher.log');
    const pid = Number(readFileSync(fileOf(bed, 'one', 'runs', 'pid'), 'utf8'));
    await bed.perform(runner, 'kill', run);
    await ended;
    expect(bed.results('one')).toEqual({ runs: 'KILLED/KILLED', queued: 'KILLED/KILLED' });
    await until('its process is gone', () => pidStartOf(pid) === '');
    // The job as a queue that we cannot reach would still start it.
    const { attempt, runDir } = bed.row('one', 'queued');
    const mark = markFile(runDir ?? '', attempt, 0);
    expect(readMark(mark)).toMatchObject({ kind: 'ended', leader: null });
    spawnSync(`${mark}.job`);
    expect(existsSync(fileOf(bed, 'one', 'queued', 'ran'))).toBe(false);
  });
});

test('a step runs once, whatever becomes of the runner that had it launched', async () => {
  const home = writtenArea(TESTS, { 'area.config': AREA });
  const temp = mkdtempSync(join(tmpdir(), 'tidelock-cli-'));
  onTestFinished(() => rmSync(temp, { recursive: true, force: true, maxRetries: 5 }));
  const words = ['runs', 'run', '--target', 'x', '--name', 'one', '--area', home];
  const first = new Command(words, { TMPDIR: temp });
  const dir = join(home, '.tidelock/runs/x/one');
  await until('one has begun, the other is queued', () => {
    return existsSync(join(dir, 'runs/pid')) && existsSync(join(dir, 'queued/launcher.log'));
  });
  await first.kill('SIGKILL');
  const second = new Command(words, { TMPDIR: temp });
  writeFileSync(join(dir, 'go'), '');
  expect(await second.exit(), second.stderr).toBe(0);
  expect(readFileSync(join(dir, 'runs/times'), 'utf8')).toBe('ran\n');
  expect(readFileSync(join(dir, 'queued/ran'), 'utf8')).toBe('ran\n');
});

test('a job that no signal of ours reaches ends by the file that it looks for, in its own way', async () => {
  const cwd = mkdtempSync(join(tmpdir(), 'tidelock-job-'));
  onTestFinished(() => rmSync(cwd, { recursive: true, force: true, maxRetries: 5 }));
  const command = 'trap "echo bye; exit 3" TERM; echo hello; while :; do sleep 0.05; done';
  const [log, mark] = [join(cwd, 'log'), join(cwd, 'mark')];
  const start = { command, shell: 'sh', cwd, env: { PATH: '/usr/bin:/bin' }, log, mark };
  startLaunched({ ...start, launcher: '(JOBCOMMAND &)' }, () => undefined);
  await until('it says hello', () => existsSync(log) && readFileSync(log, 'utf8') === 'hello\n');
  await until('it shows itself', () => existsSync(`${mark}.beat`));
  askToEnd(mark);
  await until('it has ended', () => readMark(mark).kind === 'ended');
  expect(readMark(mark)).toMatchObject({ exit: { code: 3 } });
  // Its shell may tell of the sleep that was ended, too.
  expect(readFileSync(log, 'utf8')).toMatch(/^hello\n(Terminated\n)?bye\n$/);
});

test('a kill ends the commands around a run: its hook, and the copies of its work areas', async () => {
  const hang = 'echo $$ > "$MT_RUN_AREA_HOME/pid"; sleep 1000';
  const config = (more: string): string => `[fields]\nSYSTEM TEXT\n${more}\n`;
  for (const more of [
    `[runs]\npre-hook ${hang}`,
    `[setup]\ntestcopycmd ${hang}; : TEST_TARG_PATH`,
  ]) {
    const area = writtenArea({ one: '[ezsteps]\nrun true\n' }, { 'area.config': config(more) });
    const bed = await AreaBed.open(area);
    try {
      const runner = bed.runner();
      const ended = bed.perform(runner, 'run', { target: 'x', name: 'one' }).catch(String);
      const file = join(bed.home, 'pid');
      await until('it runs', () => existsSync(file) && readFileSync(file, 'utf8') !== '');
      runner.interrupt();
      const isHook = more.startsWith('[runs]');
      expect(JSON.stringify(await ended)).toContain(
        isHook ? 'pre-hook was ended by a kill' : 'counts',
      );
      expect(bed.results('one')).toEqual(isHook ? {} : { one: 'KILLED/KILLED' });
      const pid = Number(readFileSync(file, 'utf8'));
      await until('its process is gone', () => pidStartOf(pid) === '');
    } finally {
      await bed.close();
    }
  }
});
