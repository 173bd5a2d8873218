import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openPlannerWorld } from '../../../src/bench/planner/world.ts';
import { readAreaText } from '../../../src/planner/area-text.ts';
import { step } from '../../../src/planner/machine.ts';
import { effectText } from '../../../src/planner/print.ts';
import { plannerEventsOf, replayScript } from '../../../src/planner/replay.ts';
import type { EventRow, TestRow } from '../../../src/planner/rows.ts';
import { newPlannerState } from '../../../src/planner/state.ts';
import type { PlanInput, PlannerEvent } from '../../../src/planner/types.ts';
import { parseScript } from '../../../src/script/parse.ts';
import { runAtOnce } from '../../../src/script/run.ts';
import { anyInput, anyMove, eventOf } from './worlds.ts';

function outputsOf(text: string): readonly string[] {
  const script = parseScript(text, { file: 'replay' });
  const world = openPlannerWorld({} as never) as { handle(call: unknown): string };
  const results = runAtOnce(script, (call) => world.handle(call), { goOn: true });
  return results.slice(1).map((result) => {
    if (result.kind === 'broken') throw result.error;
    return result.output;
  });
}

describe('a run as a script', () => {
  test('has the effects that it had', () => {
    const moves = fc.array(anyMove, { maxLength: 25 });
    fc.assert(
      fc.property(anyInput, moves, (input, list) => {
        const { events, texts } = played(
          input,
          list.map(
            (move) => (now: number, running: readonly string[], asked: readonly string[]) =>
              eventOf(move, now, running, asked),
          ),
        );
        expect(outputsOf(replayScript(input, events))).toEqual(texts);
      }),
      { numRuns: 200 },
    );
  });

  test('comes from the events of its database', () => {
    const { area, tests } = readAreaText('a\nlate items=late waits=a\nb waits=a');
    const rows = [leaf(1, 'a', ''), leaf(2, 'late', '1'), leaf(3, 'late', '2'), leaf(4, 'b', '')];
    const events = plannerEventsOf(
      [
        event(1, 1, 'NOT_STARTED/n/a', 'LAUNCHED/n/a'),
        event(2, 1, 'LAUNCHED/n/a', 'COMPLETED/PASS'),
        event(3, 2, 'NOT_STARTED/n/a', 'LAUNCHED/n/a'),
        event(4, 2, 'LAUNCHED/n/a', 'NOT_STARTED/KEEP_TRYING'),
        event(5, 4, 'NOT_STARTED/n/a', 'NOT_STARTED/PREQ_FAIL'),
        event(6, 4, 'NOT_STARTED/PREQ_FAIL', 'COMPLETED/PASS', true),
      ],
      rows,
      tests,
    );
    const request = {
      target: 't',
      run: 'r',
      pattern: '%',
      tags: null,
      rerun: { kind: 'none' },
    } as const;
    const text = replayScript({ area, tests, request, existing: [] }, events);
    expect(text.split('\n').filter((line) => line.includes(' at='))).toEqual([
      'enter exec=a state=LAUNCHED/n/a at=0',
      'enter exec=a state=COMPLETED/PASS at=1000',
      'expand test=late items=(1, 2) at=2000',
      'enter exec=late/1 state=LAUNCHED/n/a at=2000',
      'enter exec=late/1 state=NOT_STARTED/KEEP_TRYING at=3000',
      'force exec=b to=COMPLETED/PASS at=5000',
    ]);
    expect(outputsOf(text)[0]).toBe('register late/ a b\nlaunch a\n');
  });
});

type MoveOf = (
  now: number,
  running: readonly string[],
  asked: readonly string[],
) => PlannerEvent | null;

/** Plays it once: what was told, and what came of it. */
function played(input: PlanInput, moves: readonly MoveOf[]) {
  const state = newPlannerState();
  const running = new Set<string>();
  const asked = new Set<string>();
  const texts: string[] = [];
  const events: PlannerEvent[] = [];
  const give = (told: PlannerEvent): void => {
    events.push(told);
    const effects = step(state, told);
    texts.push(effects.map((effect) => `${effectText(effect)}\n`).join(''));
    for (const effect of effects) {
      if (effect.kind === 'launch') running.add(effect.exec);
      if (effect.kind === 'expand') asked.add(effect.test);
    }
  };
  give({ kind: 'start', input, at: 0 });
  for (const move of moves) {
    const told = move(state.now, [...running].sort(), [...asked].sort());
    if (told !== null) give(told);
  }
  return { events, texts };
}

function leaf(id: number, name: string, itemPath: string): TestRow {
  return { ...EMPTY_ROW, id, name, itemPath };
}

function event(seq: number, testId: number, old: string, now: string, isForced = false): EventRow {
  return {
    ...{ seq, area: 'x', at: 5000 + seq * 1000, kind: 'transition', runId: 1, testId },
    ...{ old, new: now, actor: 'someone', cause: '', isForced },
  };
}

const EMPTY_ROW: TestRow = {
  ...{ id: 0, runId: 1, area: 'x', name: '', itemPath: '', isToplevel: false, comment: '' },
  ...{ state: 'NOT_STARTED', status: 'n/a', attempt: 0, host: null, runDir: null, log: null },
  ...{ startedAt: null, endedAt: null, cpuMs: null, rssMaxBytes: null, exitCode: null },
  ...{ configHash: null, isStale: false, seq: 0 },
};
