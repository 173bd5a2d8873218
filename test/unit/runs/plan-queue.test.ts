import { expect, test } from 'vitest';
import { TidelockError } from '../../../src/core/errors.ts';
import type { PlannerEffect, PlannerEvent } from '../../../src/planner/types.ts';
import { PlanQueue } from '../../../src/runs/plan-queue.ts';

const START = { kind: 'start', at: 0 } as unknown as PlannerEvent;
const CLOCK: PlannerEvent = { kind: 'clock', at: 1 };

function busy(): TidelockError {
  const cause = Object.assign(new Error('database is locked'), { errcode: 5 });
  return new TidelockError({ code: 'BUSY', message: 'locked', cause });
}

/** Effects that are done, by name; `fails` throws before some of them. */
function queue(fails: (name: string) => void): { done: string[]; queue: PlanQueue } {
  const done: string[] = [];
  const effects = (names: readonly string[]): PlannerEffect[] =>
    names.map((exec) => ({ kind: 'kill', exec }));
  const plan = ({ kind }: PlannerEvent): PlannerEffect[] =>
    effects(kind === 'start' ? ['a', 'b', 'c'] : ['d']);
  const perform = (effect: PlannerEffect): void => {
    const name = effect.kind === 'kill' ? effect.exec : effect.kind;
    fails(name);
    done.push(name);
  };
  return { done, queue: new PlanQueue(plan, perform) };
}

test('an effect that the database cannot take now is done again, before what follows', () => {
  let locks = 2;
  const { done, queue: plan } = queue((name) => {
    if (name === 'b' && locks-- > 0) throw busy();
  });
  plan.add(START);
  expect(done).toEqual(['a']);
  plan.add(CLOCK);
  expect(done).toEqual(['a']);
  plan.goOn();
  expect(done).toEqual(['a', 'b', 'c', 'd']);
});

test('an effect that cannot be done at all is told, and keeps no other from being done', () => {
  const { done, queue: plan } = queue((name) => {
    if (name === 'b') throw new RangeError('no such execution');
  });
  expect(() => plan.add(START)).toThrow('no such execution');
  plan.goOn();
  expect(done).toEqual(['a', 'c']);
});

test('what comes before the start waits for it', () => {
  const { done, queue: plan } = queue(() => undefined);
  plan.add(CLOCK);
  expect(done).toEqual([]);
  plan.add(START);
  expect(done).toEqual(['a', 'b', 'c', 'd']);
});
