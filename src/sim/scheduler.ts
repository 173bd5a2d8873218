/**
 * The one thread of a simulated world: tasks in the order of virtual time, each run to its end with every
 * promise that it resolves before the next one begins. Nothing here looks at a real clock, so the same tasks
 * give the same run.
 */
import { assert } from '../core/assert.ts';
import type { Trace } from './trace.ts';

export type Task = { cancel(): void };

/** A simulated process: when it is over, nothing that it asked for happens any more. */
export class Life {
  isOver = false;

  end(): void {
    this.isOver = true;
  }
}

/** Ends a simulated process in the middle of what it does: thrown from a crash point. */
export class SimulatedCrash extends Error {}

type Entry = {
  readonly at: number;
  readonly order: number;
  readonly what: string;
  readonly life: Life | null;
  run: (() => void) | null;
};

export type Ending = 'done' | 'idle' | 'late' | 'failed';

export class Scheduler {
  readonly trace: Trace;
  /** Virtual milliseconds since the run began. */
  now = 0;
  /** Tasks that were run. */
  steps = 0;
  /** What a task threw that was no simulated crash: a bug, of the product or of the simulation. */
  failure: unknown = null;
  #order = 0;
  readonly #heap: Entry[] = [];

  constructor(trace: Trace) {
    this.trace = trace;
  }

  /** Runs `run` after a delay, unless it is cancelled or `life` is over by then. */
  after(delayMs: number, what: string, run: () => void, life: Life | null = null): Task {
    assert(delayMs >= 0, 'time does not go back');
    this.#order += 1;
    const entry: Entry = { at: this.now + delayMs, order: this.#order, what, life, run };
    this.#push(entry);
    return {
      cancel: () => {
        entry.run = null;
      },
    };
  }

  /** Runs until `isDone`, or until nothing is left, the time or the number of steps is over, or a task failed. */
  async run(limits: {
    readonly isDone: () => boolean;
    readonly untilMs: number;
    readonly stepsMax: number;
  }): Promise<Ending> {
    const stepsEnd = this.steps + limits.stepsMax;
    while (!limits.isDone()) {
      const next = this.#pop();
      if (next === null) return 'idle';
      if (next.at > limits.untilMs || this.steps >= stepsEnd) {
        this.#push(next);
        this.now = Math.min(Math.max(this.now, limits.untilMs), next.at);
        return 'late';
      }
      this.#step(next);
      await settled();
      if (this.failure !== null) return 'failed';
    }
    return 'done';
  }

  /** Notes a failure that happened outside of a task's own call, in something that it started. */
  fail(error: unknown): void {
    if (error instanceof SimulatedCrash) return;
    this.failure ??= error;
  }

  #step(entry: Entry): void {
    this.now = Math.max(this.now, entry.at);
    this.steps += 1;
    this.trace.add(this.now, entry.what);
    try {
      entry.run?.();
    } catch (error) {
      this.fail(error);
    }
  }

  /** The next task that somebody still wants. */
  #pop(): Entry | null {
    for (;;) {
      const [first] = this.#heap;
      if (first === undefined) return null;
      this.#remove();
      if (first.run !== null && first.life?.isOver !== true) return first;
    }
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const other = heap[parent];
      if (other === undefined || !isBefore(entry, other)) break;
      heap[at] = other;
      at = parent;
    }
    heap[at] = entry;
  }

  #remove(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let place = at * 2 + 1;
      let child = heap[place];
      const right = heap[place + 1];
      if (child !== undefined && right !== undefined && isBefore(right, child)) {
        child = right;
        place += 1;
      }
      if (child === undefined || !isBefore(child, last)) break;
      heap[at] = child;
      at = place;
    }
    heap[at] = last;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** Every promise that could be resolved is: the queue of microtasks is empty before the next turn begins. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
