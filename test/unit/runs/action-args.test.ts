/** What the queue takes from anybody, before it is performed. */
import { expect, test } from 'vitest';
import { argsOf, filledIn } from '../../../src/runs/action-args.ts';

test('what is left out has its usual value', () => {
  const args = argsOf({ args: { target: 't', name: 'r', setVars: { A: 'b' } } });
  expect(args).toMatchObject({ target: 't', name: 'r', pattern: '%', states: [], tags: null });
  expect(argsOf({ args: null }).pattern).toBe('%');
  expect(argsOf({ args: { to: { state: 'COMPLETED', status: 'PASS' } } }).to?.status).toBe('PASS');
});

test.each([
  ...[{ target: 5 }, { name: null }, { pattern: ['%'] }, { tags: 1 }, { comment: {} }],
  ...[{ states: 'FAIL' }, { statuses: [1] }, { rerun: 'all' }, { setVars: { A: 1 } }],
  ...[{ setVars: ['A'] }, { to: 'PASS' }, { to: { state: 'COMPLETED', status: 1 } }, { more: [] }],
])('arguments like %j are refused', (args) => {
  expect(() => argsOf({ args })).toThrow('arguments that no action has');
  expect(filledIn(args)).toBeNull();
});
