/** The table of results of steps and scripts. */
import { expect, test } from 'vitest';
import { together, verdictOf } from '../../../src/runs/execution/verdict.ts';

const STEP = { ignoresExit: false, isScript: false, isCompatible: false, byRules: null };
const exit = (code: number) => ({ code, signal: code > 128 ? code - 128 : null, cpuMs: 0 });

test.each([
  [0, 'PASS', 'PASS'],
  [1, 'FAIL', 'FAIL'],
  [2, 'FAIL', 'WARN'],
  [3, 'FAIL', 'CHECK'],
  [4, 'FAIL', 'WAIVED'],
  [5, 'FAIL', 'ABORT'],
  [6, 'FAIL', 'SKIP'],
  [7, 'FAIL', 'FAIL'],
  [126, 'FAIL', 'FAIL'],
  [137, 'FAIL', 'FAIL'],
])('exit %i is %s of a step and %s of a script', (code, step, script) => {
  expect(verdictOf({ ...STEP, exit: exit(code) }).status).toBe(step);
  expect(verdictOf({ ...STEP, isScript: true, exit: exit(code) }).status).toBe(script);
});

test('rules mask an exit code in imported areas, and it is said', () => {
  const byRules = { status: 'PASS', comment: '' };
  const verdict = verdictOf({ ...STEP, isCompatible: true, byRules, exit: exit(126) });
  expect(verdict).toEqual({ status: 'PASS', isMasked: true, comment: 'exit 126 masked by rules' });
});

test('in native areas an exit code stands above good rules, unless the step ignores it', () => {
  const byRules = { status: 'PASS', comment: '' };
  expect(verdictOf({ ...STEP, byRules, exit: exit(126) }).status).toBe('FAIL');
  const ignoring = verdictOf({ ...STEP, ignoresExit: true, byRules, exit: exit(126) });
  expect(ignoring).toMatchObject({ status: 'PASS', isMasked: true });
});

test('rules that are worse than the exit code decide', () => {
  const byRules = { status: 'ABORT', comment: 'abort "x": 1 line' };
  const verdict = verdictOf({ ...STEP, byRules, exit: exit(1) });
  expect(verdict).toMatchObject({ status: 'ABORT', isMasked: false });
});

test('a warning stays over what passes later, and not over what is worse', () => {
  expect(together('WARN', 'PASS')).toBe('WARN');
  expect(together('WARN', 'FAIL')).toBe('FAIL');
  expect(together('PASS', 'WARN')).toBe('WARN');
});
