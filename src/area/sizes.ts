/** Sizes as configurations write them: `10000` (KiB, as df counts), `100M`, `2G`. */
import { unfit } from './errors.ts';
import type { Entry } from './types.ts';

const KIB = 1024;
const UNIT_BYTES: Readonly<Record<string, number>> = {
  ...{ '': KIB, k: KIB, m: KIB ** 2, g: KIB ** 3, t: KIB ** 4 },
};

/** In bytes; null when there is no value. Throws AREA_UNFIT. */
export function bytesOf(entry: Entry | null): number | null {
  const text = entry?.value.trim() ?? '';
  if (entry === null || text === '') return null;
  const [, number = '', unit = ''] = /^(\d{1,12})\s*([kmgt]?)i?b?$/i.exec(text) ?? [];
  const bytes = Number(number) * (UNIT_BYTES[unit.toLowerCase()] ?? Number.NaN);
  if (number !== '' && Number.isSafeInteger(bytes)) return bytes;
  throw unfit(`${entry.key} is no size: ${text}`, entry.origin, 'write 10000 (KiB), 100M or 2G');
}
