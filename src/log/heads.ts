/** Finding groups among the heads of a log. */
import type { GroupHead } from './group.ts';

/** Where the first group stands whose number is not below `seq`. */
export function placeOf(heads: readonly GroupHead[], seq: number): number {
  let low = 0;
  let high = heads.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((heads[middle]?.seq ?? 0) >= seq) high = middle;
    else low = middle + 1;
  }
  return low;
}
