/** Regular expressions as configurations write them, in JavaScript's. */
import { unfit } from './errors.ts';
import { PATTERN_CHARS_MAX } from './limits.ts';
import type { Origin } from './types.ts';

const CLASSES: Readonly<Record<string, string>> = {
  ...{ alpha: 'A-Za-z', digit: '0-9', alnum: 'A-Za-z0-9', upper: 'A-Z', lower: 'a-z' },
  ...{ space: '\\s', blank: ' \\t', xdigit: '0-9A-Fa-f', word: '\\w', cntrl: '\\x00-\\x1f' },
  ...{ punct: '!-\\/:-@\\[-`{-~', print: '\\x20-\\x7e', graph: '\\x21-\\x7e' },
};

/**
 * A group that repeats what repeats, `(a+)+`: on some lines it takes time that doubles with every character.
 * Seen by its form, so some that are harmless are named too.
 */
const NESTED_REPETITION =
  /\((?:[^()\\]|\\.)*(?:[^\\()][*+]|\{\d+,\})(?:[^()\\]|\\.)*\)(?:[*+]|\{\d+,\})/;

/** Compiles it. POSIX classes and a leading `(?i)` are understood. Throws AREA_UNFIT. */
export function compileRegex(
  { source, flags }: { readonly source: string; readonly flags: string },
  origin: Origin,
): RegExp {
  if (source.length > PATTERN_CHARS_MAX) {
    throw unfit(`a regular expression has more than ${PATTERN_CHARS_MAX} characters`, origin);
  }
  const isInsensitive = source.startsWith('(?i)');
  const text = (isInsensitive ? source.slice('(?i)'.length) : source).replace(
    /\[:(\w+):\]/g,
    (whole, name: string) => CLASSES[name] ?? whole,
  );
  try {
    return new RegExp(text, isInsensitive ? 'i' : flags.replace(/[^i]/g, ''));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw unfit(`this is no regular expression: ${source} (${reason})`, origin);
  }
}

export function mayBeSlow(source: string): boolean {
  return NESTED_REPETITION.test(source);
}
