/**
 * Whether a text matches, by an automaton of which only the states that were met are known: a step is one look into a
 * table. A state is all ways that are open at one place, so no text takes more than its length times the program.
 *
 * What is known is limited, and forgotten when it is full; then a step costs what it costs to find it again.
 */
import type { Program } from './program.ts';
import { holds, isWord } from './tree.ts';

/** Transitions that are remembered of one program. */
const CELLS_MAX = 16_384;
/** Codes whose class is in a table; those of others are in a map of so many. */
const TABLE_CODES = 256;
const OTHER_CODES_MAX = 4096;
/** Steps with characters of further classes are not remembered. */
const REMEMBERED_CLASSES_MAX = 256;
/** Before a text more classes than these are forgotten. */
const CLASSES_MAX = 1024;
const CLOSURES_MAX = 2 ** 32 - 1;

const UNKNOWN = -1;
const MATCHED = -2;
const DEAD = -3;

/** The class of what is behind the text. */
const END = 0;

/** What stood before this place. */
type Before = 'start' | 'word' | 'other';

/** States of the program whose ways are open, before what is passed at once. */
type Place = { readonly kernel: readonly number[]; readonly before: Before };

/** Characters that no set of the program tells apart. */
type Class = { readonly sets: readonly boolean[]; readonly isWord: boolean };

export class Matcher {
  /** How often a way was followed, for tests: the work beside one look per character. */
  ways = 0;
  readonly #program: Program;
  readonly #isAnchored: boolean;
  /** Whether anything depends on where words begin and end. */
  readonly #hasWords: boolean;
  readonly #table = new Int32Array(TABLE_CODES).fill(UNKNOWN);
  readonly #others = new Map<number, number>();
  readonly #classes: Class[] = [{ sets: [], isWord: false }];
  readonly #classNumbers = new Map<string, number>();
  readonly #places: Place[] = [];
  readonly #placeNumbers = new Map<string, number>();
  /** Of each state of the program: the last closure that met it. */
  readonly #met: Uint32Array;
  #closure = 0;
  /** Room of a place in the transitions: for so many classes. */
  #width = 8;
  #cells = new Int32Array(0);

  constructor(program: Program) {
    this.#program = program;
    this.#met = new Uint32Array(program.states.length);
    this.#hasWords = program.states.some(
      ({ kind }) => kind === 'boundary' || kind === 'noBoundary',
    );
    this.#isAnchored = this.#beginsAtStart();
    this.#forget();
  }

  /** Characters are UTF-16 units; or codes of Unicode, when they are read so. */
  test(text: string, readsCodes: boolean): boolean {
    const { length } = text;
    if (this.#classes.length > CLASSES_MAX) this.#forgetClasses();
    const table = this.#table;
    let [place, width, cells] = [0, this.#width, this.#cells];
    for (let at = 0; at < length; at += 1) {
      let code = text.charCodeAt(at);
      if (readsCodes && code >= 0xd800 && code < 0xdc00) {
        code = text.codePointAt(at) ?? code;
        if (code > 0xffff) at += 1;
      }
      let kind = code < TABLE_CODES ? (table[code] ?? UNKNOWN) : UNKNOWN;
      if (kind < 0) kind = this.#classOf(code);
      let next = kind < width ? (cells[place * width + kind] ?? UNKNOWN) : UNKNOWN;
      if (next < 0) {
        if (next === UNKNOWN) next = this.#step(place, kind);
        if (next === MATCHED) return true;
        if (next === DEAD) return false;
        [width, cells] = [this.#width, this.#cells];
      }
      place = next;
    }
    return this.#step(place, END) === MATCHED;
  }

  /** A match may begin anywhere, unless every way begins at the start. */
  #beginsAtStart(): boolean {
    const { states, first } = this.#program;
    const open = [first];
    this.#begin();
    for (let number = open.pop(); number !== undefined; number = open.pop()) {
      if (this.#isMet(number)) continue;
      const state = states[number];
      if (state === undefined || state.kind === 'start' || state.kind === 'fail') continue;
      if (state.kind === 'set' || state.kind === 'match') return false;
      if (state.kind === 'split') open.push(...state.next);
      else open.push(state.next);
    }
    return true;
  }

  /** Remembers where a character of the class leads from a place. */
  #step(from: number, kind: number): number {
    const place = this.#places[from];
    const one = this.#classes[kind];
    if (place === undefined || one === undefined) return DEAD;
    const kernel = this.#follow(place, kind === END ? null : one);
    if (kernel === null) return this.#note(from, kind, MATCHED);
    if (kernel.length === 0 || kind === END) return this.#note(from, kind, DEAD);
    const key = `${one.isWord ? 'w' : 'o'}${kernel.join()}`;
    const known = this.#placeNumbers.get(key);
    if (known !== undefined) return this.#note(from, kind, known);
    const isFull = (this.#places.length + 1) * this.#width > CELLS_MAX;
    if (isFull) this.#forget();
    const number = this.#addPlace({ kernel, before: one.isWord ? 'word' : 'other' }, key);
    return isFull ? number : this.#note(from, kind, number);
  }

  #note(from: number, kind: number, next: number): number {
    if (kind >= REMEMBERED_CLASSES_MAX) return next;
    while (kind >= this.#width) this.#widen();
    this.#cells[from * this.#width + kind] = next;
    return next;
  }

  #addPlace(place: Place, key: string): number {
    const number = this.#places.push(place) - 1;
    this.#placeNumbers.set(key, number);
    const needed = this.#places.length * this.#width;
    if (needed > this.#cells.length) {
      const cells = new Int32Array(Math.max(needed, 2 * this.#cells.length)).fill(UNKNOWN);
      cells.set(this.#cells);
      this.#cells = cells;
    }
    return number;
  }

  /** All places but the first one. */
  #forget(): void {
    this.#places.length = 0;
    this.#placeNumbers.clear();
    this.#cells = new Int32Array(0);
    this.#addPlace({ kernel: [this.#program.first], before: 'start' }, 'start');
  }

  #forgetClasses(): void {
    this.#table.fill(UNKNOWN);
    this.#others.clear();
    this.#classNumbers.clear();
    this.#classes.length = 1;
    this.#forget();
  }

  #widen(): void {
    const [old, width] = [this.#cells, this.#width];
    this.#width = 2 * width;
    this.#cells = new Int32Array(2 * old.length).fill(UNKNOWN);
    for (const number of this.#places.keys()) {
      this.#cells.set(old.subarray(number * width, (number + 1) * width), number * this.#width);
    }
  }

  #classOf(code: number): number {
    const known = this.#others.get(code);
    if (known !== undefined) return known;
    const isInWord = this.#hasWords && isWord(code);
    const sets = this.#program.sets.map((set) => holds(set, code));
    const key = `${isInWord}${sets.map(Number).join('')}`;
    const number =
      this.#classNumbers.get(key) ?? this.#classes.push({ sets, isWord: isInWord }) - 1;
    this.#classNumbers.set(key, number);
    if (code < TABLE_CODES) this.#table[code] = number;
    else {
      if (this.#others.size >= OTHER_CODES_MAX) this.#others.clear();
      this.#others.set(code, number);
    }
    return number;
  }

  /** Where all ways lead with a character, or at the end; null when one of them is at its end before it. */
  #follow({ kernel, before }: Place, character: Class | null): readonly number[] | null {
    const { states, first } = this.#program;
    const open = [...kernel];
    const reached = new Set<number>();
    this.#begin();
    for (let number = open.pop(); number !== undefined; number = open.pop()) {
      if (this.#isMet(number)) continue;
      const state = states[number];
      if (state === undefined || state.kind === 'fail') continue;
      if (state.kind === 'match') return null;
      if (state.kind === 'set') {
        if (character?.sets[state.set] === true) reached.add(state.next);
      } else if (state.kind === 'split') open.push(...state.next);
      else if (passes(state.kind, before, character)) open.push(state.next);
    }
    if (!this.#isAnchored && character !== null) reached.add(first);
    return [...reached].toSorted((a, b) => a - b);
  }

  #begin(): void {
    if (this.#closure === CLOSURES_MAX) {
      this.#met.fill(0);
      this.#closure = 0;
    }
    this.#closure += 1;
  }

  #isMet(number: number): boolean {
    this.ways += 1;
    if (this.#met[number] === this.#closure) return true;
    this.#met[number] = this.#closure;
    return false;
  }
}

function passes(kind: string, before: Before, after: Class | null): boolean {
  switch (kind) {
    case 'start':
      return before === 'start';
    case 'end':
      return after === null;
    case 'boundary':
      return (before === 'word') !== (after?.isWord === true);
    case 'noBoundary':
      return (before === 'word') === (after?.isWord === true);
    default:
      return true;
  }
}
