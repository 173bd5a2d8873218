/**
 * What no automaton does, references to groups and looks ahead and behind, by trying one way after the other and going
 * back. That may take very long, so a text has a number of steps, and the answer may be that they were not enough.
 */
import { isSameLetter } from './script-sets.ts';
import { groupsOf, holds, isWord, type RegexNode, type SetNode } from './tree.ts';

/** Goes on from a place of the text; false: this way is none. */
type Way = (at: number) => boolean;

/** Matches from a place and goes on. */
type Part = (at: number, next: Way) => boolean;

/** Rounds of one repeat inside one another: each takes some of the stack. */
const ROUNDS_MAX = 1000;

export type Found =
  | { readonly kind: 'match'; readonly places: readonly number[] }
  | { readonly kind: 'none' | 'tooLong' };

/** One way may take so many steps on the whole text. */
export function findByTrying(
  { node, groups }: { readonly node: RegexNode; readonly groups: number },
  text: string,
  stepsMax: number,
): Found {
  const trial = new Trial(text, groups, stepsMax);
  try {
    const places = trial.run(node);
    return places === null ? { kind: 'none' } : { kind: 'match', places };
  } catch (error) {
    if (error === TOO_LONG) return { kind: 'tooLong' };
    throw error;
  }
}

const TOO_LONG = new Error('too many steps');

class Trial {
  readonly #text: string;
  readonly #places: number[];
  #steps: number;
  #rounds = 0;

  constructor(text: string, groups: number, stepsMax: number) {
    this.#text = text;
    this.#places = new Array(2 * groups + 2).fill(-1);
    this.#steps = stepsMax;
  }

  run(node: RegexNode): readonly number[] | null {
    const part = this.#part(node, false);
    let end = -1;
    for (let at = 0; at <= this.#text.length; at += 1) {
      this.#places.fill(-1);
      const isFound = part(at, (to) => {
        end = to;
        return true;
      });
      if (isFound) return [at, end, ...this.#places.slice(2)];
    }
    return null;
  }

  /** Behind a look behind everything is read from its end. */
  #part(node: RegexNode, isBackward: boolean): Part {
    switch (node.kind) {
      case 'empty':
        return (at, next) => next(at);
      case 'set':
        return (at, next) => {
          const to = this.#taken(node, at, isBackward);
          return to !== null && next(to);
        };
      case 'start':
      case 'end':
      case 'boundary':
      case 'noBoundary':
        return (at, next) => this.#passes(node.kind, at) && next(at);
      case 'sequence':
        return this.#sequence(node.parts, isBackward);
      case 'choice': {
        const parts = node.parts.map((one) => this.#part(one, isBackward));
        return (at, next) => parts.some((part) => part(at, next));
      }
      case 'group':
        return this.#group(node, isBackward);
      case 'repeat':
        return this.#repeat(node, isBackward);
      case 'reference':
        return this.#reference(node, isBackward);
      case 'look':
        return this.#look(node);
    }
  }

  #sequence(parts: readonly RegexNode[], isBackward: boolean): Part {
    const inOrder = isBackward ? parts.toReversed() : parts;
    return inOrder
      .map((one) => this.#part(one, isBackward))
      .reduceRight<Part>(
        (behind, part) => (at, next) => part(at, (to) => behind(to, next)),
        (at, next) => next(at),
      );
  }

  #group({ number, part }: RegexNode & { kind: 'group' }, isBackward: boolean): Part {
    const inner = this.#part(part, isBackward);
    const slot = 2 * number;
    return (at, next) =>
      inner(at, (to) => {
        const places = isBackward ? [to, at] : [at, to];
        return this.#with(slot, places, () => next(to));
      });
  }

  #repeat(node: RegexNode & { kind: 'repeat' }, isBackward: boolean): Part {
    if (node.part.kind === 'set') return this.#run(node, node.part, isBackward);
    const inner = this.#part(node.part, isBackward);
    const groups = groupsOf(node.part);
    const from = 2 * (groups[0] ?? 0);
    const none = groups.flatMap(() => [-1, -1]);
    // Groups are numbered as they open, so those of a round stand side by side.
    const rounds = (at: number, { due, left }: Due, next: Way): boolean => {
      if (left === 0) return next(at);
      const after = { due: Math.max(0, due - 1), left: left - 1 };
      const more = (): boolean => {
        this.#enter();
        const isFound = this.#with(from, none, () =>
          inner(at, (to) => (due > 0 || to !== at) && rounds(to, after, next)),
        );
        this.#rounds -= 1;
        return isFound;
      };
      if (due > 0) return more();
      return node.isLazy ? next(at) || more() : more() || next(at);
    };
    return (at, next) => rounds(at, { due: node.min, left: node.max }, next);
  }

  /** A set that repeats needs no stack. */
  #run(
    { min, max, isLazy }: RegexNode & { kind: 'repeat' },
    set: SetNode,
    isBackward: boolean,
  ): Part {
    const sign = isBackward ? -1 : 1;
    return (at, next) => {
      let count = 0;
      const takes = (): boolean => this.#taken(set, at + sign * count, isBackward) !== null;
      while (count < (isLazy ? min : max) && takes()) count += 1;
      while (isLazy && count >= min) {
        if (next(at + sign * count)) return true;
        if (count >= max || !takes()) return false;
        count += 1;
      }
      for (; count >= min; count -= 1) if (next(at + sign * count)) return true;
      return false;
    };
  }

  #reference({ group, ignoresCase }: RegexNode & { kind: 'reference' }, isBackward: boolean): Part {
    return (at, next) => {
      const [from = -1, to = -1] = this.#places.slice(2 * group, 2 * group + 2);
      if (from < 0 || to < 0) return next(at);
      const length = to - from;
      const start = isBackward ? at - length : at;
      for (let index = 0; index < length; index += 1) {
        this.#step();
        const [one, other] = [this.#codeAt(from + index), this.#codeAt(start + index)];
        if (one !== other && !(ignoresCase && isSameLetter(one, other))) return false;
      }
      return next(isBackward ? start : start + length);
    };
  }

  #look({ isBehind, isNegated, part }: RegexNode & { kind: 'look' }): Part {
    const inner = this.#part(part, isBehind);
    return (at, next) => {
      const before = [...this.#places];
      const isThere = inner(at, () => true);
      if (isThere === isNegated) {
        this.#restore(before);
        return false;
      }
      if (isNegated) this.#restore(before);
      if (next(at)) return true;
      this.#restore(before);
      return false;
    };
  }

  #restore(places: readonly number[]): void {
    for (const [slot, place] of places.entries()) this.#places[slot] = place;
  }

  /** Notes the places from a slot on, and takes that back when nothing comes of it. */
  #with(slot: number, places: readonly number[], go: () => boolean): boolean {
    const before = this.#places.slice(slot, slot + places.length);
    for (const [index, place] of places.entries()) this.#places[slot + index] = place;
    if (go()) return true;
    for (const [index, place] of before.entries()) this.#places[slot + index] = place;
    return false;
  }

  #taken(set: SetNode, at: number, isBackward: boolean): number | null {
    this.#step();
    const place = isBackward ? at - 1 : at;
    if (place < 0 || place >= this.#text.length) return null;
    if (!holds(set, this.#text.charCodeAt(place))) return null;
    return isBackward ? place : place + 1;
  }

  #passes(kind: RegexNode['kind'], at: number): boolean {
    if (kind === 'start') return at === 0;
    if (kind === 'end') return at === this.#text.length;
    const isBoundary = isWord(this.#codeAt(at - 1)) !== isWord(this.#codeAt(at));
    return isBoundary === (kind === 'boundary');
  }

  /** -1 outside of the text. */
  #codeAt(at: number): number {
    return at >= 0 && at < this.#text.length ? this.#text.charCodeAt(at) : -1;
  }

  #step(): void {
    this.#steps -= 1;
    if (this.#steps < 0) throw TOO_LONG;
  }

  #enter(): void {
    this.#step();
    this.#rounds += 1;
    if (this.#rounds > ROUNDS_MAX) throw TOO_LONG;
  }
}

/** `left` rounds may come, of which `due` must. */
type Due = { readonly due: number; readonly left: number };
