/** Runs again: from a step on, one step, as it was launched before; and in the place where it was before. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { TestRow } from '../../src/planner/rows.ts';
import { AreaBed } from '../support/area-bed.ts';
import { until } from '../support/stack.ts';
import { writtenArea } from '../support/written-area.ts';

const RUN = { target: 'x', name: 'one' };
const COUNT = '$MT_RUN_AREA_HOME/count';

async function withBed(
  tests: Readonly<Record<string, string>>,
  perform: (bed: AreaBed) => Promise<void>,
  files: Readonly<Record<string, string>> = {},
): Promise<void> {
  const bed = await AreaBed.open(writtenArea(tests, files));
  try {
    await perform(bed);
    expect(bed.trouble).toEqual([]);
  } finally {
    await bed.close();
  }
}

const lines = (bed: AreaBed): readonly string[] =>
  readFileSync(join(bed.home, 'count'), 'utf8').trim().split('\n');

const steps = (bed: AreaBed, row: TestRow): Readonly<Record<string, string>> =>
  Object.fromEntries(bed.steps(row).map(({ name, status }) => [name, status]));

const causes = (bed: AreaBed, row: TestRow): readonly string[] => {
  const query = {
    kind: 'events',
    runId: row.runId,
    testId: row.id,
    since: 0,
    limit: 1000,
  } as const;
  return (bed.store.read(query).events ?? []).map(({ cause }) => cause);
};

const BUILD = [
  '[ezsteps]',
  `make echo made > made; echo make >> "${COUNT}"`,
  `link cat made; echo link >> "${COUNT}"; [ -e "$MT_RUN_AREA_HOME/fixed" ]`,
  `check cat made; echo check >> "${COUNT}"`,
].join('\n');

test('from a step on: in the same work area, with the results of the steps before', async () => {
  await withBed(
    { build: BUILD, other: `[ezsteps]\nmake echo other >> "${COUNT}"\n` },
    async (bed) => {
      const runner = bed.runner();
      await bed.perform(runner, 'run', RUN);
      const before = bed.row('one', 'build');
      expect(steps(bed, before)).toEqual({ make: 'PASS', link: 'FAIL' });
      const [make] = bed.steps(before);
      writeFileSync(join(bed.home, 'fixed'), '');
      rmSync(join(bed.home, 'count'));
      const rerun = { kind: 'steps', step: 'link', isOnly: false } as const;
      await bed.perform(runner, 'rerun', { ...RUN, rerun });
      const row = bed.row('one', 'build');
      expect(row).toMatchObject({ state: 'COMPLETED', status: 'PASS', attempt: 2 });
      expect(row.runDir).toBe(before.runDir);
      expect(lines(bed)).toEqual(['link', 'check']);
      expect(steps(bed, row)).toEqual({ make: 'PASS', link: 'PASS', check: 'PASS' });
      expect(bed.steps(row).find(({ name }) => name === 'make')).toEqual(make);
      expect(causes(bed, row)).toContain('COMPLETED/FAIL, again from its step link');
      expect(causes(bed, row)).toContain('attempt 2, from the step link');
      expect(bed.row('one', 'other').attempt).toBe(1);
    },
  );
});

test('one step: the others keep their results, and one that has none makes it CHECK', async () => {
  await withBed({ build: BUILD }, async (bed) => {
    const runner = bed.runner();
    await bed.perform(runner, 'run', RUN);
    writeFileSync(join(bed.home, 'fixed'), '');
    const only = (step: string) => ({ kind: 'steps', step, isOnly: true }) as const;
    await bed.perform(runner, 'rerun', { ...RUN, rerun: only('link') });
    expect(bed.row('one', 'build')).toMatchObject({
      ...{ status: 'CHECK', comment: 'check: it has not run' },
    });
    await bed.perform(runner, 'rerun', { ...RUN, rerun: only('check') });
    expect(bed.row('one', 'build')).toMatchObject({ status: 'PASS', attempt: 3 });
    expect(lines(bed)).toEqual(['make', 'link', 'link', 'check']);
    rmSync(join(bed.home, 'fixed'));
    await bed.perform(runner, 'rerun', { ...RUN, rerun: only('link') });
    expect(bed.row('one', 'build')).toMatchObject({ status: 'FAIL', comment: 'link: exit 1' });
    await bed.perform(runner, 'rerun', { ...RUN, rerun: only('make') });
    expect(bed.row('one', 'build')).toMatchObject({ status: 'FAIL', comment: 'link: exit 1' });
  });
});

test('a part of what has lost its work area fails, and says why', async () => {
  await withBed({ build: BUILD }, async (bed) => {
    const runner = bed.runner();
    await bed.perform(runner, 'run', RUN);
    rmSync(bed.row('one', 'build').runDir ?? '', { recursive: true });
    const rerun = { kind: 'steps', step: 'link', isOnly: false } as const;
    await bed.perform(runner, 'rerun', { ...RUN, rerun });
    expect(bed.row('one', 'build').comment).toContain('is gone: there is nothing to go on from');
    const misspelt = { ...rerun, step: 'lnik' };
    await expect(bed.perform(runner, 'rerun', { ...RUN, rerun: misspelt })).rejects.toThrow(
      'no test of the area has a step lnik',
    );
  });
});

test('a runner that dies before a part has started leaves a part to the next one', async () => {
  await withBed({ build: BUILD }, async (bed) => {
    await bed.perform(bed.runner(), 'run', RUN);
    writeFileSync(join(bed.home, 'fixed'), '');
    rmSync(join(bed.home, 'count'));
    const { id: testId } = bed.row('one', 'build');
    const args = { ...RUN, rerun: { kind: 'steps', step: 'link', isOnly: false } };
    const facts = { endedAt: null, startedAt: null };
    const task = { kind: 'action', action: 'rerun', args, runId: null, testId: null } as const;
    const left = { priority: 0, attemptsMax: 5, notBefore: 0, dedupeKey: null, parentId: null };
    // What the first runner has written until it died: its claim, and the reset.
    bed.store.write({
      actor: 'dead',
      writes: [
        { kind: 'putTask', task: { ...task, ...left } },
        { kind: 'claimTask', owner: 'dead', kinds: ['action'], leaseMs: 1 },
        { kind: 'transition', testId, event: { kind: 'reset' }, facts, cause: 'test' },
        { kind: 'clearTest', testId, steps: ['link', 'check'] },
      ],
    });
    // Leases end by the wall clock, and nothing happens when one does: this one takes a millisecond.
    const since = Date.now();
    await until('its lease is over', () => Date.now() > since + 5);
    bed.runner({ isServing: true });
    await until('it has run', () => bed.row('one', 'build').status === 'PASS');
    expect(lines(bed)).toEqual(['link', 'check']);
  });
});

test('as it was launched before: whatever has become of the configuration and the files', async () => {
  const first = `[ezsteps]\nrun ./tool; echo first >> "${COUNT}"\n[requirements]\nruntimelim 1h\n`;
  const files = { 'tests/build/tool': '#!/bin/sh\necho tool >> "$MT_RUN_AREA_HOME/count"\n' };
  await withBed(
    { build: first },
    async (bed) => {
      const runner = bed.runner();
      await bed.perform(runner, 'run', RUN);
      writeFileSync(join(bed.home, 'tests/build/testconfig'), first.replace('first', 'second'));
      writeFileSync(join(bed.home, 'tests/build/tool'), '#!/bin/sh\nexit 1\n');
      const all = { ...RUN, rerun: { kind: 'all' } } as const;
      await bed.perform(runner, 'rerun', { ...all, more: { frozen: true } });
      expect(lines(bed)).toEqual(['tool', 'first', 'tool', 'first']);
      const row = bed.row('one', 'build');
      expect(row).toMatchObject({ status: 'PASS', attempt: 2, isStale: true });
      expect(causes(bed, row)).toContain('attempt 2, as attempt 1 was');
      await bed.perform(runner, 'rerun', all);
      expect(lines(bed).at(-1)).toBe('second');
      expect(bed.row('one', 'build').isStale).toBe(false);
    },
    files,
  );
});

test('a late item that is launched again by another runner has its variables', async () => {
  const late = `[items]\nN [system cat "$MT_RUN_AREA_HOME/names"]\n[ezsteps]\nrun echo "[$N]" >> "${COUNT}"\n`;
  await withBed(
    { late },
    async (bed) => {
      await bed.perform(bed.runner(), 'run', RUN);
      await bed.perform(bed.runner(), 'rerun', { ...RUN, rerun: { kind: 'all' } });
      expect(lines(bed)).toEqual(['[a]', '[a]']);
    },
    { names: 'a\n' },
  );
});

test('a late item whose runner died before it had a launch record has its variables', async () => {
  const late = `[items]\nN [system cat "$MT_RUN_AREA_HOME/names"]\n[ezsteps]\nrun echo "[$N]" >> "${COUNT}"\n`;
  await withBed(
    { late },
    async (bed) => {
      const create = { kind: 'createRun', target: 'x', name: 'one' } as const;
      const runId = bed.store.write({ actor: 'dead', writes: [create] }).answers[0]?.id ?? 0;
      const tests = [
        { name: 'late', itemPath: '', isToplevel: true },
        { name: 'late', itemPath: 'a', isToplevel: false },
      ];
      const put = { kind: 'putTests', runId, tests } as const;
      const testId = bed.store.write({ actor: 'dead', writes: [put] }).answers[0]?.ids?.[1] ?? 0;
      const runDir = join(bed.home, '.tidelock/runs/x/one/late/a');
      const facts = { attempt: 1, runDir, host: 'here' };
      const launch = { kind: 'transition', testId, event: { kind: 'launch' }, facts } as const;
      bed.store.write({ actor: 'dead', writes: [{ ...launch, cause: 'attempt 1' }] });
      await bed.perform(bed.runner(), 'run', { ...RUN, rerun: { kind: 'resume' } });
      expect(lines(bed)).toEqual(['[a]']);
      expect(bed.row('one', 'late', 'a')).toMatchObject({ status: 'PASS', attempt: 1 });
    },
    { names: 'a\n' },
  );
});

test('a second attempt works where the first did, and what was left on a disk that is gone goes', async () => {
  const config = (disks: string): string => `[fields]\nSYSTEM TEXT\n[disks]\n${disks}\n`;
  await withBed(
    { good: '[ezsteps]\nrun true\n' },
    async (bed) => {
      for (const disk of ['one', 'two']) mkdirSync(join(bed.home, disk));
      const runner = bed.runner();
      await bed.perform(runner, 'run', RUN);
      const { runDir } = bed.row('one', 'good');
      const [first, second] = runDir?.startsWith(join(bed.home, 'one'))
        ? ['one', 'two']
        : ['two', 'one'];
      // The other one stands first now: of disks with the same room the first is chosen.
      const text = config(`a ${join(bed.home, second)}\nb ${join(bed.home, first)}`);
      writeFileSync(join(bed.home, 'area.config'), text);
      const rerun = { kind: 'all' } as const;
      await bed.perform(runner, 'rerun', { ...RUN, rerun });
      expect(bed.row('one', 'good').runDir).toBe(runDir);
      writeFileSync(join(bed.home, 'area.config'), config(`a ${join(bed.home, second)}`));
      await bed.perform(runner, 'rerun', { ...RUN, rerun });
      expect(bed.row('one', 'good').runDir).toBe(runDir?.replace(`/${first}/`, `/${second}/`));
      expect(existsSync(runDir ?? '')).toBe(false);
    },
    { 'area.config': config('a one\nb two') },
  );
});
