/** Time that only moves when a test moves it. */
import type { TimerHandle, Timers } from '../../../src/postgres/timers.ts';

type Waiting = { readonly at: number; readonly run: () => void };

export class ManualTimers implements Timers {
  #now = 0;
  readonly #waiting = new Set<Waiting>();

  now(): number {
    return this.#now;
  }

  set(run: () => void, delayMs: number): TimerHandle {
    const entry = { at: this.#now + delayMs, run };
    this.#waiting.add(entry);
    return entry;
  }

  clear(handle: TimerHandle): void {
    this.#waiting.delete(handle as Waiting);
  }

  /** Moves on by `ms` and runs what falls due, in order. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const [next] = [...this.#waiting].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#waiting.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
    }
    this.#now = end;
  }
}
