/** The engine's clock, moved by a test: nothing happens until it says so. */
import type { Clock, TimerHandle } from '../../src/engine/clock.ts';

const TURNS_MAX = 100;

export class HandClock implements Clock {
  #nowMs = 0;
  #soon: (() => void)[] = [];
  #timers: { readonly atMs: number; readonly run: () => void }[] = [];

  now(): number {
    return this.#nowMs;
  }

  wallMicros(): number {
    return this.#nowMs * 1000;
  }

  after(delayMs: number, run: () => void): TimerHandle {
    const timer = { atMs: this.#nowMs + delayMs, run };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  soon(run: () => void): void {
    this.#soon.push(run);
  }

  /** Everything that is to happen without time going by. */
  settle(): void {
    for (let turn = 0; this.#soon.length > 0; turn += 1) {
      if (turn > TURNS_MAX) throw new Error('it does not come to rest');
      for (const run of this.#soon.splice(0)) run();
    }
  }

  advance(byMs: number): void {
    this.#nowMs += byMs;
    const due = this.#timers.filter(({ atMs }) => atMs <= this.#nowMs);
    this.#timers = this.#timers.filter(({ atMs }) => atMs > this.#nowMs);
    for (const { run } of due) run();
    this.settle();
  }
}
