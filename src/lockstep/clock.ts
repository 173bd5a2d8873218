/** Time as the streams see it: one for the program, the benchmarks and the tests. */
export type ReaderClock = {
  /** Monotonic milliseconds: for how long something takes. */
  readonly now: () => number;
  /** Milliseconds since 1970, for what heartbeats say. */
  readonly wallMs: () => number;
  /** Calls `call` once after `ms`, unless the returned function is called before. */
  readonly after: (ms: number, call: () => void) => () => void;
};

export const timerClock: ReaderClock = {
  now: () => performance.now(),
  wallMs: () => Date.now(),
  after: (ms, call) => {
    const timer = setTimeout(call, Math.max(0, ms));
    return () => clearTimeout(timer);
  },
};
