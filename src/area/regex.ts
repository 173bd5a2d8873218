/**
 * Regular expressions as configurations write them. They are compiled into what takes time in proportion to the text; what
 * can not be, references to groups and looks ahead and behind, only rules for logs of imported areas may have.
 */
import type { Match } from '../regex/linear.ts';
import { type Regex, type RegexOptions, regexOf } from '../regex/regex.ts';
import { unfit } from './errors.ts';
import { PATTERN_CHARS_MAX } from './limits.ts';
import type { Origin } from './types.ts';

const CLASSES: Readonly<Record<string, string>> = {
  ...{ alpha: 'A-Za-z', digit: '0-9', alnum: 'A-Za-z0-9', upper: 'A-Z', lower: 'a-z' },
  ...{ space: '\\s', blank: ' \\t', xdigit: '0-9A-Fa-f', word: '\\w', cntrl: '\\x00-\\x1f' },
  ...{ punct: '!-\\/:-@\\[-`{-~', print: '\\x20-\\x7e', graph: '\\x21-\\x7e' },
};

/** Of an area that is imported: it is read as it is, where that has a bound. */
export type IsImported = { readonly isCompatible: boolean };

/** In areas of ours, and everywhere for what opens and closes sections: one line decides for many. */
export const ALWAYS_SURE: IsImported = { isCompatible: false };

type Written = { readonly source: string; readonly flags: string };

/** Always answers. */
export type SureRegex = {
  readonly test: (text: string) => boolean;
  readonly exec: (text: string) => Match | null;
};

/** POSIX classes and a leading `(?i)` are understood. Throws AREA_UNFIT. */
export function compileRegex(written: Written, origin: Origin): SureRegex {
  const { exec } = compileLogRegex(written, origin, ALWAYS_SURE);
  const sure = (text: string): Match | null => {
    const answer = exec(text);
    return answer === 'undecided' ? null : answer;
  };
  return { exec: sure, test: (text) => sure(text) !== null };
}

/** In imported areas one may also be bound by steps. Throws AREA_UNFIT. */
export function compileLogRegex(
  { source, flags }: Written,
  origin: Origin,
  { isCompatible }: IsImported,
): Regex {
  if (source.length > PATTERN_CHARS_MAX) {
    throw unfit(`a regular expression has more than ${PATTERN_CHARS_MAX} characters`, origin);
  }
  const isInsensitive = source.startsWith('(?i)');
  const text = (isInsensitive ? source.slice('(?i)'.length) : source).replace(
    /\[:(\w+):\]/g,
    (whole, name: string) => CLASSES[name] ?? whole,
  );
  const ignoresCase = isInsensitive || flags.includes('i');
  const regex = parsed(text, origin, { ignoresCase, isDotAll: false, triesOthers: isCompatible });
  if ('exec' in regex) return regex;
  const message = `this regular expression could take very long: ${source} (${regex.refusal})`;
  throw unfit(message, origin, 'write it without; docs/areas.md says what is understood');
}

function parsed(text: string, origin: Origin, options: RegexOptions): ReturnType<typeof regexOf> {
  try {
    return regexOf(text, options);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw unfit(`this is no regular expression: ${text} (${reason})`, origin);
  }
}
