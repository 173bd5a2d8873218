/**
 * Rests between rounds of delivering, while the log takes in a lot.
 *
 * A round costs by the number of its streams, not by their bytes: a thousand streams that get a little of
 * every group would take most of the time from reading and storing. So each piece of work is followed by a
 * rest of several times its length, in which what is new for a stream only waits, to go out with what comes
 * after it. Without such load there is no rest and no timer: what is new goes out at once.
 */
import type { Ts } from '../core/lsn.ts';
import type { Clock } from './clock.ts';

/** Rest for so many times the work. */
const REST_RATIO = 3;
/** A shorter rest is none: a few streams. */
const REST_MS_MIN = 2;
const REST_MS_MAX = 100;
/** How often a rest looks whether the log still takes in more. */
const LOOK_MS = 10;

export type RestOptions = {
  readonly clock: Clock;
  /** True while the log takes in a lot. */
  readonly isFlooded: () => boolean;
  readonly upper: () => Ts;
  /** A rest that was due is over. */
  readonly onEnd: () => void;
};

export class Rest {
  readonly #options: RestOptions;
  #until = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: RestOptions) {
    this.#options = options;
  }

  /** Streams have been served since `start`. */
  worked(start: number): void {
    const now = this.#options.clock.now();
    const restMs = Math.max(0, this.#until - now) + (now - start) * REST_RATIO;
    this.#until = now + Math.min(restMs, REST_MS_MAX);
  }

  /** True: whoever has something new waits for `onEnd`. */
  isDue(): boolean {
    if (!this.#options.isFlooded()) {
      if (this.#timer !== null) this.#end();
      return false;
    }
    if (this.#timer !== null) return true;
    if (this.#until - this.#options.clock.now() < REST_MS_MIN) return false;
    this.#look(this.#until);
    return true;
  }

  /** `end` is kept: work for others meanwhile makes no rest longer. */
  #look(end: number): void {
    const before = this.#options.upper();
    const look = (): void => {
      const isOver = this.#options.clock.now() >= end || this.#options.upper() === before;
      if (isOver) this.#end();
      else this.#look(end);
    };
    // Time goes on between two looks at the clock: what is left may be less than nothing.
    const leftMs = Math.max(0, end - this.#options.clock.now());
    this.#timer = setTimeout(look, Math.min(LOOK_MS, leftMs));
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #end(): void {
    this.stop();
    this.#options.onEnd();
  }
}
