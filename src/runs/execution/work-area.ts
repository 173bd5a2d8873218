/**
 * Where an execution works: `<disk>/<target>/<run>/<test>/<item>`, and the tree of links that shows all disks
 * as one hierarchy. Names come from configurations and commands: none may lead out of its disk.
 */
import {
  copyFileSync,
  type Dirent,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { copyFile, rm } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { setImmediate as soon } from 'node:timers/promises';
import type { Area } from '../../area/types.ts';
import { TidelockError } from '../../core/errors.ts';
import { CONTROL_FOLDER, holdsNested, nestedIn, removableIn } from './nested-areas.ts';
import { isOfOtherArea } from './other-area.ts';

/** Of one part of a path; what file systems take. */
const PART_BYTES_MAX = 255;
const PATH_BYTES_MAX = 3000;
/** A copy lets others work after so many entries. */
const ENTRIES_AT_ONCE = 64;
const DEPTH_MAX = 64;
/** A file of this size is copied faster than it is waited for. */
const SMALL_BYTES = 64 * 1024;

export type Place = {
  readonly target: string;
  readonly run: string;
  readonly test: string;
  readonly itemPath: string;
};

/** `<target>/<run>/<test>[/<item>]`. Throws BAD_REQUEST when a name is none that a path can have. */
export function placePath(place: Place): string {
  const parts = [place.target, place.run, place.test, place.itemPath]
    .filter((part) => part !== '')
    .flatMap((part) => part.split('/'));
  for (const part of parts) checkPart(part, place);
  const path = parts.join('/');
  if (Buffer.byteLength(path) > PATH_BYTES_MAX) throw refused(place, 'is too long for a path');
  return path;
}

function checkPart(part: string, place: Place): void {
  if (part === '' || part === '.' || part === '..')
    throw refused(place, `has the part '${part}', which would lead elsewhere`);
  if (part.includes('\0')) throw refused(place, 'has a zero byte');
  if (Buffer.byteLength(part) > PART_BYTES_MAX)
    throw refused(place, 'has a part of over 255 bytes');
}

function refused({ target, run, test, itemPath }: Place, why: string): TidelockError {
  const name = [target, run, test, itemPath].filter((part) => part !== '').join('/');
  return new TidelockError({
    code: 'BAD_REQUEST',
    message: `no directory can be made for ${JSON.stringify(name)}: it ${why}`,
    hint: 'change the value of the item, the name of the run or the target',
  });
}

export type WorkArea = {
  /** Where the execution works. */
  readonly dir: string;
  /** The same place in the tree of links. */
  readonly link: string;
  /** Nothing of an earlier attempt is in it. */
  readonly isNew: boolean;
};

export type NewWorkArea = {
  readonly disk: string;
  readonly linkTree: string;
  readonly isClean: boolean;
  /** Work areas of other items inside of it. */
  readonly nested?: readonly string[];
};

/** Makes the directory and its link. What is there already stays, unless `isClean`. */
export function makeWorkArea(
  { disk, linkTree, isClean, nested = [] }: NewWorkArea,
  place: Place,
): WorkArea {
  const path = placePath(place);
  const dir = resolve(disk, path);
  if (isClean && isOwnDir(dir, place, [disk])) {
    for (const one of removableIn(dir, nested)) rmSync(one, { recursive: true, force: true });
  }
  const isNew = mkdirSync(dir, { recursive: true }) !== undefined;
  checkInside(disk, dir, place);
  mkdirSync(join(dir, CONTROL_FOLDER), { recursive: true });
  const link = resolve(linkTree, path);
  linkTo(dir, link, { linkTree, place });
  return { dir, link, isNew };
}

/** A link that a test has left behind may lead elsewhere. */
function checkInside(root: string, dir: string, place: Place): void {
  const inside = relative(realpathSync(root), realpathSync(dir));
  if (inside.startsWith('..') || inside.startsWith(sep))
    throw refused(place, `leads out of ${root}`);
}

/**
 * The link tree may be the disk itself; then there is nothing to link. A toplevel's directory is a real one in
 * the link tree, for the links of its items stand in it.
 */
function linkTo(
  dir: string,
  link: string,
  { linkTree, place }: { readonly linkTree: string; readonly place: Place },
): void {
  if (link === dir || isBelowLink(link, linkTree)) return;
  mkdirSync(dirname(link), { recursive: true });
  checkInside(linkTree, dirname(link), place);
  const there = lstatSync(link, { throwIfNoEntry: false });
  if (there?.isSymbolicLink() && readlinkSync(link) === dir) return;
  if (there?.isDirectory()) return;
  rmSync(link, { force: true });
  symlinkSync(dir, link);
}

/** It is inside of another item's work area, which has a link of its own. */
function isBelowLink(link: string, linkTree: string): boolean {
  for (let above = dirname(link); above.length > linkTree.length; above = dirname(above)) {
    if (!lstatSync(above, { throwIfNoEntry: false })?.isSymbolicLink()) continue;
    return readlinkSync(above).endsWith(`/${relative(linkTree, above)}`);
  }
  return false;
}

/** `lt` in the area leads to its link tree. */
export function linkArea(home: string, linkTree: string): void {
  mkdirSync(linkTree, { recursive: true });
  const link = join(home, 'lt');
  if (lstatSync(link, { throwIfNoEntry: false }) === undefined) symlinkSync(linkTree, link);
}

/**
 * Copies a test's directory, links as links. Lets others work in between. `isNew`: nothing is there that it replaces.
 * Throws RUN_FAILED where the work area of another item is in the way.
 */
export async function copyTest(
  from: string,
  to: string,
  isNew: boolean,
  nested: readonly string[] = [],
): Promise<void> {
  let entries = 0;
  const copy = async (source: string, target: string, depth: number): Promise<void> => {
    if (depth > DEPTH_MAX) throw tooDeep(from);
    // A link that an earlier attempt has left in its place would lead the copy elsewhere.
    if (!isNew && lstatSync(target, { throwIfNoEntry: false })?.isSymbolicLink()) rmSync(target);
    mkdirSync(target, { recursive: true });
    for (const entry of readdirSync(source, { withFileTypes: true })) {
      if (++entries % ENTRIES_AT_ONCE === 0) await soon();
      const [path, copied] = [join(source, entry.name), join(target, entry.name)];
      if (entry.isDirectory()) await copy(path, copied, depth + 1);
      else if (holdsNested(copied, nested)) throw inTheWay(path);
      else await copyEntry(entry, { path, copied, isNew });
    }
  };
  await copy(from, to, 0);
}

type Copy = { readonly path: string; readonly copied: string; readonly isNew: boolean };

async function copyEntry(entry: Dirent, { path, copied, isNew }: Copy): Promise<void> {
  if (!isNew) rmSync(copied, { recursive: true, force: true });
  if (entry.isSymbolicLink()) symlinkSync(readlinkSync(path), copied);
  else if (!entry.isFile()) return;
  else if (statSync(path).size <= SMALL_BYTES) copyFileSync(path, copied);
  else await copyFile(path, copied);
}

function inTheWay(path: string): TidelockError {
  return new TidelockError({
    code: 'RUN_FAILED',
    message: `${path} was not copied: another item of the test works in a directory of that name`,
    hint: 'give the file or the item another name',
  });
}

function tooDeep(from: string): TidelockError {
  return new TidelockError({
    code: 'RUN_FAILED',
    message: `${from} is nested more than ${DEPTH_MAX} deep: it was not copied`,
    hint: 'the directory of a test may not hold the disk on which it runs',
  });
}

/** Removes what an execution has left: link and directory, with the folders above that are empty then. */
export async function removeWorkArea(
  { home, linkTree, disks }: Pick<Area, 'home' | 'linkTree' | 'disks'>,
  place: Place,
  { dir, below }: { readonly dir: string | null; readonly below: readonly string[] },
): Promise<void> {
  if (dir === null) return; // it never had a place; its name may be none that a path can have
  const link = resolve(linkTree, placePath(place));
  if (lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink()) {
    rmSync(link, { force: true });
    removeEmptyAbove(link, place);
  }
  await removeOwnDir(dir, place, { home, disks, below });
}

/**
 * Removes the directory of an execution, if it was made for it: the database may name another one, that of the run
 * which a result was rolled up from, that of the area which this one is a copy of, or whatever a caller of the server has
 * written there.
 */
export async function removeOwnDir(
  dir: string,
  place: Place,
  /** `below`: paths of items whose work areas may be inside. */
  { home, disks, below }: Pick<Area, 'home' | 'disks'> & { readonly below: readonly string[] },
): Promise<void> {
  const roots = disks.map(({ path }) => path);
  if (!isOwnDir(dir, place, roots) || isOfOtherArea(dir, home)) return;
  const nested = nestedIn(dir, place.itemPath, below);
  for (const one of removableIn(dir, nested)) await rm(one, { recursive: true, force: true });
  removeEmptyAbove(dir, place);
}

/** What the script of `[testrollup]` makes, beside the items of the test. */
export function pageName(test: string): string {
  return `megatest-rollup-${test}.html`;
}

/** The folders of an item path, of the test and of the run. */
function removeEmptyAbove(path: string, { run, test, itemPath }: Place): void {
  const levels = [run, test, ...itemPath.split('/').filter(Boolean)].length - 1;
  let above = path;
  for (let level = 0; level < levels; level++) {
    above = dirname(above);
    try {
      const [only, ...more] = readdirSync(above);
      if (only === pageName(test) && more.length === 0) rmSync(join(above, only));
      rmdirSync(above);
    } catch {
      return; // somebody else's is in it
    }
  }
}

/** The place of this execution on a disk of the area, or on another one (a test's own) with our files in it. */
function isOwnDir(dir: string, place: Place, disks: readonly string[]): boolean {
  const end = `/${placePath(place)}`;
  if (resolve(dir) !== dir || !dir.endsWith(end)) return false;
  const disk = dir.slice(0, -end.length);
  if (!disks.includes(disk) && !existsSync(join(dir, CONTROL_FOLDER))) return false;
  if (!existsSync(dirname(dir))) return false;
  return realpathSync(dirname(dir)) === join(realpathSync(disk), dirname(end));
}
