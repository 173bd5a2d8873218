/** The first and the last lines of the logs that have errors. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const LINES = 3;
const LINE_CHARS_MAX = 200;

export type LogEnds = {
  readonly name: string;
  readonly first: readonly string[];
  readonly last: readonly string[];
};

export function logsWithErrors(folder: string): readonly LogEnds[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.startsWith('db'))
    .sort()
    .flatMap((name) => {
      const text = readFileSync(join(folder, name), 'utf8');
      if (!text.includes('] error: ')) return [];
      const lines = text.split('\n').filter((line) => line !== '');
      const short = lines.map((line) => line.slice(0, LINE_CHARS_MAX));
      return [{ name, first: short.slice(0, LINES), last: short.slice(-LINES) }];
    });
}
