/** The classes of JavaScript's regular expressions, and which characters are one letter without case. */
import type { Range } from './tree.ts';

export const DIGITS: readonly Range[] = [[48, 57]];
export const WORDS: readonly Range[] = [...DIGITS, [65, 90], [95, 95], [97, 122]];
export const LINE_ENDS: readonly Range[] = [
  ...([
    [10, 10],
    [13, 13],
    [0x2028, 0x2029],
  ] as const),
];
export const SPACES: readonly Range[] = [
  ...([
    [9, 13],
    [32, 32],
    [0xa0, 0xa0],
    [0x1680, 0x1680],
    [0x2000, 0x200a],
    [0x2028, 0x2029],
  ] as const),
  ...([
    [0x202f, 0x202f],
    [0x205f, 0x205f],
    [0x3000, 0x3000],
    [0xfeff, 0xfeff],
  ] as const),
];

const ASCII_MAX = 127;
const UNITS = 0x10000;

/** The ranges and all that is the same without case. */
export function caseless(ranges: readonly Range[]): readonly Range[] {
  if (ranges.every(([, to]) => to <= ASCII_MAX)) return [...ranges, ...ranges.flatMap(otherCase)];
  const folded = foldedUnits();
  const wanted = new Uint8Array(UNITS);
  for (const [from, to] of ranges) {
    for (let code = from; code <= to; code += 1) wanted[folded[code] ?? code] = 1;
  }
  return rangesOf((code) => wanted[folded[code] ?? code] === 1);
}

/** Letters of ASCII are the same as no other characters: so the rules of the language say. */
function otherCase([from, to]: Range): readonly Range[] {
  const upper: Range = [Math.max(from, 97) - 32, Math.min(to, 122) - 32];
  const lower: Range = [Math.max(from, 65) + 32, Math.min(to, 90) + 32];
  return [upper, lower].filter(([first, last]) => first <= last);
}

/** Whether they are the same without case; no characters are the same as what is outside of a text, -1. */
export function isSameLetter(one: number, other: number): boolean {
  const folded = foldedUnits();
  return one >= 0 && other >= 0 && folded[one] === folded[other];
}

let units: Uint16Array | null = null;

/** What stands for each unit without case: its upper case, when that is one unit and ASCII stays ASCII. */
function foldedUnits(): Uint16Array {
  units ??= Uint16Array.from({ length: UNITS }, (_, code) => {
    const upper = String.fromCharCode(code).toUpperCase();
    const other = upper.charCodeAt(0);
    return upper.length !== 1 || (code > ASCII_MAX && other <= ASCII_MAX) ? code : other;
  });
  return units;
}

function rangesOf(isIn: (code: number) => boolean): readonly Range[] {
  const ranges: Range[] = [];
  let from = -1;
  for (let code = 0; code <= UNITS; code += 1) {
    const is = code < UNITS && isIn(code);
    if (is && from < 0) from = code;
    if (is || from < 0) continue;
    ranges.push([from, code - 1]);
    from = -1;
  }
  return ranges;
}
