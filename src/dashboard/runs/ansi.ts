/** Colours of terminals in a line of a log, as parts of text with classes. Everything else of such sequences is dropped. */

export type Part = { readonly text: string; readonly classes: string };

type Style = { ink: number | null; isBold: boolean };

const SEQUENCE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control sequences are what is looked for
  /\u001b\[([0-9;:?]*)([@-~])|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)|\u001b[@-_]|[\u0000-\u0008\u000b-\u001f\u007f]/g;

/** A carriage return without a line feed: what stood before it was written over. */
export function partsOf(line: string): readonly Part[] {
  const shown = line.endsWith('\r') ? line.slice(0, -1) : line;
  const text = shown.slice(shown.lastIndexOf('\r') + 1);
  const parts: Part[] = [];
  const style: Style = { ink: null, isBold: false };
  let from = 0;
  const take = (to: number): void => {
    if (to > from) parts.push({ text: text.slice(from, to), classes: classesOf(style) });
  };
  for (const match of text.matchAll(SEQUENCE)) {
    take(match.index);
    from = match.index + match[0].length;
    if (match[2] === 'm') restyle(style, match[1] ?? '');
  }
  take(text.length);
  return parts;
}

function restyle(style: Style, codes: string): void {
  for (const code of codes === '' ? [0] : codes.split(/[;:]/).map(Number)) {
    if (code === 0) Object.assign(style, { ink: null, isBold: false });
    else if (code === 1) style.isBold = true;
    else if (code === 22) style.isBold = false;
    else if (code >= 30 && code <= 37) style.ink = code - 30;
    else if (code >= 90 && code <= 97) style.ink = code - 90;
    else if (code === 39) style.ink = null;
    // 256 colours and true colours are followed by numbers that mean nothing by themselves.
    else if (code === 38 || code === 48) return;
  }
}

function classesOf({ ink, isBold }: Style): string {
  return [ink === null ? '' : `ink-${ink}`, isBold ? 'bold' : ''].join(' ').trim();
}

/** The line without colours. */
export function plainOf(line: string): string {
  return partsOf(line)
    .map(({ text }) => text)
    .join('');
}

const ERROR_LINE = /\b(?:error|fail(?:ed|ure)?|fatal|exception|panic|assert(?:ion)?)\b/i;

/** True for lines that say that something went wrong: what is jumped to. */
export function isErrorLine(line: string): boolean {
  return ERROR_LINE.test(plainOf(line));
}
