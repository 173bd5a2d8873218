/**
 * The end of an execution that was asked for: TERM to each process that belongs to it, KILL to all after five seconds.
 * Looks become rarer while nothing changes: somebody who waits for the disk is not waited for any faster.
 */
import { type Members, type ProcessLook, signalAll } from './processes.ts';

/** Between the polite end and the other one. */
const KILL_AFTER_MS = 5_000;
/** Between two looks, at first and at last. */
const LOOK_MS_MIN = 50;
const LOOK_MS_MAX = 500;

export class Killing {
  readonly cause: string;
  readonly sinceMs: number;
  readonly #look: ProcessLook;
  readonly #told = new Set<number>();
  #pauseMs = LOOK_MS_MIN;
  #lookAt = 0;
  #isHard = false;

  constructor(cause: string, sinceMs: number, look: ProcessLook) {
    this.cause = cause;
    this.sinceMs = sinceMs;
    this.#look = look;
  }

  /** No more politeness. */
  harden(): void {
    this.#isHard = true;
    this.lookSoon();
  }

  /** Something has ended: the next look is not put off. */
  lookSoon(): void {
    this.#lookAt = 0;
    this.#pauseMs = LOOK_MS_MIN;
  }

  /** Signals who is left, when it is time to look; true when nobody is. */
  press(members: Members, now: number): boolean {
    if (now < this.#lookAt) return false;
    const found = this.#look.members(members);
    if (found.length === 0) return true;
    if (this.#isHard || now - this.sinceMs >= KILL_AFTER_MS) {
      signalAll(found, members.groups, 'SIGKILL');
    } else {
      const fresh = found.filter(({ pid }) => !this.#told.has(pid));
      if (fresh.length > 0) this.#pauseMs = LOOK_MS_MIN;
      for (const { pid } of fresh) this.#told.add(pid);
      signalAll(fresh, members.groups, 'SIGTERM');
    }
    // The look at which KILL is due is not put off.
    const killAt = this.sinceMs + KILL_AFTER_MS;
    const next = now + this.#pauseMs;
    this.#lookAt = now < killAt ? Math.min(next, killAt) : next;
    this.#pauseMs = Math.min(this.#pauseMs * 2, LOOK_MS_MAX);
    return false;
  }
}
