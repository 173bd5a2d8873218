/**
 * What a link holds back, in its order: transactions, and what came between them. What follows a held transaction waits
 * behind it.
 */
import { assert } from '../../core/assert.ts';

/** Of one link; a script has a handful. */
const HELD_MAX = 10_000;

export type Delivery<T> = { readonly isTransaction: boolean; readonly content: T };

export class HeldDeliveries<T> {
  readonly #pass: (content: T) => void;
  #held: Delivery<T>[] = [];
  #isHolding = false;

  /** `pass` sends one on its way. */
  constructor(pass: (content: T) => void) {
    this.#pass = pass;
  }

  /** Transactions that are held now. */
  get held(): number {
    return this.#held.filter(({ isTransaction }) => isTransaction).length;
  }

  take(delivery: Delivery<T>): void {
    this.#held.push(delivery);
    assert(this.#held.length <= HELD_MAX, 'not too much is held');
    if (!this.#isHolding) this.#letGo(Number.POSITIVE_INFINITY);
    else if (this.held === 0) this.#letGo(0);
  }

  /** From now on transactions stay here. */
  hold(): void {
    this.#isHolding = true;
  }

  /** Lets the first `count` held transactions go; null: all of them, and later ones pass. */
  release(count: number | null): void {
    if (count === null) this.#isHolding = false;
    this.#letGo(count ?? Number.POSITIVE_INFINITY);
  }

  /** The first `count` held transactions get lost; the stream goes on without them. */
  drop(count: number): void {
    for (let left = count; left > 0; left -= 1) this.#held.splice(this.#first(), 1);
  }

  /** The first held transaction will come twice. */
  double(): void {
    const at = this.#first();
    this.#held.splice(at, 0, ...this.#held.slice(at, at + 1));
  }

  /** The first two held transactions will come in the other order. */
  swap(): void {
    const at = this.#first();
    const [first] = this.#held.splice(at, 1);
    const next = this.#first();
    if (first !== undefined) this.#held.splice(next + 1, 0, first);
  }

  /** The connection is gone, with all that is held. */
  forget(): void {
    this.#held = [];
  }

  #first(): number {
    const at = this.#held.findIndex(({ isTransaction }) => isTransaction);
    assert(at >= 0, 'a transaction is held');
    return at;
  }

  /** Passes the first `count` transactions, and what stands before the next one. */
  #letGo(count: number): void {
    let left = count;
    for (let next = this.#held[0]; next !== undefined; next = this.#held[0]) {
      if (next.isTransaction && left === 0) return;
      if (next.isTransaction) left -= 1;
      this.#held.shift();
      this.#pass(next.content);
    }
  }
}
