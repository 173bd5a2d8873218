/**
 * Ctrl-C twice: the first asks for a clean end, the second does not wait for it. TERM does the same, and a terminal
 * that is closed (HUP): its processes would be left without anybody who sees them.
 */

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** npm and terminals may send one Ctrl-C twice. */
const ECHO_MS = 300;

export type Interruptible = { readonly isInterrupted: boolean; readonly release: () => void };

export function interruptible({
  says,
  onFirst,
  onSecond,
}: {
  /** What the first Ctrl-C does. */
  readonly says: string;
  readonly onFirst: () => void;
  readonly onSecond: () => void;
}): Interruptible {
  let firstAtMs: number | null = null;
  const stop = (): void => {
    if (firstAtMs === null) {
      firstAtMs = performance.now();
      console.error(says);
      onFirst();
    } else if (performance.now() - firstAtMs > ECHO_MS) onSecond();
  };
  for (const signal of SIGNALS) process.on(signal, stop);
  return {
    get isInterrupted() {
      return firstAtMs !== null;
    },
    release: () => {
      for (const signal of SIGNALS) process.off(signal, stop);
    },
  };
}
