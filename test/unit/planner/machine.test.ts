import { expect, test } from 'vitest';
import { readAreaText } from '../../../src/planner/area-text.ts';
import { step } from '../../../src/planner/machine.ts';
import { effectText } from '../../../src/planner/print.ts';
import { newPlannerState } from '../../../src/planner/state.ts';
import type { PlanInput, PlannerEvent } from '../../../src/planner/types.ts';

function inputOf(text: string): PlanInput {
  const request = { target: 't', run: 'r', pattern: '%', tags: null } as const;
  return { ...readAreaText(text), existing: [], request: { ...request, rerun: { kind: 'none' } } };
}

function textsOf(events: readonly PlannerEvent[]): readonly string[] {
  const state = newPlannerState();
  return events.flatMap((event) => step(state, event).map(effectText));
}

test('what comes before the start counts from the start on; the last host does', () => {
  const early: readonly PlannerEvent[] = [
    { kind: 'host', load: 0, slots: 9, exclusive: [], at: 1 },
    { kind: 'clock', at: 2 },
    { kind: 'host', load: 0, slots: 1, exclusive: [], at: 3 },
    { kind: 'kill', pattern: 'a', at: 4 },
  ];
  const start = { kind: 'start', input: inputOf('a\nb\nc'), at: 5 } as const;
  expect(textsOf([...early, start])).toEqual([
    'register a b c',
    'settle a NOT_STARTED/BLOCKED: killed before it started',
    'launch b',
  ]);
});

test('executions that are not planned are nobody', () => {
  const start = { kind: 'start', input: inputOf('a'), at: 0 } as const;
  const to = { state: 'COMPLETED', status: 'PASS' } as const;
  const texts = textsOf([
    start,
    { kind: 'entered', exec: 'other', ...to, at: 1 },
    { kind: 'force', exec: 'other', to, at: 1 },
    { kind: 'expanded', test: 'a', items: [], reason: '', at: 1 },
  ]);
  expect(texts).toEqual(['register a', 'launch a']);
});

test('an execution that somebody else started is adopted, and one that he ended is over', () => {
  const texts = textsOf([
    { kind: 'start', input: inputOf('area jobs=1\na priority=1\nb\nc waits=b'), at: 0 },
    { kind: 'entered', exec: 'b', state: 'RUNNING', status: 'n/a', at: 1 },
    { kind: 'entered', exec: 'b', state: 'COMPLETED', status: 'PASS', at: 2 },
    { kind: 'entered', exec: 'c', state: 'COMPLETED', status: 'PASS', at: 3 },
    { kind: 'entered', exec: 'a', state: 'COMPLETED', status: 'PASS', at: 4 },
  ]);
  expect(texts).toEqual(['register a b c', 'launch a', 'done']);
});

test('a second start is a mistake of the caller', () => {
  const start = { kind: 'start', input: inputOf('a'), at: 0 } as const;
  expect(() => textsOf([start, start])).toThrow('start comes once');
});
