/**
 * What a runner has to write, gathered: one transaction per turn of its clock, and one before anything starts, so
 * that no process ever runs that the database does not know.
 */
import { hasCode, TidelockError } from '../../core/errors.ts';
import type { RunAnswer, RunStore, RunWrite } from '../../planner/run-store.ts';
import { sqlFailureOf } from '../../sqlite/sql.ts';

/** Of one transaction; a reader waits for no more. */
const WRITES_AT_ONCE = 500;
const TRIES_MAX = 600;
const PAUSE_MS = 500;

export class Outbox {
  readonly #store: RunStore;
  readonly #actor: string;
  readonly #onRefused: (write: RunWrite, error: TidelockError) => void;
  #waiting: RunWrite[] = [];

  /** `onRefused`: somebody has changed the execution in the meantime; his change stays. */
  constructor(
    store: RunStore,
    actor: string,
    onRefused: (write: RunWrite, error: TidelockError) => void,
  ) {
    this.#store = store;
    this.#actor = actor;
    this.#onRefused = onRefused;
  }

  add(...writes: readonly RunWrite[]): void {
    this.#waiting.push(...writes);
  }

  /** Writes all that waits; what the database cannot take now waits on. Throws what it says. */
  flush(): void {
    while (this.#waiting.length > 0) {
      const part = this.#waiting.slice(0, WRITES_AT_ONCE);
      this.#waiting = this.#waiting.slice(part.length);
      this.#write(part);
    }
  }

  /** Writes all that waits and these, whose answers it gives, in one transaction. Throws what is refused of these. */
  now(...writes: readonly RunWrite[]): readonly RunAnswer[] {
    if (this.#waiting.length > WRITES_AT_ONCE) this.flush();
    const before = this.#waiting;
    this.#waiting = [];
    try {
      const all = [...before, ...writes];
      return this.#store.write({ actor: this.#actor, writes: all }).answers.slice(before.length);
    } catch (error) {
      if (mayPass(error)) this.#waiting = [...before, ...this.#waiting];
      if (!isRefusal(error) || before.length === 0) throw error;
      this.#write(before);
      return this.#store.write({ actor: this.#actor, writes }).answers;
    }
  }

  /** One that is refused does not take the others with it. */
  #write(writes: readonly RunWrite[]): void {
    try {
      this.#store.write({ actor: this.#actor, writes });
    } catch (error) {
      if (mayPass(error)) {
        this.#waiting = [...writes, ...this.#waiting];
        throw error;
      }
      if (writes.length > 1) this.#writeEach(writes);
      else if (!isRefusal(error)) throw error;
      else for (const write of writes) this.#onRefused(write, error);
    }
  }

  #writeEach(writes: readonly RunWrite[]): void {
    for (const [index, write] of writes.entries()) {
      try {
        this.#write([write]);
      } catch (error) {
        this.#waiting.splice(mayPass(error) ? 1 : 0, 0, ...writes.slice(index + 1));
        throw error;
      }
    }
  }
}

/** Tries again what the database cannot take now, a few minutes long; then throws what it says. */
export async function patiently<T>(write: () => T): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return write();
    } catch (error) {
      if (!mayPass(error) || tries >= TRIES_MAX) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

/** A lock that was held for too long, a disk that is full: nothing is lost by it, and it is tried again. */
export function mayPass(error: unknown): boolean {
  const { cause } = error instanceof TidelockError ? error : { cause: undefined };
  const failure = sqlFailureOf(cause);
  return failure === 'busy' || failure === 'full' || failure === 'io';
}

function isRefusal(error: unknown): error is TidelockError {
  if (!(error instanceof TidelockError)) return false;
  return (['BAD_TRANSITION', 'RUN_LOCKED', 'RUN_NOT_FOUND'] as const).some((code) =>
    hasCode(error, code),
  );
}
