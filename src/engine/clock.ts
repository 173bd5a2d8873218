/** Time, passed in: tests and simulation replace it. */
export type TimerHandle = { cancel(): void };

export interface Clock {
  /** Monotonic, milliseconds. */
  now(): number;
  /** Wall clock, microseconds since 1970. */
  wallMicros(): number;
  after(delayMs: number, run: () => void): TimerHandle;
  /** After the input that is ready now has been handled; no timer, no delay. */
  soon(run: () => void): void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wallMicros: () => (performance.timeOrigin + performance.now()) * 1000,
  after(delayMs, run) {
    const timer = setTimeout(run, Math.min(Math.max(0, delayMs), TIMER_MS_MAX));
    return { cancel: () => clearTimeout(timer) };
  },
  soon: (run) => void setImmediate(run),
};

/** setTimeout's own limit; a longer wait wakes early and is set again. */
const TIMER_MS_MAX = 2 ** 31 - 1;
