/** Ctrl-C twice: the first asks for a clean end, the second does not wait for it. */

/** npm and terminals may send one Ctrl-C twice. */
const ECHO_MS = 300;

export type Interruptible = { readonly isInterrupted: boolean; readonly release: () => void };

export function interruptible({
  onFirst,
  onSecond,
}: {
  readonly onFirst: () => void;
  readonly onSecond: () => void;
}): Interruptible {
  let firstAtMs: number | null = null;
  const stop = (): void => {
    if (firstAtMs === null) {
      firstAtMs = performance.now();
      console.error(
        'stopping: nothing more starts, what runs is ended; Ctrl-C again ends it at once',
      );
      onFirst();
    } else if (performance.now() - firstAtMs > ECHO_MS) onSecond();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return {
    get isInterrupted() {
      return firstAtMs !== null;
    },
    release: () => {
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
    },
  };
}
