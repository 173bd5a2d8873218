/** Lengths of time as configurations write them: `90`, `15m 15s`, `2h`, `01:30:00`. */
import { unfit } from './errors.ts';
import type { Origin } from './types.ts';

const UNIT_S: Readonly<Record<string, number>> = {
  ...{ s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 },
  ...{ M: 2_592_000, y: 31_536_000 },
};
const DURATION_S_MAX = 10 * 31_536_000;

/** In seconds; a number without a unit is seconds. Throws AREA_UNFIT. */
export function durationS(text: string, origin: Origin): number {
  const clock = /^(\d+):(\d\d)(?::(\d\d))?$/.exec(text.trim());
  const seconds =
    clock === null
      ? sumOf(text.trim())
      : Number(clock[1]) * 3600 + Number(clock[2]) * 60 + Number(clock[3] ?? 0);
  if (seconds >= 0 && seconds <= DURATION_S_MAX) return seconds;
  throw unfit(
    `${JSON.stringify(text)} is no length of time`,
    origin,
    'write 90s, 15m, 2h 30m or 1d',
  );
}

/** NaN when it is none. */
function sumOf(text: string): number {
  const parts = text.split(/\s+(?=\d)|(?<=[a-zA-Z])(?=\d)/);
  return parts
    .map((part) => /^(\d+(?:\.\d+)?)\s*([a-zA-Z]*)$/.exec(part))
    .map((match) => Number(match?.[1]) * (UNIT_S[unitOf(match?.[2] ?? '')] ?? Number.NaN))
    .reduce((sum, seconds) => sum + seconds, 0);
}

/** `min`, `hours` and their like by their first letter. */
function unitOf(word: string): string {
  return word === '' ? 's' : word.charAt(0);
}
