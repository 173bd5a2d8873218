/** Lines of a configuration: a backslash at the end joins a line with the next one, with nothing between. */
import type { Origin } from './types.ts';

export type Line = { readonly text: string; readonly origin: Origin };

export function linesOf(text: string, file: string): Line[] {
  const lines: Line[] = [];
  let joined = '';
  let start = 0;
  const physical = text.replace(/\r?\n$/, '').split(/\r?\n/);
  for (const [index, line] of physical.entries()) {
    const isJoined = line.endsWith('\\') && index < physical.length - 1;
    joined += isJoined ? line.slice(0, -1) : line;
    if (isJoined) continue;
    lines.push({ text: joined, origin: { file, line: start + 1 } });
    joined = '';
    start = index + 1;
  }
  return lines;
}
