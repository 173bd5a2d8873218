/**
 * Regular expressions of users, in JavaScript's syntax, that cannot hold anybody up. Three ways lead there: what takes few
 * steps from every character is given to JavaScript; everything else that an automaton can do is done by one, in time in
 * proportion to the text; what no automaton does is tried with a bound, for those who allow it.
 */
import { findByTrying } from './backtracking.ts';
import { isQuick, needleOf } from './bounds.ts';
import { LinearRegex, type Match, matchOf } from './linear.ts';
import { readScript, type ScriptFlags, type ScriptRegex } from './script-syntax.ts';

/** States of the automaton of one expression: what is repeated in braces counts as often. */
export const STATES_MAX = 5000;
/** Steps of an expression that no automaton does, for each character of a text, and some for every text. */
export const TRIED_STEPS_PER_CHARACTER = 200;
const TRIED_STEPS_LEAST = 1000;

/** `undecided`: the steps were not enough. */
export type RegexAnswer = Match | null | 'undecided';

export type Regex = {
  /** Whether it always answers, or only within its steps: its time is in proportion to the text in both. */
  readonly bound: 'linear' | 'steps';
  exec(text: string): RegexAnswer;
};

/** Why it cannot be used, in words. */
export type Refusal = { readonly refusal: string };

export type RegexOptions = ScriptFlags & {
  /** Whether references and looks are tried with a bound. */
  readonly triesOthers: boolean;
};

/** Throws SyntaxError for what is no expression of JavaScript. */
export function regexOf(source: string, options: RegexOptions): Regex | Refusal {
  const flags = `${options.ignoresCase ? 'i' : ''}${options.isDotAll ? 's' : ''}`;
  const native = new RegExp(source, flags);
  const read = readScript(source, options);
  if (read === null)
    return { refusal: 'it has (?m:, a name for several groups, or groups too deep in one another' };
  if (!read.hasOptions && isQuick(read.node))
    return { bound: 'linear', exec: (text) => native.exec(text) };
  if (read.needsTrying) {
    if (options.triesOthers) return { bound: 'steps', exec: (text) => tried(read, text) };
    return { refusal: 'it has references to groups, or looks ahead or behind' };
  }
  const linear = LinearRegex.of(read.node, read.groups, STATES_MAX);
  if (linear === null) return { refusal: `its repeats make it more than ${STATES_MAX} parts` };
  const needle = nativeNeedle(source, flags, read);
  if (needle === null) return { bound: 'linear', exec: (text) => linear.exec(text) };
  return { bound: 'linear', exec: (text) => (needle.test(text) ? linear.exec(text) : null) };
}

/** What every match has in it: most texts have it not, and JavaScript is fast at finding that out. */
function nativeNeedle(source: string, flags: string, read: ScriptRegex): RegExp | null {
  const parts = read.hasOptions ? null : read.parts;
  const needle = needleOf((parts ?? []).map(({ node }) => node));
  const [first, last] = [parts?.[needle?.from ?? -1], parts?.[(needle?.to ?? 0) - 1]];
  if (first === undefined || last === undefined) return null;
  return new RegExp(source.slice(first.from, last.to), flags);
}

function tried(read: ScriptRegex, text: string): RegexAnswer {
  const stepsMax = TRIED_STEPS_LEAST + TRIED_STEPS_PER_CHARACTER * text.length;
  const found = findByTrying(read, text, stepsMax);
  if (found.kind === 'match') return matchOf(text, found.places);
  return found.kind === 'none' ? null : 'undecided';
}
