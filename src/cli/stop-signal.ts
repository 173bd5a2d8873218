/** Ctrl-C and SIGTERM as an AbortSignal, for commands that run until they are stopped. */

const EXIT_INTERRUPTED = 130;
/** npm passes on a Ctrl-C that the terminal has sent to us already: two at once are one. */
const ECHO_MS = 300;

export type StopSignal = {
  readonly signal: AbortSignal;
  /** Gives the signals back to the system. */
  readonly release: () => void;
};

/** Aborts at the first signal; a second one ends the process on the spot. */
export function stopOnSignal(): StopSignal {
  const controller = new AbortController();
  let firstAtMs = 0;
  const stop = (): void => {
    if (!controller.signal.aborted) {
      firstAtMs = performance.now();
      controller.abort();
    } else if (performance.now() - firstAtMs > ECHO_MS) {
      process.exit(EXIT_INTERRUPTED);
    }
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  const release = (): void => {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  };
  return { signal: controller.signal, release };
}
