import { describe, expect, test } from 'vitest';
import { STATES, type State } from '../../../src/planner/rows.ts';
import {
  hasEnded,
  isGood,
  isTerminal,
  isWaiting,
  OPEN_RULES,
  refusalError,
  type TransitionEvent,
  transition,
} from '../../../src/planner/states.ts';

type Kind = Exclude<TransitionEvent['kind'], 'force'>;

const LATER = ['COMPLETED', 'INCOMPLETE', 'KILLED', 'STUCK', 'ARCHIVED'] as const;
const STARTING = { LAUNCHED: 'REMOTEHOSTSTART/n/a' };
const DEAD = 'INCOMPLETE/DEAD';

/** What comes of an event at `STATE/FAIL` (NOT_STARTED/n/a, others n/a); states that are not named refuse. */
const TABLE: Record<Kind, Partial<Record<State, string>>> = {
  launch: { NOT_STARTED: 'LAUNCHED/n/a' },
  hostStart: STARTING,
  run: { LAUNCHED: 'RUNNING/n/a', REMOTEHOSTSTART: 'RUNNING/n/a' },
  progress: { RUNNING: 'RUNNING/WARN' },
  finish: {
    ...{ LAUNCHED: 'COMPLETED/FAIL', REMOTEHOSTSTART: 'COMPLETED/FAIL' },
    RUNNING: 'COMPLETED/FAIL',
  },
  skip: { NOT_STARTED: 'COMPLETED/SKIP' },
  settle: { NOT_STARTED: 'NOT_STARTED/PREQ_FAIL' },
  putOff: {
    ...{ NOT_STARTED: 'NOT_STARTED/KEEP_TRYING', LAUNCHED: 'NOT_STARTED/KEEP_TRYING' },
    REMOTEHOSTSTART: 'NOT_STARTED/KEEP_TRYING',
  },
  requestKill: {
    ...{ LAUNCHED: 'KILLREQ/n/a', REMOTEHOSTSTART: 'KILLREQ/n/a' },
    RUNNING: 'KILLREQ/n/a',
  },
  killed: ofActive('KILLED/KILLED'),
  killFailed: ofActive('KILLED/FAILED TO KILL'),
  terminated: ofActive('INCOMPLETE/KILLED'),
  dead: ofActive(DEAD),
  waive: { COMPLETED: 'COMPLETED/WAIVED' },
  reset: {
    NOT_STARTED: 'NOT_STARTED/n/a',
    ...Object.fromEntries([...LATER, 'DELETED'].map((state) => [state, 'NOT_STARTED/n/a'])),
  },
  archive: { COMPLETED: 'ARCHIVED/FAIL' },
  restore: { ARCHIVED: 'COMPLETED/FAIL' },
  remove: {
    NOT_STARTED: 'REMOVING/n/a',
    ...Object.fromEntries(LATER.map((state) => [state, 'REMOVING/FAIL'])),
  },
  removed: { REMOVING: 'DELETED/n/a' },
};

function ofActive(to: string): Partial<Record<State, string>> {
  return { LAUNCHED: to, REMOTEHOSTSTART: to, RUNNING: to, KILLREQ: to };
}

function eventOf(kind: Kind): TransitionEvent {
  if (kind === 'progress') return { kind, status: 'WARN' };
  if (kind === 'finish') return { kind, status: 'FAIL' };
  if (kind === 'settle') return { kind, status: 'PREQ_FAIL' };
  return { kind };
}

function changed(key: State, status: string, event: TransitionEvent, rules = OPEN_RULES): string {
  const result = transition({ state: key, status }, event, rules);
  return result.kind === 'changed' ? `${result.to.state}/${result.to.status}` : result.code;
}

function statusAt(state: State): string {
  return (LATER as readonly State[]).includes(state) ? 'FAIL' : 'n/a';
}

describe('the table of transitions', () => {
  const cells = (Object.keys(TABLE) as Kind[]).flatMap((kind) =>
    STATES.map((state) => [state, kind, TABLE[kind][state] ?? 'BAD_TRANSITION'] as const),
  );

  test.each(cells)('%s by %s is %s', (state, kind, expected) => {
    expect(changed(state, statusAt(state), eventOf(kind))).toBe(expected);
  });

  test('what never starts is not launched, finished or settled again until it is reset', () => {
    expect(changed('NOT_STARTED', 'PREQ_FAIL', { kind: 'launch' })).toBe('BAD_TRANSITION');
    expect(changed('NOT_STARTED', 'PREQ_FAIL', { kind: 'skip' })).toBe('BAD_TRANSITION');
    expect(changed('NOT_STARTED', 'KEEP_TRYING', { kind: 'launch' })).toBe('LAUNCHED/n/a');
    expect(changed('NOT_STARTED', 'PREQ_FAIL', { kind: 'reset' })).toBe('NOT_STARTED/n/a');
  });

  test('what never ran completes only as a failure', () => {
    expect(changed('LAUNCHED', 'n/a', { kind: 'finish', status: 'PASS' })).toBe('BAD_TRANSITION');
    expect(changed('LAUNCHED', 'n/a', { kind: 'finish', status: 'ABORT' })).toBe('COMPLETED/ABORT');
  });

  test('only a failure is waived', () => {
    expect(changed('COMPLETED', 'PASS', { kind: 'waive' })).toBe('BAD_TRANSITION');
  });

  test('an unknown status is a verdict only where the area allows it', () => {
    const event = { kind: 'finish', status: 'SO-SO' } as const;
    const rules = { isLocked: false, acceptsAnyStatus: true };
    expect(changed('RUNNING', 'n/a', event)).toBe('BAD_TRANSITION');
    expect(changed('RUNNING', 'n/a', event, rules)).toBe('COMPLETED/SO-SO');
  });

  test('a user may force any state, and that is marked', () => {
    for (const state of STATES) {
      const to = { state: 'COMPLETED', status: 'PASS' } as const;
      const result = transition({ state, status: 'n/a' }, { kind: 'force', to });
      expect(result).toEqual({ kind: 'changed', to, isForced: true });
    }
  });

  test('a locked run keeps its results, and what runs in it goes on', () => {
    const locked = { isLocked: true, acceptsAnyStatus: false };
    const to = { state: 'COMPLETED', status: 'PASS' } as const;
    expect(changed('COMPLETED', 'FAIL', { kind: 'reset' }, locked)).toBe('RUN_LOCKED');
    expect(changed('COMPLETED', 'FAIL', { kind: 'remove' }, locked)).toBe('RUN_LOCKED');
    expect(changed('COMPLETED', 'FAIL', { kind: 'force', to }, locked)).toBe('RUN_LOCKED');
    expect(changed('RUNNING', 'n/a', { kind: 'finish', status: 'PASS' }, locked)).toBe(
      'COMPLETED/PASS',
    );
  });

  test('a refusal says what was asked and what to do', () => {
    const result = transition({ state: 'RUNNING', status: 'n/a' }, { kind: 'reset' });
    if (result.kind !== 'refused') throw new Error('it was not refused');
    const { code, message, hint } = refusalError(result);
    expect(code).toBe('BAD_TRANSITION');
    expect(message).toBe('RUNNING/n/a has no change by reset');
    expect(hint).toContain('kill it first');
  });

  test('something waits, may be alive, has ended or is gone: never two of them', () => {
    for (const state of STATES) {
      for (const status of ['n/a', 'PREQ_FAIL', 'PASS']) {
        const pair = { state, status };
        expect(isTerminal(pair) && isWaiting(pair)).toBe(false);
        if (hasEnded(pair)) expect(isTerminal(pair)).toBe(true);
        if (isGood(pair)) expect(hasEnded(pair)).toBe(true);
      }
    }
  });
});
