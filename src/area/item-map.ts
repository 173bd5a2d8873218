/** Item maps: the item of a prerequisite that an item of its dependent waits for. */
import { compileRegex } from './regex.ts';
import type { ItemMap, Origin } from './types.ts';

/** Gives the prerequisite's item path. */
export type MapItem = (path: string) => string;

/**
 * Its lines are applied in order, each to its first match; `\1` is what group 1 matched, `\0` the whole match.
 * Throws AREA_UNFIT.
 */
export function compileItemMap(map: ItemMap, origin: Origin): MapItem {
  const lines = map.map(({ pattern, replacement }) => ({
    regex: compileRegex({ source: pattern, flags: '' }, origin),
    replacement,
  }));
  return (path) =>
    lines.reduce((text, { regex, replacement }) => {
      const match = regex.exec(text);
      if (match === null) return text;
      const behind = match.index + (match[0] ?? '').length;
      return text.slice(0, match.index) + replaced(replacement, match) + text.slice(behind);
    }, path);
}

function replaced(replacement: string, match: readonly (string | undefined)[]): string {
  return replacement.replace(/\\(\d)/g, (_, group: string) => match[Number(group)] ?? '');
}
