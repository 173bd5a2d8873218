/**
 * What a runner has to write, gathered: one transaction per turn of its clock, and one before anything starts, so
 * that no process ever runs that the database does not know.
 */
import { hasCode, TidelockError } from '../core/errors.ts';
import type { RunAnswer, RunStore, RunWrite } from '../planner/run-store.ts';

/** Of one transaction; a reader waits for no more. */
const WRITES_AT_ONCE = 500;

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

  /** Writes all that waits. */
  flush(): void {
    const writes = this.#waiting;
    this.#waiting = [];
    for (let start = 0; start < writes.length; start += WRITES_AT_ONCE) {
      this.#write(writes.slice(start, start + WRITES_AT_ONCE));
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
      if (!isRefusal(error) || before.length === 0) throw error;
      this.#write(before);
      return this.#store.write({ actor: this.#actor, writes }).answers;
    }
  }

  #write(writes: readonly RunWrite[]): void {
    try {
      this.#store.write({ actor: this.#actor, writes });
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (writes.length > 1) for (const write of writes) this.#write([write]);
      else for (const write of writes) this.#onRefused(write, error);
    }
  }
}

function isRefusal(error: unknown): error is TidelockError {
  if (!(error instanceof TidelockError)) return false;
  return (['BAD_TRANSITION', 'RUN_LOCKED', 'RUN_NOT_FOUND'] as const).some((code) =>
    hasCode(error, code),
  );
}
