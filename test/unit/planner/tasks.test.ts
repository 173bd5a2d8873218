import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Action } from '../../../src/planner/rows.ts';
import { ACTIONS } from '../../../src/planner/rows.ts';
import {
  afterLease,
  decide,
  dedupeKeyOf,
  isClaimable,
  mayEnd,
  nextTask,
  type OpenAction,
  scopeOf,
} from '../../../src/planner/tasks.ts';

const ARGS = { target: 't', name: 'r' };
const UNLOCKED = { isLocked: false };

function action(id: number, name: Action, more: Partial<OpenAction> = {}): OpenAction {
  return { id, action: name, target: 't', name: 'r', pattern: '%', state: 'new', ...more };
}

describe('two actions on the same run', () => {
  test('that run it are one', () => {
    expect(dedupeKeyOf(action(1, 'run'))).toBe(dedupeKeyOf(action(2, 'rerun', { pattern: 'a' })));
    expect(dedupeKeyOf(action(1, 'run'))).not.toBe(dedupeKeyOf(action(2, 'run', { name: 's' })));
    expect(dedupeKeyOf(action(1, 'kill'))).toBeNull();
  });

  test('a later removal cancels what is queued, kills what runs, and goes at once', () => {
    const open = [action(1, 'run', { state: 'running' }), action(2, 'rerun')];
    expect(decide(action(3, 'remove-runs'), open, UNLOCKED)).toEqual({
      ...{ kind: 'go', cancel: [2], ends: [1] },
    });
  });

  test('a removal cancels also what a runner has claimed and not begun, and nothing that is younger', () => {
    const open = [action(1, 'run', { state: 'claimed' }), action(3, 'run')];
    expect(decide(action(2, 'remove-runs'), open, UNLOCKED)).toMatchObject({ cancel: [1] });
  });

  test('a removal of results in some states cancels nothing, and awaits no run', () => {
    const removal = scopeOf({ action: 'remove-runs', args: { ...ARGS, statuses: ['FAIL'] } });
    const open = [action(1, 'run', { state: 'running' })];
    expect(decide({ ...action(2, 'remove-runs'), ...removal }, open, UNLOCKED)).toEqual({
      ...{ kind: 'go', cancel: [], ends: [] },
    });
  });

  test('a run waits for an older kill, which may have to take it over', () => {
    const open = [action(1, 'kill', { state: 'running' })];
    expect(decide(action(2, 'run'), open, UNLOCKED)).toEqual({ kind: 'wait', for: [1] });
    expect(decide(action(2, 'kill'), open, UNLOCKED)).toEqual({ kind: 'wait', for: [1] });
  });

  test('arguments that name no run are about none', () => {
    expect(scopeOf({ action: 'run', args: { target: 7 } })).toBeNull();
    expect(scopeOf({ action: 'exec', args: ARGS })).toBeNull();
    expect(scopeOf({ action: 'run', args: { target: 't' } })).toMatchObject({ pattern: '%' });
  });

  test('a removal of a part leaves a queued run of more in its place, and comes after it', () => {
    const open = [action(1, 'run')];
    const removal = action(2, 'remove-runs', { pattern: 'a' });
    expect(decide(removal, open, UNLOCKED)).toEqual({ kind: 'wait', for: [1] });
  });

  test('a run that was asked for after a removal waits for it', () => {
    const open = [action(1, 'remove-runs', { state: 'running' })];
    expect(decide(action(2, 'run'), open, UNLOCKED)).toEqual({ kind: 'wait', for: [1] });
  });

  test.each<[Action]>([['kill'], ['lock'], ['unlock'], ['set-state'], ['export']])(
    '%s waits for nobody',
    (name) => {
      const open = [action(1, 'run', { state: 'running' }), action(2, 'archive')];
      expect(decide(action(3, name), open, UNLOCKED).kind).toBe('go');
    },
  );

  test('archives wait until the run has ended', () => {
    const open = [action(1, 'run', { state: 'running' })];
    expect(decide(action(2, 'archive'), open, UNLOCKED)).toEqual({ kind: 'wait', for: [1] });
  });

  test('tests that have nothing in common do not wait for each other', () => {
    const open = [action(1, 'remove-runs', { pattern: 'a,b/1', state: 'running' })];
    expect(decide(action(2, 'run', { pattern: 'c' }), open, UNLOCKED).kind).toBe('go');
    expect(decide(action(2, 'run', { pattern: 'b' }), open, UNLOCKED).kind).toBe('wait');
    expect(decide(action(2, 'run', { name: 'other' }), open, UNLOCKED).kind).toBe('go');
  });

  test.each<[Action, string]>([
    ...(['run', 'rerun', 'clean-rerun', 'remove-runs'] as const).map((name): [Action, string] => [
      name,
      'refuse',
    ]),
    ...(['set-state', 'archive', 'rollup'] as const).map((name): [Action, string] => [
      name,
      'refuse',
    ]),
    ...(['kill', 'lock', 'unlock', 'export', 'update-meta', 'prune'] as const).map(
      (name): [Action, string] => [name, 'go'],
    ),
  ])('%s of a locked run: %s', (name, expected) => {
    expect(decide(action(1, name), [], { isLocked: true }).kind).toBe(expected);
  });

  test('of any number of open actions at least one can go', () => {
    const any = fc.record({
      action: fc.constantFrom(...ACTIONS),
      pattern: fc.constantFrom('%', 'a', 'b', 'a,b'),
      state: fc.constantFrom('new' as const, 'running' as const),
    });
    fc.assert(
      fc.property(fc.array(any, { minLength: 1, maxLength: 8 }), (list) => {
        const open = list.map((some, at) => action(at + 1, some.action, some));
        const kinds = open.map((one) => decide(one, open, UNLOCKED).kind);
        expect(kinds).toContain('go');
      }),
    );
  });
});

const task = {
  ...{ id: 1, state: 'new' as const, attempt: 0, attemptsMax: 2, notBefore: 0, priority: 0 },
  ...{ leaseOwner: null, leaseUntil: null },
};
const held = { ...task, state: 'claimed' as const, attempt: 1, leaseOwner: 'A', leaseUntil: 100 };

describe('a lease', () => {
  test('keeps others away until it runs out, and then whoever is first gets it', () => {
    expect(isClaimable(held, 99)).toBe(false);
    expect(isClaimable(held, 100)).toBe(true);
    expect(afterLease(held, 99)).toBeNull();
    expect(afterLease(held, 100)).toBe('new');
  });

  test('of the last attempt ends the task', () => {
    const last = { ...held, attempt: 2 };
    expect(isClaimable(last, 100)).toBe(false);
    expect(afterLease(last, 100)).toBe('failed');
  });

  test('that was lost is no right to end the task', () => {
    expect(mayEnd(held, 'A')).toBe(true);
    expect(mayEnd(held, 'B')).toBe(false);
    expect(mayEnd({ ...held, state: 'done' }, 'A')).toBe(false);
  });

  test('goes to the highest priority, then to the oldest that is due', () => {
    const tasks = [
      { ...task, id: 1, notBefore: 50 },
      { ...task, id: 2 },
      { ...task, id: 3, priority: 5, state: 'done' as const },
      { ...task, id: 4, priority: 1 },
      { ...task, id: 5, priority: 1 },
    ];
    expect(nextTask(tasks, 10)?.id).toBe(4);
    expect(nextTask(tasks.slice(0, 2), 10)?.id).toBe(2);
    expect(nextTask([], 10)).toBeNull();
  });
});
