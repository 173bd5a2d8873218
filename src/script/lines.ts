/** Text as lines that remember how they ended, so that a rewrite changes nothing else. */
import type { Line, LineEnd } from './types.ts';

/** Only `\n` and `\r\n` end a line. There is no limit to a line's length. */
export function splitLines(text: string): Line[] {
  const lines: Line[] = [];
  for (let from = 0; from < text.length; ) {
    const newline = text.indexOf('\n', from);
    const to = newline < 0 ? text.length : newline;
    const isCrlf = newline > from && text[newline - 1] === '\r';
    lines.push({ text: text.slice(from, isCrlf ? to - 1 : to), end: endOf(newline, isCrlf) });
    from = to + 1;
  }
  return lines;
}

function endOf(newline: number, isCrlf: boolean): LineEnd {
  if (newline < 0) return '';
  return isCrlf ? '\r\n' : '\n';
}

export function joinLines(lines: readonly Line[]): string {
  return lines.map(({ text, end }) => text + end).join('');
}

/** How new lines of this file shall end: as most of it does. */
export function endingOf(lines: readonly Line[]): '\n' | '\r\n' {
  const crlf = lines.filter(({ end }) => end === '\r\n').length;
  return crlf * 2 > lines.length ? '\r\n' : '\n';
}

export const isBlank = (text: string): boolean => text.trim() === '';

/** `a\nb\n` -> `a`, `b`; a last line without a newline counts as one. */
export function linesOf(text: string): string[] {
  if (text === '') return [];
  return (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n');
}
