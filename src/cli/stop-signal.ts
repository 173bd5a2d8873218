/** Ctrl-C and SIGTERM as an AbortSignal, for commands that run until they are stopped. */

const EXIT_INTERRUPTED = 130;

export type StopSignal = {
  readonly signal: AbortSignal;
  /** Gives the signals back to the system. */
  readonly release: () => void;
};

/** Aborts at the first signal; a second one ends the process on the spot. */
export function stopOnSignal(): StopSignal {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(EXIT_INTERRUPTED);
    controller.abort();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  const release = (): void => {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  };
  return { signal: controller.signal, release };
}
