import { hashText } from './digest.ts';
import type { Cell } from './value.ts';

/**
 * The bucket of a row, by its key: difference snapshots compare buckets instead of rows.
 * Depends on the key's cells only, so both sides agree without talking.
 */
export function bucketOf(key: readonly Cell[], bucketCount: number): number {
  let text = '';
  for (const cell of key)
    text += `${cell instanceof Uint8Array ? [...cell].join(',') : String(cell)}\u0000`;
  return (hashText(text) >>> 0) % bucketCount;
}
