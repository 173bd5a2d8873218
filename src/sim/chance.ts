/**
 * Seeded random numbers in named streams: taking one thing out of a run leaves the draws of all others as they
 * were, so that a failing run stays the same run while it is shrunk.
 */
import { assert } from '../core/assert.ts';
import { hashText } from '../core/digest.ts';

export class Chance {
  readonly #seed: number;
  #state: number;

  constructor(seed: number, name = '') {
    this.#seed = seed;
    this.#state = (hashText(`${seed}/${name}`) ^ Math.imul(seed, 0x9e3779b1)) >>> 0;
  }

  /** A stream of its own, the same for the same name whatever was drawn before. */
  stream(name: string): Chance {
    return new Chance(this.#seed, name);
  }

  /** In [0, 1): mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  /** True in this share of cases. */
  hits(share: number): boolean {
    return this.next() < share;
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  pick<T>(list: readonly T[]): T {
    const picked = list[this.between(0, list.length - 1)];
    assert(picked !== undefined, 'there is something to pick from');
    return picked;
  }
}
