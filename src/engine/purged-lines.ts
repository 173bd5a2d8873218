/** How many lines the transaction has with which a purge ends; asked just before the purge. */
import { hasCode } from '../core/errors.ts';
import { linesOfLast } from '../log/change-lines.ts';
import { placeOf } from '../log/heads.ts';
import type { LogStore } from '../log/port.ts';

/** Undefined when it cannot be known: a part of it is gone already, stays behind, or cannot be read. */
export function linesOfPurged(store: LogStore, seq: number): number | undefined {
  const { heads } = store;
  let at = placeOf(heads, seq + 1) - 1;
  const last = heads[at];
  if (last === undefined || last.part === 'open') return undefined;
  try {
    let lines = linesOfLast(store.read(last.seq).content);
    if (last.part === 'whole') return lines;
    for (at -= 1; heads[at]?.part === 'open' && heads[at]?.lastTs === last.lastTs; at -= 1) {
      lines += linesOfLast(store.read(heads[at]?.seq ?? 0).content);
    }
    return store.since === last.lastTs ? undefined : lines;
  } catch (error) {
    if (hasCode(error, 'LOG_CORRUPT')) return undefined;
    throw error;
  }
}
