/**
 * The language in which tests and items are selected: `TEST` or `TEST/ITEM`, several with commas, any of which
 * may match. `%` or `*` is any run of characters, a leading `~` negates; with `%` letter case does not matter. The rest
 * is a regular expression for the whole name. `t1` is the test with all its items, `t1/` the test itself.
 */
import { TidelockError } from '../core/errors.ts';
import { regexOf } from '../regex/regex.ts';
import type { MapItem } from './item-map.ts';
import { PATTERN_CHARS_MAX } from './limits.ts';

/** Of one selection. */
const PATTERNS_MAX = 1000;

type Pattern = {
  readonly text: string;
  readonly isNegated: boolean;
  readonly test: NamePattern;
  /** Null: the test and all its items. */
  readonly item: { readonly text: string; readonly regex: NamePattern } | null;
};

export type Patterns = readonly Pattern[];

/** Of a whole name. */
export type NamePattern = { readonly test: (name: string) => boolean };

/** Throws BAD_REQUEST. An empty text matches nothing. */
export function compilePatterns(text: string): Patterns {
  return compilePatternsBy(text, regexOfName);
}

/** With a way of one's own to understand a part; it throws what `compilePatterns` does. */
export function compilePatternsBy(text: string, nameOf: (part: string) => NamePattern): Patterns {
  const texts = text.split(',').map((part) => part.trim());
  const chosen = texts.filter((part) => part !== '');
  if (chosen.length > PATTERNS_MAX || text.length > PATTERNS_MAX * PATTERN_CHARS_MAX) {
    throw badPattern(text.slice(0, 100), `there are more than ${PATTERNS_MAX} patterns`);
  }
  return chosen.map((part) => compiled(part, nameOf));
}

function compiled(text: string, nameOf: (part: string) => NamePattern): Pattern {
  const isNegated = text.startsWith('~');
  const whole = isNegated ? text.slice(1) : text;
  const at = whole.indexOf('/');
  if (at < 0) return { text, isNegated, test: nameOf(whole), item: null };
  const item = whole.slice(at + 1);
  const test = nameOf(whole.slice(0, at));
  return { text, isNegated, test, item: { text: item, regex: nameOf(item) } };
}

function regexOfName(text: string): NamePattern {
  if (text.length > PATTERN_CHARS_MAX) throw badPattern(text.slice(0, 100), 'it is too long');
  const source = `^(?:${text.replace(/[%*]+/g, '.*')})$`;
  const regex = parsed(text, source);
  if ('refusal' in regex) throw badPattern(text, `it could take very long: ${regex.refusal}`);
  return { test: (name) => regex.exec(name) !== null };
}

function parsed(text: string, source: string): ReturnType<typeof regexOf> {
  try {
    return regexOf(source, {
      ...{ ignoresCase: text.includes('%'), isDotAll: true, triesOthers: false },
    });
  } catch (error) {
    throw badPattern(text, error instanceof Error ? error.message : String(error));
  }
}

function badPattern(text: string, reason: string): TidelockError {
  return new TidelockError({
    code: 'BAD_REQUEST',
    message: `the pattern ${text} cannot be used: ${reason}`,
    hint: 'write TEST or TEST/ITEM, with % for any run of characters',
  });
}

/** `itemPath` is '' of a test without items, and of a toplevel. */
export function matches(patterns: Patterns, test: string, itemPath: string): boolean {
  return patternOf(patterns, test, itemPath) !== null;
}

/** The first pattern that matches, as it was written. */
export function patternOf(patterns: Patterns, test: string, itemPath: string): string | null {
  const found = patterns.find(
    (pattern) => (isOf(pattern, test) && isItemOf(pattern, itemPath)) !== pattern.isNegated,
  );
  return found?.text ?? null;
}

/** The first pattern that may match something of this test, items that are not known yet included. */
export function patternOfTest(patterns: Patterns, test: string): string | null {
  const found = patterns.find((pattern) =>
    pattern.isNegated ? !isOf(pattern, test) || pattern.item !== null : isOf(pattern, test),
  );
  return found?.text ?? null;
}

function isOf({ test }: Pattern, name: string): boolean {
  return test.test(name);
}

function isItemOf({ item }: Pattern, path: string): boolean {
  return item === null || item.regex.test(path);
}

/**
 * What a selection asks of a prerequisite whose items correspond to those of `test`: `test2/%/ptran` asks for
 * `test1/%/ptran`. The whole of it, `b/%`, where no pattern names an item of the dependent.
 */
export function extendPatterns(
  patterns: Patterns,
  test: string,
  prerequisite: string,
  map: MapItem,
): readonly string[] {
  const naming = patterns.filter((pattern) => !pattern.isNegated && isOf(pattern, test));
  const texts = naming.map(({ item }) =>
    item === null || item.text === '' ? '%' : map(item.text) || '%',
  );
  const items = texts.length === 0 ? ['%'] : [...new Set(texts)];
  return items.map((item) => `${prerequisite}/${item}`);
}
