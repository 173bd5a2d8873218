/**
 * When the log passed which position: what turns the distance of a reader into seconds. Bounded: when the book is
 * full every second entry of its older half goes, so that long ago is known less exactly.
 */
import type { Ts } from '../core/lsn.ts';

const ENTRIES_MAX = 4096;
/** Two entries are at least so far apart. */
const APART_MS = 250;

type Entry = { readonly upper: Ts; readonly at: number };

export class PositionTimes {
  readonly #now: () => number;
  #entries: Entry[] = [];

  /** `now` in milliseconds, on any clock that only goes forward. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Call when something was appended; `upper` is the log's since then. */
  note(upper: Ts): void {
    const at = this.#now();
    const last = this.#entries.at(-1);
    if (last !== undefined && upper <= last.upper) return;
    // What comes soon after counts as of then: a little too early, never forgotten.
    if (last !== undefined && at - last.at < APART_MS) this.#entries.pop();
    const since = last !== undefined && at - last.at < APART_MS ? last.at : at;
    this.#entries.push({ upper, at: since });
    if (this.#entries.length > ENTRIES_MAX) this.#thin();
  }

  /**
   * For how many seconds something has been there that a reader at `position` lacks: 0 when there is nothing that was
   * appended since, at most the time since the first entry. Exact to about a quarter of a second.
   */
  lagS(position: Ts): number {
    const first = this.#entries[this.#firstBeyond(position)];
    return first === undefined ? 0 : Math.max(0, this.#now() - first.at) / 1000;
  }

  /** Forgets everything: positions of another history do not compare. */
  clear(): void {
    this.#entries = [];
  }

  #firstBeyond(position: Ts): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle]?.upper ?? 0) > position) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #thin(): void {
    const half = this.#entries.length >>> 1;
    this.#entries = this.#entries.filter((_, index) => index >= half || index % 2 === 0);
  }
}
