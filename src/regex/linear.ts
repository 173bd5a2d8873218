/** A regular expression that takes time in proportion to the text, whatever both are. */
import { Search } from './captures.ts';
import { Matcher } from './matcher.ts';
import { type Program, programOf } from './program.ts';
import type { RegexNode } from './tree.ts';

const UNITS = false;

/** A text that matched, as JavaScript gives it: the match, then what each group matched. */
export type Match = readonly (string | undefined)[] & { readonly index: number };

export class LinearRegex {
  readonly #matcher: Matcher;
  readonly #capturing: Program;
  readonly #groups: number;
  #searched = 0;

  private constructor(matcher: Matcher, capturing: Program, groups: number) {
    this.#matcher = matcher;
    this.#capturing = capturing;
    this.#groups = groups;
  }

  /** Null when its automaton would have more states. There are no references and looks in it. */
  static of(node: RegexNode, groups: number, statesMax: number): LinearRegex | null {
    const telling = programOf(node, { statesMax, keepsCaptures: false });
    const capturing = programOf(node, { statesMax, keepsCaptures: true });
    if (telling === null || capturing === null) return null;
    return new LinearRegex(new Matcher(telling), capturing, groups);
  }

  /** Ways that were followed, beside one look into a table for each character; for tests. */
  get ways(): number {
    return this.#matcher.ways + this.#searched;
  }

  test(text: string): boolean {
    return this.#matcher.test(text, UNITS);
  }

  exec(text: string): Match | null {
    if (!this.#matcher.test(text, UNITS)) return null;
    const search = new Search(this.#capturing, text, this.#groups);
    const places = search.run();
    this.#searched += search.ways;
    return places === null ? null : matchOf(text, places);
  }
}

export function matchOf(text: string, places: readonly number[]): Match {
  const texts = Array.from({ length: places.length / 2 }, (_, group) => {
    const [from = -1, to = -1] = [places[2 * group], places[2 * group + 1]];
    return from < 0 || to < 0 ? undefined : text.slice(from, to);
  });
  return Object.assign(texts, { index: places[0] ?? 0 });
}
