/**
 * What happens to a run, told to its planner one event after the other, and what the planner wants, done in its order.
 *
 * Events that come while effects are done wait for their turn. No effect is lost: what the database cannot take now
 * is done again before anything else.
 */
import type { PlannerEffect, PlannerEvent } from '../planner/types.ts';
import { mayPass } from './database/outbox.ts';

export class PlanQueue {
  readonly #plan: (event: PlannerEvent) => readonly PlannerEffect[];
  readonly #perform: (effect: PlannerEffect) => void;
  readonly #events: PlannerEvent[] = [];
  readonly #effects: PlannerEffect[] = [];
  #isStarted = false;
  #isStepping = false;

  constructor(
    plan: (event: PlannerEvent) => readonly PlannerEffect[],
    perform: (effect: PlannerEffect) => void,
  ) {
    this.#plan = plan;
    this.#perform = perform;
  }

  /** Throws what an effect throws; what the database says of a lock or its disk is kept for `goOn`. */
  add(event: PlannerEvent): void {
    // While the tests are read the host is sampled and kills arrive: all of that waits for the start.
    if (event.kind === 'start') {
      this.#isStarted = true;
      this.#events.unshift(event);
    } else this.#events.push(event);
    try {
      this.goOn();
    } catch (error) {
      if (!mayPass(error)) throw error;
    }
  }

  /** Does what is left. Throws what an effect throws. */
  goOn(): void {
    if (this.#isStepping || !this.#isStarted) return;
    this.#isStepping = true;
    try {
      for (let next = this.#next(); next !== null; next = this.#next()) this.#do(next);
    } finally {
      this.#isStepping = false;
    }
  }

  /** Null: nothing more is to be done. */
  #next(): PlannerEffect | null {
    for (;;) {
      const [effect] = this.#effects;
      if (effect !== undefined) return effect;
      const event = this.#events.shift();
      if (event === undefined) return null;
      this.#effects.push(...this.#plan(event));
    }
  }

  #do(effect: PlannerEffect): void {
    try {
      this.#perform(effect);
      this.#effects.shift();
    } catch (error) {
      if (!mayPass(error)) this.#effects.shift();
      throw error;
    }
  }
}
