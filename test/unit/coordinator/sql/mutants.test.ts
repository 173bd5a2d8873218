/** Planted bugs: the model must catch each of them, by the rule that it breaks. */
import * as fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { step } from '../../../../src/coordinator/sql/machine.ts';
import { OUR_RULES, type Rules } from '../../../../src/coordinator/sql/rules.ts';
import type { SqlEffect, SqlEvent } from '../../../../src/coordinator/sql/types.ts';
import { TIME_END, type WorkerCommand } from '../../../../src/coordinator/sql/worker.ts';
import { loadPgParser } from '../../../../src/sql/pg-parser.ts';
import { MODEL_OPTIONS, Play, type Step } from './model/play.ts';
import { OPENING, story } from './model/stories.ts';

/** Each is caught within some tens of stories; the limit is for those that are not caught at all. */
const RUNS = 2000;

type Mutant = {
  readonly name: string;
  readonly rules?: Partial<Rules>;
  readonly machine?: Step;
  /** The rule that must catch it. */
  readonly caughtBy: RegExp;
};

/** A coordinator that is told something else. */
function told(change: (event: SqlEvent) => SqlEvent): Step {
  return (state, event) => step(state, change(event));
}

/** A coordinator that says something else. */
function says(change: (effect: SqlEffect) => readonly SqlEffect[]): Step {
  return (state, event) => step(state, event).flatMap(change);
}

/** One that tells the worker something else. */
function commands(change: (command: WorkerCommand) => readonly WorkerCommand[]): Step {
  return says((effect) =>
    effect.kind === 'worker'
      ? change(effect.command).map((command) => ({ kind: 'worker', command }))
      : [effect],
  );
}

const MUTANTS: readonly Mutant[] = [
  {
    name: 'a strict read takes what needs no wait',
    rules: { readTime: (input) => OUR_RULES.readTime({ ...input, isolation: 'serializable' }) },
    caughtBy: /Q4: |P: told \d+, then read at \d+/,
  },
  {
    name: 'a write is at the time of the last read',
    rules: { writeTime: (oracle, now) => Math.max(oracle, now) },
    caughtBy: /Q5: a write/,
  },
  {
    name: 'what waits and what reads holds nothing',
    rules: { sinceOf: ([policy = TIME_END]: Iterable<number>) => policy },
    caughtBy: /Q2: \S+ holds/,
  },
  {
    name: 'sinks and subscriptions begin at the last time that is known',
    rules: { startTime: (upper) => Math.max((upper ?? 1) - 1, 0) },
    caughtBy: /Q3: as_of \d+ not >= since \d+/,
  },
  {
    name: 'anybody may cancel',
    rules: { mayCancel: () => true },
    caughtBy: /a wrong secret does nothing/,
  },
  {
    name: 'the worker goes back',
    machine: told((event) =>
      event.kind === 'feedback' && event.feedback.kind === 'uppers'
        ? {
            kind: 'feedback',
            feedback: {
              kind: 'uppers',
              uppers: event.feedback.uppers.map(({ id, upper }) => ({
                id,
                upper: upper === null || upper % 3 > 0 ? upper : upper - 3,
              })),
            },
          }
        : event,
    ),
    caughtBy: /Q1: the upper of u\d+ does not go back/,
  },
  {
    name: 'the write lock is forgotten between steps',
    machine: (state, event) => {
      state.lock.owner = null;
      return step(state, event);
    },
    caughtBy: /rows were read, there are|Q9/,
  },
  {
    name: 'tables are not closed after a write',
    machine: commands((command) => (command.kind === 'advanceTables' ? [] : [command])),
    caughtBy: /was answered/,
  },
  {
    name: 'more is compacted than holds allow',
    machine: commands((command) =>
      command.kind === 'allowCompaction'
        ? [{ ...command, since: command.since.map(({ id, since }) => ({ id, since: since + 5 })) }]
        : [command],
    ),
    caughtBy: /is read at \d+, compacted to \d+|is compacted forward/,
  },
  {
    name: 'a batch ends twice',
    machine: says((effect) => (effect.kind === 'ready' ? [effect, effect] : [effect])),
    caughtBy: /a batch ends once/,
  },
  {
    name: 'a peek is not sent',
    machine: commands((command) => (command.kind === 'peek' ? [] : [command])),
    caughtBy: /was answered/,
  },
];

beforeAll(() => loadPgParser());

test.each(MUTANTS)('$name: caught', ({ rules, machine, caughtBy }) => {
  const options = { ...MODEL_OPTIONS, rules: { ...OUR_RULES, ...rules } };
  const result = fc.check(
    fc.property(story, (actions) => {
      const play = new Play(machine, options);
      play.open(OPENING);
      for (const action of actions) play.do(action);
      play.end();
    }),
    { seed: 1, numRuns: RUNS, endOnFailure: true },
  );
  expect(result.failed).toBe(true);
  expect(String(result.errorInstance)).toMatch(caughtBy);
});
