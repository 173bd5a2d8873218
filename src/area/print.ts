/** A configuration as text again: what is printed reads as the same sections. */
import { placeOf } from './errors.ts';
import type { Config, Entry } from './types.ts';

const INDENT = '  ';

/** `place`: how an entry's origin is shown behind its first line; the text does not read back then. */
export function printConfig(
  config: Pick<Config, 'sections'>,
  place?: (entry: Entry) => string,
): string {
  const sections = [...config.sections.values()].map(({ name, entries }) =>
    [`[${name}]`, ...entries.map((entry) => printEntry(entry, place?.(entry)))].join('\n'),
  );
  return sections.length === 0 ? '' : `${sections.join('\n\n')}\n`;
}

export function printEntry({ key, value }: Entry, place?: string): string {
  const [first = '', ...more] = value.split('\n');
  const head = first === '' ? key : `${key} ${first}`;
  const lines = [place === undefined ? head : `${head}    <- ${place}`];
  return [...lines, ...more.map((line) => INDENT + line)].join('\n');
}

/** `file:line`, with the file as `show` has it. */
export function originPlace(entry: Entry, show: (path: string) => string): string {
  return placeOf({ file: show(entry.origin.file), line: entry.origin.line });
}
