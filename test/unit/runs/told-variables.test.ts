/** Which variables of an execution readers of results may see, and how two environments differ. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { executionFacts } from '../../../src/runs/execution/execution-facts.ts';
import {
  type LaunchRecord,
  markFile,
  writeRecord,
} from '../../../src/runs/execution/launch-record.ts';
import { noteVariables, type VariableSources } from '../../../src/runs/execution/told-variables.ts';

const LAYERS: VariableSources['layers'] = {
  base: { HOME: '/root', DEPLOY_TOKEN: 'hunter2', LANG: 'C' },
  runConfigs: { LEVEL: '3', DB: 'postgres://ann:pw@db/x', COPIED: 'my hunter2!' },
  setVars: { SEED: '42', API_KEY: 'abcdef' },
  overrides: { MODE: 'fast', LICENSE_SECRET: 'xyzzy' },
};

const SOURCES: VariableSources = {
  env: {
    ...LAYERS.base,
    ...LAYERS.runConfigs,
    ...LAYERS.setVars,
    ...{ ...LAYERS.overrides, SIZE: 'small', ITEM: 'a', WARM: 'yes', MIXED: 'see xyzzy' },
  },
  layers: LAYERS,
  launchEnvironment: { WARM: 'yes', MIXED: 'see xyzzy' },
  fields: ['SIZE'],
  item: { path: 'a', variables: [['ITEM', 'a']] } as unknown as VariableSources['item'],
};

test('what the area has configured may be told, what the runner was started with may not', () => {
  const { told, setVars } = noteVariables(SOURCES);
  expect(told).toEqual(['ITEM', 'LEVEL', 'MODE', 'SEED', 'SIZE', 'WARM']);
  expect(setVars).toEqual(['API_KEY', 'SEED']);
});

function executed(env: Record<string, string>, told?: readonly string[]) {
  const runDir = mkdtempSync(join(tmpdir(), 'tidelock-facts-'));
  onTestFinished(() => rmSync(runDir, { recursive: true, force: true }));
  const steps = [{ name: 'one' }, { name: 'two' }];
  const record = { runDir, attempt: 2, env, steps, ...(told === undefined ? {} : { told }) };
  writeRecord(record as unknown as LaunchRecord);
  return { runDir, attempt: 2 };
}

test('names of all that differs are told, values only where both sides may be', () => {
  const before = executed({ A: '1', B: '1', GONE: 'x', SAME: 's', HIDDEN: '1' }, [
    'A',
    'B',
    'GONE',
  ]);
  const now = { A: '2', B: '2', NEW: 'n', SAME: 's', HIDDEN: '2', MT_CMDINFO: 'other' };
  const after = executed(now, ['A', 'NEW']);
  expect(executionFacts(after, before).environment).toEqual([
    { name: 'A', change: 'changed', before: '1', after: '2', isTold: true },
    { name: 'B', change: 'changed', before: null, after: null, isTold: false },
    { name: 'GONE', change: 'removed', before: 'x', after: null, isTold: true },
    { name: 'HIDDEN', change: 'changed', before: null, after: null, isTold: false },
    { name: 'NEW', change: 'added', before: null, after: 'n', isTold: true },
  ]);
});

test('of a record of an earlier version, and of one that is not there, nothing is told', () => {
  const before = executed({ A: '1' });
  const after = executed({ A: '2' });
  expect(executionFacts(after, before).environment).toMatchObject([{ before: null, after: null }]);
  expect(executionFacts({ ...after, attempt: 3 }, before)).toEqual({
    ...{ process: null, steps: null, environment: null, setVars: [] },
  });
  expect(executionFacts(after, { runDir: null, attempt: 1 }).environment).toBeNull();
});

test('the process is the leader of the last step that has begun', () => {
  const row = executed({});
  expect(executionFacts(row, null).process).toBeNull();
  const boot = 'a-boot-that-is-over';
  const stat = (pid: number): string => `leader ${boot} ${pid} (sh) S 1 ${'1 '.repeat(60)}`;
  writeFileSync(
    markFile(row.runDir, 2, 0),
    `${stat(41)}\n0m0.00s 0m0.00s\n0m0.00s 0m0.00s\nexit 0\n`,
  );
  writeFileSync(markFile(row.runDir, 2, 1), `${stat(42)}\n`);
  expect(executionFacts(row, null).process).toEqual({ pid: 42, isAlive: false });
});
