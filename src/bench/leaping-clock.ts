/** The engine's clock, which can leap ahead: what would come after minutes comes at once. Its wall clock can be wrong. */
import { type Clock, systemClock, type TimerHandle } from '../engine/clock.ts';

type Timer = { readonly dueAt: number; readonly run: () => void };

export class LeapingClock implements Clock {
  #aheadMs = 0;
  #skewMs = 0;
  readonly #timers = new Map<Timer, TimerHandle>();

  now(): number {
    return systemClock.now() + this.#aheadMs;
  }

  wallMicros(): number {
    return systemClock.wallMicros() + (this.#aheadMs + this.#skewMs) * 1000;
  }

  /** The wall clock is wrong by so much; nothing becomes due. */
  skew(ms: number): void {
    this.#skewMs = ms;
  }

  after(delayMs: number, run: () => void): TimerHandle {
    const timer = { dueAt: this.now() + delayMs, run };
    this.#set(timer);
    return { cancel: () => this.#forget(timer) };
  }

  soon(run: () => void): void {
    systemClock.soon(run);
  }

  /** Goes on by so much; what is due by then has run when this returns, in its order. */
  leap(ms: number): void {
    this.#aheadMs += ms;
    const timers = [...this.#timers.keys()].sort((a, b) => a.dueAt - b.dueAt);
    for (const timer of timers) {
      if (!this.#timers.has(timer)) continue; // cancelled by one before it
      this.#forget(timer);
      if (timer.dueAt <= this.now()) timer.run();
      else this.#set(timer);
    }
  }

  #set(timer: Timer): void {
    const run = (): void => {
      this.#timers.delete(timer);
      timer.run();
    };
    this.#timers.set(timer, systemClock.after(timer.dueAt - this.now(), run));
  }

  #forget(timer: Timer): void {
    this.#timers.get(timer)?.cancel();
    this.#timers.delete(timer);
  }
}
