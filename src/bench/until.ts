/** Waiting for something that can only be asked for: with a limit, a name, and a way out. */
import { setTimeout as sleep } from 'node:timers/promises';
import { TidelockError } from '../core/errors.ts';

const POLL_MS = 5;

export type Wait = { readonly limitMs: number; readonly signal: AbortSignal };

/**
 * Asks until `condition` gives a value other than undefined or false, and returns it. Throws `TIMEOUT` with
 * `what` after the limit, or the reason of the signal.
 */
export async function until<T>(
  what: string,
  condition: () => T | false | undefined | Promise<T | false | undefined>,
  { limitMs, signal }: Wait,
): Promise<T> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    signal.throwIfAborted();
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline) throw tooLate(what, limitMs);
    await sleep(POLL_MS);
  }
}

function tooLate(what: string, limitMs: number): TidelockError {
  return new TidelockError({
    code: 'TIMEOUT',
    message: `did not happen within ${limitMs / 1000} s: ${what}`,
    hint: 'the machine may be very busy: try again; if it repeats, please report it with the lines above',
  });
}

/** Runs tasks side by side. The first failure aborts the others, which are waited for, and is thrown. */
export async function together(
  signal: AbortSignal,
  tasks: readonly ((signal: AbortSignal) => Promise<void>)[],
): Promise<void> {
  const failure = new AbortController();
  const both = AbortSignal.any([signal, failure.signal]);
  const running = tasks.map(async (task) => {
    try {
      await task(both);
    } catch (error) {
      failure.abort(error);
    }
  });
  await Promise.all(running);
  both.throwIfAborted();
}
