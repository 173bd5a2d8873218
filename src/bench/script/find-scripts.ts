/** Scripts below a folder, and `FILE:LINE`. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { TidelockError } from '../../core/errors.ts';

export type ScriptTarget = {
  readonly file: string;
  /** Only the cases up to this line. */
  readonly throughLine: number | undefined;
};

/** The scripts that a path means, sorted. Throws `BAD_REQUEST` when there is none. */
export function findScripts(path: string): readonly ScriptTarget[] {
  const [, file = path, line] = /^(.*):(\d+)$/.exec(path) ?? [];
  const isThere = statSync(path, { throwIfNoEntry: false });
  if (isThere?.isDirectory() === true) return inFolder(path);
  if (isThere?.isFile() === true) return [{ file: path, throughLine: undefined }];
  if (line !== undefined && statSync(file, { throwIfNoEntry: false })?.isFile() === true) {
    return [{ file, throughLine: Number(line) }];
  }
  throw new TidelockError({
    code: 'BAD_REQUEST',
    message: `there is no script ${path}`,
    hint: 'name a file, a folder, or a file and a line: testdata/a.test:12',
  });
}

function inFolder(folder: string): readonly ScriptTarget[] {
  const found = walk(folder);
  if (found.length > 0) return found.map((file) => ({ file, throughLine: undefined }));
  throw new TidelockError({
    code: 'BAD_REQUEST',
    message: `there is no script below ${folder}`,
    hint: 'names that begin with a dot, end with ~ or stand between # are passed over',
  });
}

function walk(folder: string): readonly string[] {
  const entries = readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => !isIgnored(name))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? walk(path) : [path];
  });
}

/** Leftovers of editors, and hidden files. */
function isIgnored(name: string): boolean {
  return /^\.|~$|^#.*#$/.test(name);
}
