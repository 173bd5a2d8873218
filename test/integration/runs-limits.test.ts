/** What hostile or heavy tests do to a runner: trees of processes, names, logs, numbers. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { readLogRules } from '../../src/area/log-rules.ts';
import { readStat } from '../../src/runs/processes/process-group.ts';
import { replayRun } from '../../src/runs/replay.ts';
import { AreaBed } from '../support/area-bed.ts';
import type { Judging } from '../support/judging.ts';
import { until } from '../support/stack.ts';
import { writtenArea } from '../support/written-area.ts';

const LOG_LINE =
  'a line of a log that says nothing at all, a hundred characters or so, again and again';
/** Two turns of the sampler: what it finds is told at the end only, so nothing else says that it has looked. */
const SAMPLES_MS = 2500;
const RUN = { target: 'x', name: 'one' };

async function withBed(
  tests: Readonly<Record<string, string>>,
  perform: (bed: AreaBed) => Promise<void>,
): Promise<void> {
  const bed = await AreaBed.open(writtenArea(tests));
  try {
    await perform(bed);
    expect(bed.trouble).toEqual([]);
  } finally {
    await bed.close();
  }
}

function isGone(pid: number): boolean {
  const state = readStat(pid)?.state ?? 'X';
  return state === 'X' || state === 'Z';
}

test('a time limit ends the whole tree, also who ignores TERM and who left the group', async () => {
  const tests = {
    tree: [
      '[requirements]',
      'runtimelim 1s',
      '[ezsteps]',
      `run setsid sh -c 'echo $$ > daemon; exec sleep 1000' & sh -c 'trap "" TERM; echo $$ > deaf; while :; do sleep 0.1; done'`,
    ].join('\n'),
  };
  await withBed(tests, async (bed) => {
    await bed.perform(bed.runner(), 'run', RUN);
    const row = bed.row('one', 'tree');
    expect(row).toMatchObject({ state: 'KILLED', status: 'KILLED', comment: 'time limit of 1 s' });
    for (const name of ['daemon', 'deaf']) {
      const pid = Number(readFileSync(join(row.runDir ?? '', name), 'utf8'));
      await until(`${name} is gone`, () => isGone(pid));
    }
  });
});

test('no name of an item leads out of the run', async () => {
  const tests = {
    late: '[items]\nWHERE [system cat "$MT_RUN_AREA_HOME/names"]\n[ezsteps]\nrun pwd > here\n',
    odd: `[items]\nNAME $(touch\${IFS}x) ;id -rf a'b "q"\n[ezsteps]\nrun echo "$NAME" > name\n`,
  };
  const home = writtenArea(tests, { names: '../../../evil /etc/evil a/../../b good\n' });
  const bed = await AreaBed.open(home);
  try {
    await bed.perform(bed.runner(), 'run', RUN);
    const late = bed.row('one', 'late');
    expect(late).toMatchObject({ state: 'NOT_STARTED', status: 'ZERO_ITEMS' });
    expect(late.comment).toContain('cannot be an item');
    expect(existsSync(join(bed.home, '.tidelock/runs/evil'))).toBe(false);
    expect(existsSync('/etc/evil')).toBe(false);
    for (const row of bed
      .rows('one')
      .filter(({ name, itemPath }) => name === 'odd' && itemPath !== '')) {
      expect(row, row.comment).toMatchObject({ state: 'COMPLETED', status: 'PASS' });
      expect(readFileSync(join(row.runDir ?? '', 'name'), 'utf8')).toBe(`${row.itemPath}\n`);
    }
  } finally {
    await bed.close();
  }
});

test('what can have no place has failed, in the database too', async () => {
  const tests = { long: `[items]\nNAME ${'x'.repeat(300)} short\n[ezsteps]\nrun true\n` };
  await withBed(tests, async (bed) => {
    await bed.perform(bed.runner(), 'run', RUN);
    const [long] = bed.rows('one').filter(({ itemPath }) => itemPath.length === 300);
    expect(long).toMatchObject({ state: 'COMPLETED', status: 'FAIL' });
    expect(long?.comment).toContain('has a part of over 255 bytes');
    expect(bed.row('one', 'long', 'short').status).toBe('PASS');
  });
});

test('a log of 100 MB is judged in a heap of 16', async () => {
  const rules = 'error "has no errors" /^ERROR/';
  const tests = {
    loud: [
      '[ezsteps]',
      `run yes "${LOG_LINE}" | head -c 100000000; echo; echo ERROR: last`,
      '[rules]',
      'run',
      `  ${rules}`,
    ].join('\n'),
  };
  await withBed(tests, async (bed) => {
    await bed.perform(bed.runner(), 'run', RUN);
    const row = bed.row('one', 'loud');
    expect(row).toMatchObject({ state: 'COMPLETED', status: 'FAIL' });
    const path = join(row.runDir ?? '', 'run.log');
    // The heap's own limit is the measure: what a machine has to give does not matter.
    const entry = { key: 'run', value: rules, origin: { file: 'testconfig', line: 6 } };
    const judging = new Worker(new URL('../support/judging.ts', import.meta.url), {
      workerData: { path, rules: readLogRules(entry, { isCompatible: false }) } satisfies Judging,
      resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 4 },
    });
    const [found] = await once(judging, 'message');
    const lines = Math.ceil(100_000_000 / (LOG_LINE.length + 1)) + 1;
    expect(found).toEqual({ status: 'FAIL', lines, message: row.comment.replace('run: ', '') });
  });
});

test('50 sleeping tests have no process of ours beside their own, and are measured', async () => {
  const items = Array.from({ length: 50 }, (_, index) => index).join(' ');
  const tests = {
    sleeper: `[items]\nN ${items}\n[ezsteps]\nrun read -r line < "$MT_RUN_AREA_HOME/gate" || true\n`,
  };
  const home = writtenArea(tests, {
    'area.config': '[fields]\nSYSTEM TEXT\n\n[setup]\nmax_concurrent_jobs 50\n',
  });
  const bed = await AreaBed.open(home);
  try {
    // Whoever reads a named pipe waits, without a process, until somebody has opened it to write.
    spawnSync('mkfifo', [join(bed.home, 'gate')]);
    const runner = bed.runner({ slots: 50 });
    const ended = bed.perform(runner, 'run', RUN);
    const running = (): number => bed.rows('one').filter(({ state }) => state === 'RUNNING').length;
    // The toplevel runs too.
    await until('all 50 run at once', () => running() === 51);
    const since = Date.now();
    await until('they are sampled', () => Date.now() - since > SAMPLES_MS);
    writeFileSync(join(bed.home, 'gate'), '');
    await ended;
    const leaves = bed.rows('one').filter(({ isToplevel }) => !isToplevel);
    expect(leaves.every(({ status }) => status === 'PASS')).toBe(true);
    expect(leaves.some(({ rssMaxBytes }) => (rssMaxBytes ?? 0) > 0)).toBe(true);
    expect(bed.trouble).toEqual([]);
  } finally {
    await bed.close();
  }
});

test('the helper writes steps, values and the result of a script; outside of a test it ends with 5', async () => {
  const script = [
    '#!/bin/sh',
    '$MT_MEGATEST -step one :state start :status n/a',
    '$MT_MEGATEST -step one :state end :status 0 -m "with \'quotes\' and\na newline"',
    '$MT_MEGATEST -step two :state end :status 7',
    '$MT_MEGATEST -set-values :category c :variable v :value 1.05 :expected 1 :tol 0.1 :units mm',
    'printf "a,b,5,4,0.5\\n" | $MT_MEGATEST -load-test-data',
    '$MT_MEGATEST -runstep three "echo hello; exit 0"',
    '$MT_MEGATEST -set-toplog three.log',
    '$MT_MEGATEST -test-status :state COMPLETED :status AUTO -m "measured"',
  ].join('\n');
  const home = writtenArea(
    { script: '[setup]\nrunscript main.sh\n' },
    { 'tests/script/main.sh': script },
  );
  const bed = await AreaBed.open(home);
  try {
    await bed.perform(bed.runner(), 'run', RUN);
    const row = bed.row('one', 'script');
    expect(row).toMatchObject({ status: 'FAIL', comment: 'measured', log: 'three.log' });
    const status = bed.steps(row).map((step) => [step.name, step.status]);
    expect(Object.fromEntries(status)).toMatchObject({ one: 'PASS', two: 'FAIL', three: 'PASS' });
    const { data = [] } = bed.store.read({ kind: 'data', testId: row.id });
    expect(data.map(({ variable, status: verdict }) => [variable, verdict])).toEqual([
      ['v', 'PASS'],
      ['b', 'FAIL'],
    ]);
  } finally {
    await bed.close();
  }
});

test('the schedule of a run that was started twice is that of the second start', async () => {
  const tests = { good: '[ezsteps]\nrun true\n', other: '[ezsteps]\nrun true\n' };
  await withBed(tests, async (bed) => {
    const runner = bed.runner();
    await bed.perform(runner, 'run', { ...RUN, pattern: 'good' });
    await bed.perform(runner, 'run', { ...RUN, pattern: 'other' });
    const book = await bed.book.target(RUN.target, {});
    const about = { store: bed.store, area: bed.book.area, book };
    const script = await replayRun(about, { target: RUN.target, run: RUN.name });
    expect(script).toContain('other');
    expect(/pattern\W+(\w+)/.exec(script)?.[1], script).toBe('other');
  });
});
