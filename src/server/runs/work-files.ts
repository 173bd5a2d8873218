/**
 * Files that executions have left, for readers: where tests of the area may work only, whatever the database says. Links and
 * names that lead out of there lead nowhere, and neither do the environment that a test was given nor our own files.
 */
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, readlink, realpath } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { TidelockError } from '../../core/errors.ts';
import type { WorkFile, WorkFiles } from '../../protocol/run-files.ts';

const READ_ONLY = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;
/** In a work area: files of the runner about its attempts, and dumps of the environment. */
const CONTROL_FOLDER = '.tidelock';
const DUMPS: ReadonlySet<string> = new Set(['megatest.sh', 'megatest.csh']);
const LISTED_MAX = 2000;
/** Files and folders that are looked at for a list. */
const LOOKED_AT_MAX = 20_000;

export type OpenFile = {
  readonly handle: FileHandle;
  readonly size: number;
  /** The last part of its name. */
  readonly name: string;
};

/** The folder without links, when it is below one of `roots`. Throws `NOT_FOUND`. */
export async function workFolder(
  roots: readonly string[],
  runDir: string | null | undefined,
): Promise<string> {
  if (runDir == null || !isAbsolute(runDir)) throw noFile();
  return await pathInside(roots, runDir);
}

/** Opens a file of the work area; the caller closes it. Throws `NOT_FOUND`. */
export async function openWorkFile(folder: string, file: string): Promise<OpenFile> {
  const path = await pathInside([folder], resolve(folder, file));
  const parts = relative(folder, path).split(sep);
  const isWorkArea = parts.length === 1 || (await isThere(join(dirname(path), CONTROL_FOLDER)));
  if (isOurs(parts, isWorkArea)) throw noFile();
  // Without waiting: a pipe that a test has left would hold the reader for ever.
  const handle = await open(path, READ_ONLY).catch(() => null);
  if (handle === null) throw noFile();
  const stat = await handle.stat();
  if (stat.isFile() && (await isStill(handle, path))) {
    return { handle, size: stat.size, name: parts.at(-1) ?? '' };
  }
  await handle.close();
  throw noFile();
}

/**
 * Readers see what the test has written, not the environment that it was given: that may hold secrets. Nor that of items
 * that work below it, nor that of an area which the test has made. `isWorkArea`: its folder is one.
 */
function isOurs(parts: readonly string[], isWorkArea: boolean): boolean {
  return parts.includes(CONTROL_FOLDER) || (isWorkArea && DUMPS.has(parts.at(-1) ?? ''));
}

const isThere = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

/** A folder of the path may have become a link since it was looked at. Where there is no /proc, nobody can tell. */
async function isStill({ fd }: FileHandle, path: string): Promise<boolean> {
  const opened = await readlink(`/proc/self/fd/${fd}`).catch(() => path);
  return opened === path;
}

/** The path without links, when it is below one of the folders. */
async function pathInside(roots: readonly string[], path: string): Promise<string> {
  const real = await realpath(path).catch(() => null);
  if (real === null) throw noFile();
  for (const root of roots) {
    const folder = await realpath(root).catch(() => null);
    if (folder === null) continue;
    const inside = relative(folder, real);
    if (inside !== '' && inside.split(sep)[0] !== '..' && !isAbsolute(inside)) return real;
  }
  throw noFile();
}

/** Plain files of a work area by name; links are left out. */
export async function listWorkFiles(folder: string): Promise<WorkFiles> {
  const files: WorkFile[] = [];
  let isCut = false;
  let looked = 0;
  for await (const file of plainFiles(folder)) {
    looked += 1;
    isCut = files.length >= LISTED_MAX || looked > LOOKED_AT_MAX;
    if (isCut) break;
    if (file !== null) files.push(file);
  }
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  return { isHere: true, files, isCut };
}

/** Null for what is looked at and not to be listed. */
async function* plainFiles(folder: string): AsyncGenerator<WorkFile | null> {
  const folders = [''];
  for (let at = folders.shift(); at !== undefined; at = folders.shift()) {
    const place = join(folder, at);
    // What has become a link meanwhile would lead elsewhere.
    if ((await realpath(place).catch(() => '')) !== place) continue;
    const entries = await readdir(place, { withFileTypes: true }).catch(() => []);
    const isWorkArea = at === '' || entries.some(({ name }) => name === CONTROL_FOLDER);
    for (const entry of entries) {
      const path = join(at, entry.name);
      if (isOurs(path.split(sep), isWorkArea)) continue;
      if (entry.isDirectory()) folders.push(path);
      const stat = entry.isFile() ? await lstat(join(folder, path)).catch(() => null) : null;
      yield stat === null ? null : { path, bytes: stat.size, changedAt: Math.round(stat.mtimeMs) };
    }
  }
}

function noFile(): TidelockError {
  return new TidelockError({
    code: 'NOT_FOUND',
    message: 'there is no such file of this execution here',
    hint: 'it is on the host where the test ran, and comes with its first line',
  });
}
