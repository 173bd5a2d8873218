/**
 * What the model was like at every commit, in one digest each: for every set of selectors that somebody
 * holds (by the bench's own digest), for every table and selector (by the product's), and the sums of balances.
 */
import { hashOf, RowSum } from '../canonical.ts';
import type { EvidenceTable } from '../evidence.ts';
import { EVERYONE, type ModelRow, type Transition } from './model.ts';
import { productHashOf } from './product-digest.ts';

export type Moment = { readonly digest: string; readonly rows: number };

const EMPTY: Moment = { digest: new RowSum().digest, rows: 0 };

/** Moments by position, ascending. Memory: one entry for every commit that touches it. */
export class Track {
  readonly #positions: number[] = [];
  readonly #moments: Moment[] = [];

  push(position: number, moment: Moment): void {
    this.#positions.push(position);
    this.#moments.push(moment);
  }

  /** Commits so far. */
  get length(): number {
    return this.#positions.length;
  }

  /** How many commits lie at or before the position. */
  index(position: number): number {
    let low = 0;
    let high = this.#positions.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#positions[middle] ?? 0) <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  at(position: number): Moment {
    return this.#moments[this.index(position) - 1] ?? EMPTY;
  }

  isCommit(position: number): boolean {
    return this.#positions[this.index(position) - 1] === position;
  }

  /** Positions of the commits after `from`, up to `to`. */
  between(from: number, to: number): readonly number[] {
    return this.#positions.slice(this.index(from), this.index(to));
  }

  /** The position nearest to `near` at which it was exactly so; 0 when it was so before the first commit. */
  find(moment: Moment, near: number): number | null {
    const start = this.index(near) - 1;
    for (let step = 0; step <= this.#positions.length; step += 1) {
      for (const index of [start - step, start + step]) {
        const found = this.#moments[index];
        if (found?.digest === moment.digest && found.rows === moment.rows)
          return this.#positions[index] ?? 0;
      }
    }
    return isSame(moment, EMPTY) ? 0 : null;
  }
}

export function isSame(a: Moment, b: Moment): boolean {
  return a.digest === b.digest && a.rows === b.rows;
}

type SetScope = { readonly sum: RowSum; readonly track: Track };

/** Of one row: by the product's digest, and by the bench's own, which is 0 where nobody holds the row. */
type Hashes = { readonly product: bigint; readonly own: bigint };

export class History {
  readonly #sets = new Map<string, SetScope>();
  /** Selector -> the sets that hold it. */
  readonly #setsOf = new Map<string, SetScope[]>();
  readonly #parts = new Map<string, SetScope>();
  /** A row leaves the sums as it came. */
  readonly #hashes = new WeakMap<ModelRow, Hashes>();
  readonly #balances = new Map<string, bigint>();
  readonly #balanceTracks = new Map<string, Track>();

  constructor(selectorSets: readonly (readonly string[])[]) {
    for (const selectors of selectorSets) {
      const key = setKey(selectors);
      if (this.#sets.has(key)) continue;
      const scope = { sum: new RowSum(), track: new Track() };
      this.#sets.set(key, scope);
      for (const selector of new Set([...selectors, EVERYONE])) {
        this.#setsOf.set(selector, [...(this.#setsOf.get(selector) ?? []), scope]);
      }
    }
  }

  /** Of the rows of these selectors together. */
  ofSet(selectors: readonly string[]): Track {
    return this.#sets.get(setKey(selectors))?.track ?? new Track();
  }

  /** Of one table's rows of one selector, as the product digests them. */
  ofPart(table: string, selector: string): Track {
    return this.#parts.get(partKey(table, selector))?.track ?? new Track();
  }

  /** The sum of balances of a selector at a position. */
  balance(selector: string, position: number): string {
    return (
      this.#balanceTracks
        .get(selector)
        ?.at(position)
        .digest.replace(/^0{32}$/, '0') ?? '0'
    );
  }

  note(transitions: readonly Transition[], position: number): void {
    const sets = new Set<SetScope>();
    const parts = new Set<SetScope>();
    const balances = new Set<string>();
    for (const { table, before, after } of transitions) {
      if (before !== null) this.#count(table, before, { sign: -1, sets, parts, balances });
      if (after !== null) this.#count(table, after, { sign: 1, sets, parts, balances });
    }
    for (const { sum, track } of [...sets, ...parts]) {
      track.push(position, { digest: sum.digest, rows: sum.rows });
    }
    for (const selector of balances) this.#noteBalance(selector, position);
  }

  #count(
    table: EvidenceTable,
    of: ModelRow,
    touched: {
      readonly sign: 1 | -1;
      readonly sets: Set<SetScope>;
      readonly parts: Set<SetScope>;
      readonly balances: Set<string>;
    },
  ): void {
    const { row, selector } = of;
    const { sign, sets, parts, balances } = touched;
    const hashes = this.#hashesOf(table, of);
    const part = this.#part(table.name, selector);
    parts.add(part);
    count(part.sum, hashes.product, sign);
    for (const scope of this.#setsOf.get(selector) ?? []) {
      sets.add(scope);
      count(scope.sum, hashes.own, sign);
    }
    if (table.balance === null) return;
    const value = BigInt(row[table.balance] ?? '0') * BigInt(sign);
    this.#balances.set(selector, (this.#balances.get(selector) ?? 0n) + value);
    balances.add(selector);
  }

  #hashesOf(table: EvidenceTable, of: ModelRow): Hashes {
    const known = this.#hashes.get(of);
    if (known !== undefined) return known;
    const { row, selector } = of;
    const own = this.#setsOf.has(selector) ? hashOf(table.name, row) : 0n;
    const hashes = { product: productHashOf(table, row), own };
    this.#hashes.set(of, hashes);
    return hashes;
  }

  #part(table: string, selector: string): SetScope {
    const key = partKey(table, selector);
    const known = this.#parts.get(key);
    if (known !== undefined) return known;
    const made = { sum: new RowSum(), track: new Track() };
    this.#parts.set(key, made);
    return made;
  }

  /** A sum that stays the same costs nothing. */
  #noteBalance(selector: string, position: number): void {
    const track = this.#balanceTracks.get(selector) ?? new Track();
    this.#balanceTracks.set(selector, track);
    const digest = String(this.#balances.get(selector) ?? 0n);
    if (track.at(position).digest !== digest) track.push(position, { digest, rows: 0 });
  }
}

function count(sum: RowSum, hash: bigint, sign: 1 | -1): void {
  if (sign === 1) sum.add(hash);
  else sum.remove(hash);
}

function setKey(selectors: readonly string[]): string {
  return JSON.stringify([...new Set(selectors)].sort());
}

function partKey(table: string, selector: string): string {
  return `${table}\u0000${selector}`;
}
