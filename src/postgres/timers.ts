/** Time as the readers of this folder see it, so that tests move it by hand. */

/** What `set` returns and `clear` takes; nobody looks inside. */
export type TimerHandle = unknown;

export type Timers = {
  /** Monotonic milliseconds. */
  now(): number;
  set(run: () => void, delayMs: number): TimerHandle;
  clear(handle: TimerHandle): void;
};

/** The process' own clock. */
export const realTimers: Timers = {
  now: () => performance.now(),
  set: (run, delayMs) => setTimeout(run, delayMs),
  clear: (handle) => clearTimeout(handle as NodeJS.Timeout),
};
