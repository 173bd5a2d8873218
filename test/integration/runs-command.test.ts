/** `tidelock runs` as a user runs it: killed, interrupted, started twice. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { TestRow } from '../../src/planner/rows.ts';
import { isAlive } from '../../src/runs/processes/host.ts';
import { type Leader, readMark } from '../../src/runs/processes/process-group.ts';
import { Command } from '../support/command.ts';
import { until } from '../support/stack.ts';
import { writtenArea } from '../support/written-area.ts';

/** Waits for a file that the test makes when it has seen enough. */
const GATED = 'until [ -e "$MT_RUN_AREA_HOME/go" ]; do sleep 0.05; done';

class World {
  readonly area: string;
  readonly #temp: string;
  #started: Command | null = null;

  constructor(tests: Readonly<Record<string, string>>) {
    this.area = writtenArea(tests);
    this.#temp = mkdtempSync(join(tmpdir(), 'tidelock-cli-'));
    onTestFinished(() => rmSync(this.#temp, { recursive: true, force: true, maxRetries: 5 }));
  }

  runs(...args: readonly string[]): Command {
    return new Command(['runs', ...args, '--area', this.area], { TMPDIR: this.#temp });
  }

  start(...more: readonly string[]): Command {
    this.#started = this.runs('run', '--target', 'x', '--name', 'one', ...more);
    return this.#started;
  }

  async rows(): Promise<Readonly<Record<string, TestRow>>> {
    const show = this.runs('show', '--name', 'one', '--json');
    expect(await show.exit(), show.stderr).toBe(0);
    const { tests } = JSON.parse(show.stdout) as { readonly tests: readonly TestRow[] };
    return Object.fromEntries(tests.map((row) => [row.name, row]));
  }

  file(...parts: readonly string[]): string {
    return join(this.area, ...parts);
  }

  /** The mark of a test's first step. */
  mark(name: string): string {
    return this.file('.tidelock/runs/x/one', name, '.tidelock/1/step-0');
  }

  /** The process that leads the group of its first step. */
  async begun(name: string): Promise<Leader> {
    const leader = (): Leader | null => {
      const mark = readMark(this.mark(name));
      return mark.kind === 'absent' ? null : mark.leader;
    };
    const run = this.#started;
    await until(`${name} has begun`, () => leader() !== null || run?.isAlive === false);
    // A run that could not start says why.
    if (leader() === null) throw new Error(`${name} has not begun: ${run?.stderr}`);
    return leader() ?? { pid: 0, pidStart: '', bootId: '' };
  }
}

test('a run says how each test ended, failures first, and how to run them again', async () => {
  const world = new World({
    good: '[ezsteps]\nrun echo fine\n',
    bad: '[ezsteps]\nrun echo "the reason"; exit 3\n',
    below: '[requirements]\nwaiton bad\n[ezsteps]\nrun true\n',
  });
  const run = world.start();
  expect(await run.exit()).toBe(1);
  expect(run.stdout).toMatch(/^PASS .* good$/m);
  expect(run.stdout).toContain('COMPLETED/FAIL  bad');
  expect(run.stdout).toContain('why   run: exit 3');
  expect(run.stdout).toContain('| the reason');
  const again = /run those again: .*? runs (.*)$/m.exec(run.stdout)?.[1]?.split(' ') ?? [];
  expect(again).toContain('--failed');
  expect(again).toContain(world.area);
  const rerun = world.runs(...again.slice(0, again.indexOf('--area')));
  expect(await rerun.exit()).toBe(1);
  expect(rerun.stdout).not.toMatch(/^PASS .* good$/m);
  const rows = await world.rows();
  expect(rows.bad?.attempt).toBe(2);
  expect(rows.good?.attempt).toBe(1);
  expect(rows.below).toMatchObject({ state: 'NOT_STARTED', status: 'PREQ_FAIL' });
});

test('tests outlive a runner that is killed: the next one goes on with them', async () => {
  const world = new World({
    slow: `[ezsteps]\nfirst echo once >> "$MT_RUN_AREA_HOME/count"; ${GATED}; exit 0\nsecond echo two\n`,
    ended: `[ezsteps]\nrun ${GATED}\n`,
    lost: '[ezsteps]\nrun sleep 1000\n',
    after: '[requirements]\nwaiton slow\n[ezsteps]\nrun true\n',
    below: '[requirements]\nwaiton lost\n[ezsteps]\nrun true\n',
  });
  const first = world.start();
  const lost = await world.begun('lost');
  await world.begun('slow');
  await world.begun('ended');
  await first.kill('SIGKILL');
  process.kill(-lost.pid, 'SIGKILL');
  const second = world.start();
  await until(
    'the second has taken over',
    async () => !second.isAlive || (await world.rows()).lost?.status === 'DEAD',
  );
  writeFileSync(world.file('go'), '');
  expect(await second.exit(), second.stderr).toBe(1);
  const rows = await world.rows();
  expect(rows.slow).toMatchObject({ state: 'COMPLETED', status: 'PASS', attempt: 1 });
  expect(rows.ended).toMatchObject({ state: 'COMPLETED', status: 'PASS', attempt: 1 });
  expect(rows.after).toMatchObject({ state: 'COMPLETED', status: 'PASS' });
  expect(rows.lost).toMatchObject({ state: 'INCOMPLETE', status: 'DEAD' });
  expect(rows.below).toMatchObject({ state: 'NOT_STARTED', status: 'PREQ_FAIL' });
  expect(readFileSync(world.file('count'), 'utf8')).toBe('once\n');
});

test('Ctrl-C ends what runs, with all states written; a second run of the name follows the first', async () => {
  const world = new World({
    slow: '[ezsteps]\nrun sleep 1000\n',
    after: '[requirements]\nwaiton slow\n[ezsteps]\nrun true\n',
  });
  const run = world.start();
  const group = await world.begun('slow');
  const other = world.start();
  await until('it follows', () => other.stderr.includes('under way already'));
  run.process.kill('SIGINT');
  expect(await run.exit()).toBe(3);
  expect(await other.exit()).toBe(1);
  const rows = await world.rows();
  expect(rows.slow).toMatchObject({ state: 'KILLED', status: 'KILLED' });
  expect(rows.after?.state).toBe('NOT_STARTED');
  expect(isAlive(group)).toBe(false);
});

test('kill ends executions of a runner that lives, and of one that is gone', async () => {
  const world = new World({
    one: '[ezsteps]\nrun sleep 1000\n',
    two: '[ezsteps]\nrun sleep 1000\n',
  });
  const run = world.start();
  await world.begun('one');
  const two = await world.begun('two');
  const kill = world.runs('kill', '--pattern', 'one', '--name', 'one');
  expect(await kill.exit(), kill.stderr).toBe(0);
  await until('the runner has ended it', async () => (await world.rows()).one?.state === 'KILLED');
  await run.kill('SIGKILL');
  const last = world.runs('kill', '--name', 'one');
  expect(await last.exit(), last.stderr).toBe(0);
  expect((await world.rows()).two).toMatchObject({ state: 'KILLED', status: 'KILLED' });
  expect(isAlive(two)).toBe(false);
  const remove = world.runs('rm', '--yes', '--name', 'one');
  expect(await remove.exit(), remove.stderr).toBe(0);
  expect(existsSync(world.file('.tidelock/runs/x/one'))).toBe(false);
});

test('however often runners are killed in mid-run, each step runs once', async () => {
  const step = (name: string): string =>
    `${name} echo $N.${name} >> "$MT_RUN_AREA_HOME/count"; sleep 0.1`;
  const steps = `[ezsteps]\n${step('one')}\n${step('two')}\n`;
  const items = '[items]\nN 1 2 3 4 5 6 7 8\n';
  const world = new World({
    first: `${items}${steps}`,
    second: `[requirements]\nwaiton first\n${items}${steps.replaceAll('$N', '2.$N')}`,
  });
  const lines = (): readonly string[] =>
    existsSync(world.file('count'))
      ? readFileSync(world.file('count'), 'utf8').trim().split('\n')
      : [];
  for (const enough of [3, 9, 17, 24]) {
    const run = world.start();
    await until(`${enough} steps have run`, () => lines().length >= enough);
    await run.kill('SIGKILL');
  }
  const last = world.start();
  expect(await last.exit(), last.stdout + last.stderr).toBe(0);
  expect(lines()).toHaveLength(32);
  expect(new Set(lines()).size).toBe(32);
});

test('a pattern that matches nothing is told, and leaves no run behind', async () => {
  const world = new World({ good: '[ezsteps]\nrun true\n' });
  const run = world.start('--pattern', 'god');
  expect(await run.exit()).toBe(2);
  expect(run.stderr).toContain('no test of the area matches the pattern god');
  const ls = world.runs('ls', '--json');
  expect(await ls.exit(), ls.stderr).toBe(0);
  expect(JSON.parse(ls.stdout)).toEqual([]);
});
