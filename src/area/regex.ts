/** Regular expressions as configurations write them, in JavaScript's. */
import { unfit } from './errors.ts';
import { PATTERN_CHARS_MAX } from './limits.ts';
import type { Origin } from './types.ts';

const CLASSES: Readonly<Record<string, string>> = {
  ...{ alpha: 'A-Za-z', digit: '0-9', alnum: 'A-Za-z0-9', upper: 'A-Z', lower: 'a-z' },
  ...{ space: '\\s', blank: ' \\t', xdigit: '0-9A-Fa-f', word: '\\w', cntrl: '\\x00-\\x1f' },
  ...{ punct: '!-\\/:-@\\[-`{-~', print: '\\x20-\\x7e', graph: '\\x21-\\x7e' },
};

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

const REPEATS = /^(?:[*+]|\{\d+,\})/;

/**
 * True of a group that repeats what repeats, `(a+)+`: on some lines it takes time that doubles with every
 * character. Seen by its form, so some that are harmless are named too.
 */
export function mayBeSlow(source: string): boolean {
  /** For every open group: whether something in it repeats. */
  const groups: boolean[] = [];
  let isClass = false;
  for (let at = 0; at < source.length; at += 1) {
    const sign = source.charAt(at);
    if (sign === '\\') at += 1;
    else if (isClass) isClass = sign !== ']';
    else if (sign === '[') isClass = true;
    else if (sign === '(') groups.push(false);
    else if (sign === ')') {
      const hasRepetition = groups.pop() === true;
      const isRepeated = REPEATS.test(source.slice(at + 1, at + 20));
      if (hasRepetition && isRepeated) return true;
      if (hasRepetition && groups.length > 0) groups[groups.length - 1] = true;
    } else if (REPEATS.test(source.slice(at, at + 20)) && groups.length > 0) {
      groups[groups.length - 1] = true;
    }
  }
  return false;
}
