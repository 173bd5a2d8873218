/** Colours of terminals in a line of a log, as parts of text with classes. Everything else of such sequences is dropped. */
import { CONTROL_SEQUENCE, shownPart } from '../../protocol/log-lines.ts';

export type Part = { readonly text: string; readonly classes: string };

type Style = { ink: number | null; isBold: boolean };

export function partsOf(line: string): readonly Part[] {
  const text = shownPart(line);
  const parts: Part[] = [];
  const style: Style = { ink: null, isBold: false };
  let from = 0;
  const take = (to: number): void => {
    if (to > from) parts.push({ text: text.slice(from, to), classes: classesOf(style) });
  };
  for (const match of text.matchAll(CONTROL_SEQUENCE)) {
    take(match.index);
    from = match.index + match[0].length;
    if (match[2] === 'm') restyle(style, match[1] ?? '');
  }
  take(text.length);
  return parts;
}

function restyle(style: Style, codes: string): void {
  const numbers = codes === '' ? [0] : codes.split(/[;:]/).map(Number);
  for (let at = 0; at < numbers.length; at += 1) {
    const code = numbers[at] ?? 0;
    if (code === 0) Object.assign(style, { ink: null, isBold: false });
    else if (code === 1) style.isBold = true;
    else if (code === 22) style.isBold = false;
    else if (code >= 30 && code <= 37) style.ink = code - 30;
    else if (code >= 90 && code <= 97) style.ink = code - 90;
    else if (code === 39) style.ink = null;
    else if (code === 38 || code === 48) at += takeColour(style, code, numbers.slice(at + 1));
  }
}

/** 256 colours and true colours: of the former the first 16 are those of old. Gives how many numbers it took. */
function takeColour(style: Style, code: number, [kind, colour = 0]: readonly number[]): number {
  const isOld = kind === 5 && colour < 16;
  if (code === 38) style.ink = isOld ? colour % 8 : null;
  return kind === 5 ? 2 : 4;
}

function classesOf({ ink, isBold }: Style): string {
  return [ink === null ? '' : `ink-${ink}`, isBold ? 'bold' : ''].join(' ').trim();
}
