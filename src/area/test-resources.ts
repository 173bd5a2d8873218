/** `resources NAME=COUNT ...` of a test: what it takes while it runs. */
import { entryOf, wordsOf } from './entries.ts';
import { unfit } from './errors.ts';
import type { Config } from './types.ts';

/** Throws AREA_UNFIT for what the area does not have, or not so much of: the test could never start. */
export function readResources(
  config: Config,
  available: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  const entry = entryOf(config, 'requirements', 'resources');
  if (entry === null) return new Map();
  const taken = wordsOf(entry.value).map((word) => {
    const [, name = '', count = '1'] = /^([^=]+)(?:=(\d{1,9}))?$/.exec(word) ?? [];
    if (name === '' || Number(count) < 1) {
      throw unfit(`${word} is no resource`, entry.origin, 'write NAME or NAME=COUNT');
    }
    const most = available.get(name) ?? 0;
    if (Number(count) > most) {
      throw unfit(
        `the test takes ${count} of ${name}, the area has ${most}`,
        entry.origin,
        `declare it in the area: [resources], then ${name} ${count}`,
      );
    }
    return [name, Number(count)] as const;
  });
  return new Map(taken);
}
