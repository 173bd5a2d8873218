import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Area } from '../../../src/area/types.ts';
import type { State } from '../../../src/planner/rows.ts';
import type { RunStore } from '../../../src/planner/run-store.ts';
import { type ActionArgs, actionArgs } from '../../../src/runs/action-args.ts';
import { moreActions } from '../../../src/runs/more-actions.ts';
import {
  findRun,
  logTail,
  type ReadRuns,
  reportText,
  resultsOf,
} from '../../../src/runs/run-results.ts';
import { openRunStore } from '../../../src/sqlite/runs/run-store.ts';
import { tempDir } from '../../support/run-bed.ts';

const TARGET = 'linux/small';

function bed() {
  const home = tempDir();
  const state = { at: 1000 };
  const file = join(home, 'runs.db');
  const store = openRunStore({ file, area: home, now: () => (state.at += 1000) });
  const area: Pick<Area, 'home' | 'fields' | 'config' | 'disks'> = {
    ...{ home, fields: ['SYSTEM', 'SCALE'], disks: [{ name: 'here', path: join(home, 'work') }] },
    config: { sections: new Map(), findings: [] },
  };
  const read: ReadRuns = (query) => store.read(query);
  const actions = moreActions({ area, store, actor: 'test' });
  const perform = async (action: keyof typeof actions, args: Partial<ActionArgs>) =>
    await actions[action]?.(actionArgs({ target: TARGET, ...args }), 7);
  return { home, store, read, perform };
}

/** A run in which each named execution has ended like this, with a log in a directory of its own. */
function put(
  { store, home }: { store: RunStore; home: string },
  name: string,
  ended: Readonly<Record<string, string>>,
): void {
  const [created] = store.write({
    actor: 'test',
    writes: [{ kind: 'createRun', target: TARGET, name }],
  }).answers;
  const runId = created?.id ?? 0;
  for (const [exec, verdict] of Object.entries(ended)) {
    const [test = '', itemPath = ''] = exec.split('/');
    const [state = '', status = ''] = verdict.split('/');
    const tests = [
      ...(itemPath === '' ? [] : [{ name: test, itemPath: '', isToplevel: true }]),
      { name: test, itemPath, isToplevel: false },
    ];
    const { answers } = store.write({
      actor: 'test',
      writes: [{ kind: 'putTests', runId, tests }],
    });
    const testId = answers[0]?.ids?.at(-1) ?? 0;
    const runDir = join(home, 'work', TARGET, name, exec);
    mkdirSync(runDir, { recursive: true });
    writeFileSync(join(runDir, 'log'), `${name} says ${status}\n`);
    const facts = { runDir, log: 'log', startedAt: 1, endedAt: 2 };
    const event = { kind: 'force', to: { state: state as State, status } } as const;
    const step = { name: 'build', state: 'end', status, exitCode: 0, isMasked: false } as const;
    store.write({
      actor: 'test',
      writes: [
        { kind: 'transition', testId, event, facts, cause: 'test' },
        ...[{ ...step, log: 'log', startedAt: 1, endedAt: 2, comment: '' }].map(
          (one) => ({ kind: 'putStep', testId, step: one }) as const,
        ),
      ],
    });
  }
  store.write({
    actor: 'test',
    writes: [{ kind: 'setRun', runId, facts: { state: 'done' }, cause: 'test' }],
  });
}

async function verdicts(read: ReadRuns, name: string): Promise<string[]> {
  const { tests } = await resultsOf(read, await findRun(read, name));
  return tests
    .filter(({ isToplevel }) => !isToplevel)
    .map((row) => `${row.name}/${row.itemPath} ${row.state}/${row.status} ${row.comment}`.trim());
}

test('a run is found by its name, as the last one, and as the last good one', async () => {
  const { read, ...rest } = bed();
  put(rest, 'w1', { t: 'COMPLETED/PASS' });
  put(rest, 'w2', { t: 'COMPLETED/FAIL' });
  expect((await findRun(read, 'w1')).name).toBe('w1');
  expect((await findRun(read, 'last')).name).toBe('w2');
  expect((await findRun(read, 'last-good')).name).toBe('w1');
  put(rest, 'w3', { t: 'COMPLETED/PASS' });
  const last = await findRun(read, 'last');
  expect((await findRun(read, 'last-good', TARGET, last)).name).toBe('w1');
  await expect(findRun(read, 'w4', TARGET)).rejects.toThrow(/no run w4 of target linux\/small/);
});

test('the end of a log is quoted without colours and without half a line', async () => {
  const { home } = bed();
  writeFileSync(join(home, 'log'), `${'ä'.repeat(9000)}\n\u001b[31mred\u001b[0m end\n`);
  expect(logTail({ runDir: home, log: 'log' })).toBe('red end\n');
  expect(logTail({ runDir: home, log: 'none' })).toBeNull();
});

test('a report has the log of what failed, and is written whole', async () => {
  const { read, home, perform, ...rest } = bed();
  put({ home, ...rest }, 'w1', { 'net/a': 'COMPLETED/PASS', 'net/b': 'COMPLETED/FAIL' });
  const results = await resultsOf(read, await findRun(read, 'w1'));
  const junit = reportText(results, 'junit', ['SYSTEM', 'SCALE']);
  expect(junit).toContain('<system-out>w1 says FAIL\n</system-out>');
  expect(junit).toContain('<system-out>w1 says PASS\n</system-out>');
  expect(await perform('export', { name: 'w1', more: { format: 'junit' } })).toEqual({
    file: join(home, '.tidelock/exports/linux_small_w1.xml'),
  });
  expect(readFileSync(join(home, '.tidelock/exports/linux_small_w1.xml'), 'utf8')).toBe(junit);
  expect(readdirSync(join(home, '.tidelock/exports'))).toEqual(['linux_small_w1.xml']);
  await expect(perform('export', { name: 'w1', more: { format: 'pdf' } })).rejects.toThrow(
    /pdf is no format: one of junit, json, csv, html is needed/,
  );
});

test('archived results are saved, removed and had back one by one', async () => {
  const { read, home, perform, ...rest } = bed();
  put({ home, ...rest }, 'w1', { 'net/a': 'COMPLETED/PASS', 'net/b': 'COMPLETED/FAIL' });
  const saved = await perform('archive', { name: 'w1', more: { mode: 'save-remove' } });
  expect(saved).toEqual({ archived: 2 });
  expect(await verdicts(read, 'w1')).toEqual(['net/a ARCHIVED/PASS', 'net/b ARCHIVED/FAIL']);
  expect(existsSync(join(home, 'work', TARGET, 'w1/net/a'))).toBe(false);
  const restored = await perform('archive', {
    ...{ name: 'w1', pattern: 'net/a', more: { mode: 'restore' } },
  });
  expect(restored).toEqual({ restored: 1 });
  expect(await verdicts(read, 'w1')).toEqual(['net/a COMPLETED/PASS', 'net/b ARCHIVED/FAIL']);
  expect(readFileSync(join(home, 'work', TARGET, 'w1/net/a/log'), 'utf8')).toBe('w1 says PASS\n');
});

test('pruning removes what is beyond the last runs of a target, never a locked one', async () => {
  const { read, store, perform, ...rest } = bed();
  for (const name of ['w1', 'w2', 'w3', 'w4']) put({ store, ...rest }, name, {});
  const { id: runId } = await findRun(read, 'w2');
  const lock = { kind: 'setRun', runId, facts: { isLocked: true }, cause: 'test' } as const;
  store.write({ actor: 'test', writes: [lock] });
  const twice = [
    await perform('prune', { more: { keep: 1 } }),
    await perform('prune', { more: { keep: 1 } }),
  ];
  expect(twice[0]).toEqual({ removing: ['linux/small w1', 'linux/small w3'] });
  const { tasks = [] } = store.read({ kind: 'tasks', states: ['new'], limit: 10 });
  expect(tasks.map(({ action, args }) => [action, (args as ActionArgs).name]).sort()).toEqual([
    ...[
      ['remove-runs', 'w1'],
      ['remove-runs', 'w3'],
    ],
  ]);
  expect(tasks.every(({ parentId }) => parentId === 7)).toBe(true);
  await expect(perform('prune', { more: {} })).rejects.toThrow(/keep/);
});

test('a roll-up fills a run with the latest results of what it lacks', async () => {
  const { read, perform, ...rest } = bed();
  put(rest, 'w1', { 'net/a': 'COMPLETED/PASS', disk: 'COMPLETED/PASS' });
  put(rest, 'w2', { 'net/a': 'COMPLETED/FAIL' });
  put(rest, 'sum', { disk: 'COMPLETED/WARN' });
  expect(await perform('rollup', { name: 'sum' })).toMatchObject({ filled: 1 });
  expect(await verdicts(read, 'sum')).toEqual(['disk/ COMPLETED/WARN', 'net/a COMPLETED/FAIL']);
  const { steps } = await resultsOf(read, await findRun(read, 'sum'));
  expect(steps.map(({ name, status }) => `${name} ${status}`)).toEqual([
    'build WARN',
    'build FAIL',
  ]);
  expect(await perform('rollup', { name: 'sum' })).toMatchObject({ filled: 0 });
});

test('archiving what was rolled up leaves the run that it came from its directory', async () => {
  const { home, perform, ...rest } = bed();
  put({ home, ...rest }, 'w1', { 'net/a': 'COMPLETED/PASS' });
  put({ home, ...rest }, 'sum', {});
  await perform('rollup', { name: 'sum' });
  expect(await perform('archive', { name: 'sum', more: { mode: 'save-remove' } })).toEqual({
    archived: 1,
  });
  expect(existsSync(join(home, 'work', TARGET, 'w1/net/a/log'))).toBe(true);
});
