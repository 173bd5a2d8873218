import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileItemMap } from '../../../src/area/item-map.ts';
import type { Prerequisite, TestDef } from '../../../src/area/types.ts';
import { areaTextOf, readAreaText } from '../../../src/planner/area-text.ts';
import { checkPlanner } from '../../../src/planner/invariants.ts';
import { step } from '../../../src/planner/machine.ts';
import { countsOf, rollUp } from '../../../src/planner/rollup.ts';
import type { StatePair } from '../../../src/planner/rows.ts';
import { newPlannerState, type PlannerState } from '../../../src/planner/state.ts';
import { isActive, isGood, isTerminal } from '../../../src/planner/states.ts';
import type { PlanInput, PlannerEffect, PlannerEvent } from '../../../src/planner/types.ts';
import { anyArea, anyInput, anyMove, eventOf, type Move } from './worlds.ts';

/** A run may need so many moves to end. */
const MOVES_MAX = 500;

/** What the driver knows: where every execution stands, what runs, what was asked. */
class Driver {
  readonly state: PlannerState = newPlannerState();
  readonly table = new Map<string, StatePair>();
  readonly running = new Set<string>();
  /** Set by a user while it ran. */
  readonly forced = new Map<string, StatePair>();
  readonly asked = new Set<string>();
  readonly items = new Map<string, Set<string>>();
  readonly events: PlannerEvent[] = [];
  readonly effects: (readonly PlannerEffect[])[] = [];
  now = 0;
  isDone = false;
  readonly input: PlanInput;

  constructor(input: PlanInput) {
    this.input = input;
    for (const { id, state, status } of input.existing) this.table.set(id, { state, status });
    for (const { name, items } of input.tests.values()) {
      const paths = items.kind === 'known' ? items.items.map(({ path }) => path) : [];
      if (items.kind !== 'none') this.items.set(name, new Set(paths));
    }
    this.give({ kind: 'start', input, at: 0 });
  }

  give(event: PlannerEvent): void {
    this.now = Math.max(this.now, event.at);
    this.#note(event);
    this.events.push(event);
    const effects = step(this.state, event);
    this.effects.push(effects);
    checkPlanner(this.state);
    for (const effect of effects) this.#perform(effect);
    this.#adopt();
  }

  move(move: Move): void {
    const event = eventOf(move, this.now, [...this.running].sort(), [...this.asked].sort());
    if (event !== null) this.give(event);
  }

  /** Everything that runs passes, what is asked for has an item, until nothing is left. */
  drain(): void {
    this.give({ kind: 'host', load: 0, slots: 9, exclusive: [], at: this.now });
    for (let moves = 0; !this.isDone; moves += 1) {
      if (moves > MOVES_MAX) throw new Error('the run does not end');
      const [exec] = this.running;
      const [asked] = this.asked;
      const at = this.now;
      if (exec !== undefined) {
        this.give({ kind: 'entered', exec, state: 'COMPLETED', status: 'PASS', at });
      } else if (asked !== undefined) {
        const items = [{ path: '1', variables: [] }];
        this.give({ kind: 'expanded', test: asked, items, reason: '', at });
      } else {
        this.give({ kind: 'clock', at: at + 10_000 });
      }
    }
  }

  /** What ran before the start, as soon as it is planned. */
  #adopt(): void {
    for (const { id } of this.input.existing) {
      const pair = this.table.get(id);
      const isPlanned = this.state.leaves.has(id);
      if (isPlanned && pair !== undefined && isActive(pair)) this.running.add(id);
    }
  }

  #note(event: PlannerEvent): void {
    if (event.kind === 'entered') {
      const pair = { state: event.state, status: event.status };
      if (isActive(event)) return;
      this.table.set(event.exec, this.forced.get(event.exec) ?? pair);
      this.forced.delete(event.exec);
      this.running.delete(event.exec);
    }
    if (event.kind === 'force') {
      const isRunning = this.running.has(event.exec);
      (isRunning ? this.forced : this.table).set(event.exec, event.to);
    }
    if (event.kind === 'expanded') {
      this.asked.delete(event.test);
      this.items.set(event.test, new Set(event.items?.map(({ path }) => path)));
    }
  }

  #perform(effect: PlannerEffect): void {
    if (effect.kind === 'launch') {
      this.#checkLaunch(effect.exec, effect.test, effect.item?.path ?? '');
      this.running.add(effect.exec);
      this.isDone = false;
    } else if (effect.kind === 'reset') {
      this.table.delete(effect.exec);
    } else if (effect.kind === 'settle') {
      this.table.set(effect.exec, effect);
    } else if (effect.kind === 'expand') {
      this.asked.add(effect.test);
    } else if (effect.kind === 'done') {
      this.isDone = true;
    }
  }

  /** R1 and R5 as somebody would check them by hand, from the table and the definitions alone. */
  #checkLaunch(exec: string, name: string, path: string): void {
    if (this.running.has(exec)) throw new Error(`R5: ${exec} runs already`);
    const prerequisites = this.input.tests.get(name)?.prerequisites ?? [];
    const either = prerequisites.filter(({ isEither }) => isEither);
    for (const one of prerequisites) if (!one.isEither) this.#checkMet(exec, path, one);
    const troubles = either.flatMap((one) => {
      try {
        this.#checkMet(exec, path, one);
        return [];
      } catch (error) {
        return [error];
      }
    });
    if (either.length > 0 && troubles.length === either.length) throw troubles[0];
  }

  #checkMet(exec: string, path: string, { test: on, mode, map, origin }: Prerequisite): void {
    const items = this.items.get(on);
    const isItemwise = mode.startsWith('itemwait') && items !== undefined && path !== '';
    const at = isItemwise ? compileItemMap(map, origin)(path) : '';
    const hasLeaves = this.state.tests.get(on)?.leaves.size !== 0;
    // A test without leaves may have been settled, or set by a user, as a whole.
    const isWhole = at === '' || !hasLeaves;
    const pair = isWhole ? this.#shown(on, items) : this.table.get(`${on}/${at}`);
    if (pair === undefined || !isTerminal(pair)) throw new Error(`R1: ${exec} before ${on}/${at}`);
    const isEnough = mode.endsWith('toplevel') ? pair.state !== 'NOT_STARTED' : isGood(pair);
    if (!isEnough) throw new Error(`R1: ${exec} although ${on}/${at} is ${pair.status}`);
  }

  #shown(test: string, items: ReadonlySet<string> | undefined): StatePair | undefined {
    const planned = [...(items ?? [])].filter((path) => this.state.leaves.has(`${test}/${path}`));
    if (planned.length === 0) return this.table.get(test);
    const fresh = { state: 'NOT_STARTED', status: 'n/a' } as const;
    const pairs = planned.map((path) => this.table.get(`${test}/${path}`) ?? fresh);
    return pairs.every(isTerminal) ? rollUp(countsOf(pairs)) : undefined;
  }
}

describe('a random run of a random area', () => {
  const moves = fc.array(anyMove, { maxLength: 40 });

  test('R1 to R9 hold after every step, and the run ends when the world goes on', () => {
    fc.assert(
      fc.property(anyInput, moves, (input, list) => {
        const driver = new Driver(input);
        for (const move of list) driver.move(move);
        driver.drain();
        for (const { pair } of driver.state.leaves.values()) expect(isTerminal(pair)).toBe(true);
      }),
      { numRuns: 1500 },
    );
  }, 60_000);

  test('R3: the same events have the same effects', () => {
    fc.assert(
      fc.property(anyInput, moves, (input, list) => {
        const driver = new Driver(input);
        for (const move of list) driver.move(move);
        const again = newPlannerState();
        expect(driver.events.map((event) => step(again, event))).toEqual(driver.effects);
      }),
      { numRuns: 200 },
    );
  });

  test('an area is the same after it was written as text', () => {
    const essential = (tests: ReadonlyMap<string, TestDef>): unknown =>
      [...tests.values()].map((def) => ({
        ...def,
        prerequisites: def.prerequisites.map(({ test: on, mode, map, isEither }) => {
          return { on, mode, map, isEither };
        }),
      }));
    fc.assert(
      fc.property(anyArea, (text) => {
        const again = readAreaText(areaTextOf(text));
        expect(again.area).toEqual(text.area);
        expect(essential(again.tests)).toEqual(essential(text.tests));
      }),
    );
  });
});
