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
    lines.reduce(
      (text, { regex, replacement }) =>
        text.replace(regex, (...match: unknown[]) => replaced(replacement, match)),
      path,
    );
}

function replaced(replacement: string, match: readonly unknown[]): string {
  return replacement.replace(/\\(\d)/g, (_, group: string) => {
    const value = match[Number(group)];
    return typeof value === 'string' && Number(group) < groupsOf(match) ? value : '';
  });
}

/** Before the offset stand the whole match and its groups. */
function groupsOf(match: readonly unknown[]): number {
  return match.findIndex((value) => typeof value === 'number');
}
