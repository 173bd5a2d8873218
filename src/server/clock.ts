/** Time as the server sees it; tests hand in their own. */
export type Clock = {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Milliseconds since 1970, for tokens and heartbeats only. */
  readonly wallMs: () => number;
  /** Calls `run` every `ms` until the returned function is called. Never keeps the process alive. */
  readonly every: (ms: number, run: () => void) => () => void;
};

export const systemClock: Clock = {
  now: () => performance.now(),
  wallMs: () => Date.now(),
  every: (ms, run) => {
    const timer = setInterval(run, ms);
    timer.unref();
    return () => clearInterval(timer);
  },
};
