/** Items of a test: the product of `[items]`, then the columns of `[itemstable]`. */
import { entriesOf, wordsOf } from './entries.ts';
import { unfit } from './errors.ts';
import { ITEM_PATH_CHARS_MAX, ITEMS_MAX } from './limits.ts';
import type { Config, Entry, Finding, Item, Items } from './types.ts';

export const ITEM_SECTIONS = ['items', 'itemstable'] as const;
/** Fills a column of a table that is shorter than the others. */
const PAD = '-';

export type ItemsReading = { readonly items: Items; readonly findings: readonly Finding[] };

/** Throws AREA_UNFIT. `isLate`: a command has to be run for them, and has not been. */
export function readItems(config: Config, isLate: boolean): ItemsReading {
  const [list, table] = [entriesOf(config, 'items'), entriesOf(config, 'itemstable')];
  if (isLate) return { items: { kind: 'late' }, findings: [] };
  const origin = list[0]?.origin ?? table[0]?.origin;
  if (origin === undefined) return { items: { kind: 'none' }, findings: [] };
  const empty = emptyKey(list, table);
  if (empty !== null) {
    const message = `${empty.key} has no value, so there are no items`;
    return {
      items: { kind: 'zero', emptyKey: empty.key },
      findings: [{ message, origin: empty.origin }],
    };
  }
  const all = [...productOf(list), ...columnsOf(table)].map((variables) => itemOf(variables));
  for (const item of all) checkPath(item, origin);
  const items = [...new Map(all.map((item) => [item.path, item])).values()];
  const isTwice = items.length < all.length;
  const message = `${all.length - items.length} items are there twice; each runs once`;
  return { items: { kind: 'known', items }, findings: isTwice ? [{ message, origin }] : [] };
}

/** Any key of the list; of a table, one when no column has a value. */
function emptyKey(list: readonly Entry[], table: readonly Entry[]): Entry | null {
  const isEmpty = ({ value }: Entry): boolean => wordsOf(value).length === 0;
  return list.find(isEmpty) ?? (table.every(isEmpty) ? (table[0] ?? null) : null);
}

type Variables = Item['variables'];

/** The first key is the outermost. */
function productOf(entries: readonly Entry[]): readonly Variables[] {
  if (entries.length === 0) return [];
  const count = entries.reduce((product, { value }) => product * wordsOf(value).length, 1);
  checkCount(count, entries);
  return entries.reduce<readonly Variables[]>(
    (heads, { key, value }) =>
      heads.flatMap((head) => wordsOf(value).map((word) => [...head, [key, word] as const])),
    [[]],
  );
}

function columnsOf(entries: readonly Entry[]): readonly Variables[] {
  const rows = entries.map(({ key, value }) => ({ key, words: wordsOf(value) }));
  const count = rows.reduce((longest, { words }) => Math.max(longest, words.length), 0);
  checkCount(count, entries);
  return Array.from({ length: count }, (_, at) =>
    rows.map(({ key, words }) => [key, words[at] ?? PAD] as const),
  );
}

function checkCount(count: number, [first]: readonly Entry[]): void {
  if (count <= ITEMS_MAX || first === undefined) return;
  throw unfit(`${count} items; ${ITEMS_MAX} at most`, first.origin);
}

function itemOf(variables: Variables): Item {
  return { path: variables.map(([, value]) => value).join('/'), variables };
}

/** A path becomes a folder below that of the test. */
function checkPath({ path }: Item, origin: Entry['origin']): void {
  const parts = path.split('/');
  const isInside = parts.every((part) => part !== '' && part !== '.' && part !== '..');
  if (path.length > ITEM_PATH_CHARS_MAX) {
    throw unfit(`an item has more than ${ITEM_PATH_CHARS_MAX} characters`, origin);
  }
  if (!isInside || /\p{Cc}/u.test(path)) {
    throw unfit(`${JSON.stringify(path)} cannot be an item: it names a folder`, origin);
  }
}
