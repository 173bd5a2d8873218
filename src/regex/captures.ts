/**
 * What a regular expression matches in a text and what its groups do: the leftmost match, by the first of its ways in
 * JavaScript's order. All ways are walked at once, the better ones first, so the time is at most text times program.
 */
import type { Program, State } from './program.ts';
import { holds, isWord } from './tree.ts';

/** Where the match and then the groups begin and end; -1 for a group that took no part. */
export type Places = readonly number[];

/** A way: where it stands and what it met so far. */
type Way = { readonly state: number; readonly places: Places };

/** The leftmost match of one program, which keeps captures, in one text. */
export class Search {
  /** Ways that were followed. */
  ways = 0;
  readonly #program: Program;
  readonly #text: string;
  readonly #groups: number;
  /** Of each state: the last place of the text at which a way came to it, and one. */
  readonly #met: Uint32Array;

  constructor(program: Program, text: string, groups: number) {
    this.#program = program;
    this.#text = text;
    this.#groups = groups;
    this.#met = new Uint32Array(program.states.length);
  }

  /** Null: no match. */
  run(): Places | null {
    const none: Places = new Array(2 * this.#groups + 2).fill(-1);
    let found: Places | null = null;
    let ways: Way[] = [];
    for (let at = 0; at <= this.#text.length; at += 1) {
      // A match that begins later is worse than any that is under way.
      if (found === null) {
        this.#follow({ state: this.#program.first, places: none.with(0, at) }, at, ways);
      }
      if (ways.length === 0 && found !== null) break;
      const next: Way[] = [];
      const code = this.#text.charCodeAt(at);
      for (const { state: number, places } of ways) {
        const state = this.#program.states[number];
        if (state?.kind === 'match') {
          found = places.with(1, at);
          break;
        }
        if (state?.kind === 'set' && at < this.#text.length && this.#holds(state.set, code)) {
          this.#follow({ state: state.next, places }, at + 1, next);
        }
      }
      ways = next;
    }
    return found;
  }

  /** Adds the way as far as it goes without a character, where no better one came to the same state. */
  #follow(from: Way, at: number, into: Way[]): void {
    const open = [from];
    for (let way = open.pop(); way !== undefined; way = open.pop()) {
      this.ways += 1;
      const { state: number, places } = way;
      const state = this.#program.states[number];
      if (state === undefined || this.#met[number] === at + 1) continue;
      this.#met[number] = at + 1;
      if (state.kind === 'match' || state.kind === 'set') into.push(way);
      else if (state.kind === 'split') {
        for (const next of state.next.toReversed()) open.push({ state: next, places });
      } else if (state.kind !== 'fail' && this.#passes(state, at)) {
        open.push({ state: state.next, places: placesAfter(state, places, at) });
      }
    }
  }

  #holds(set: number, code: number): boolean {
    const node = this.#program.sets[set];
    return node !== undefined && holds(node, code);
  }

  #passes({ kind }: State, at: number): boolean {
    const isBoundary = this.#isWordAt(at - 1) !== this.#isWordAt(at);
    switch (kind) {
      case 'start':
        return at === 0;
      case 'end':
        return at === this.#text.length;
      case 'boundary':
        return isBoundary;
      case 'noBoundary':
        return !isBoundary;
      default:
        return true;
    }
  }

  #isWordAt(at: number): boolean {
    return at >= 0 && at < this.#text.length && isWord(this.#text.charCodeAt(at));
  }
}

function placesAfter(state: State, places: Places, at: number): Places {
  if (state.kind === 'save') return places.with(state.slot, at);
  if (state.kind !== 'forget') return places;
  const forgotten = new Set(state.groups);
  return places.map((place, slot) => (forgotten.has(slot >> 1) ? -1 : place));
}
