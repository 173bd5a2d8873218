/** A small ordered list of (key, id) pairs: cheap to look at from the front, binary search to change. */

export type SortedEntry = { readonly key: number; readonly id: number };

/** Adds a pair. Pairs are distinct. */
export function insertSorted(entries: SortedEntry[], entry: SortedEntry): void {
  entries.splice(positionOf(entries, entry), 0, entry);
}

/** Removes a pair; nothing happens when it is not there. */
export function removeSorted(entries: SortedEntry[], entry: SortedEntry): void {
  const at = positionOf(entries, entry);
  const found = entries[at];
  if (found?.key === entry.key && found.id === entry.id) entries.splice(at, 1);
}

/** Removes and returns the pairs whose key is at most `key`, in order. */
export function takeUpTo(entries: SortedEntry[], key: number): readonly SortedEntry[] {
  const first = entries[0];
  if (first === undefined || first.key > key) return [];
  return entries.splice(0, positionOf(entries, { key, id: Number.POSITIVE_INFINITY }));
}

/** The lowest key, or infinity. */
export function lowestKey(entries: readonly SortedEntry[]): number {
  return entries[0]?.key ?? Number.POSITIVE_INFINITY;
}

function positionOf(entries: readonly SortedEntry[], entry: SortedEntry): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = entries[middle];
    if (other === undefined || isBefore(entry, other) || isSame(entry, other)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function isBefore(a: SortedEntry, b: SortedEntry): boolean {
  return a.key < b.key || (a.key === b.key && a.id < b.id);
}

function isSame(a: SortedEntry, b: SortedEntry): boolean {
  return a.key === b.key && a.id === b.id;
}
