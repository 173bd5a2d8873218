/**
 * Which folder of temp storage has the area's local database. Processes of one host may have different temp folders
 * (TMPDIR): the first one's is everybody's, as long as it is there and the machine has not started again. The area says it.
 */
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { TidelockError } from '../core/errors.ts';
import type { AreaPlace } from './place.ts';

/** Others may claim at the same time; each of them reads the other's claim then. */
const TRIES_MAX = 20;

type Claim = {
  readonly host: string;
  readonly uid: number;
  readonly dir: string;
};

/**
 * The place with the folder that the processes of this host share. Throws `RUNS_UNUSABLE` when it is another user's.
 */
export function sharedPlace(place: AreaPlace, host: string): AreaPlace {
  const mine: Claim = { host, uid: process.getuid?.() ?? 0, dir: place.localDir };
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const text = readText(place.localNote);
    const claim = text === null ? null : claimOf(text);
    if (claim !== null && isGood(claim, mine)) return at(place, claim, mine);
    if (text !== null) takeAway(place.localNote, text);
    makeOwnFolder(place.userDir, mine.dir);
    writeOnce(place.localNote, JSON.stringify(mine));
  }
  return place;
}

/** Of this area, this host and this boot, which the folder is named by: a copy of an area has another one. */
function isGood({ host, dir }: Claim, mine: Claim): boolean {
  const nameOf = (path: string): string => join(basename(dirname(path)), basename(path));
  return host === mine.host && nameOf(dir) === nameOf(mine.dir) && existsSync(dir);
}

function at(place: AreaPlace, { dir, uid }: Claim, mine: Claim): AreaPlace {
  if (uid !== mine.uid) throw ofAnotherUser(dir, uid);
  const userDir = dirname(dirname(dir));
  makeOwnFolder(userDir, dir);
  return { ...place, userDir, localDir: dir, localFile: join(dir, basename(place.localFile)) };
}

/** The first one wins. */
function writeOnce(file: string, text: string): void {
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, text);
  try {
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return;
    renameSync(draft, file); // a disk without links
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Removes a claim that is void, and not one that somebody has made since it was read. */
function takeAway(file: string, text: string): void {
  const aside = `${file}.void.${process.pid}`;
  try {
    renameSync(file, aside);
  } catch {
    return; // another process was faster
  }
  if (readText(aside) !== text) writeOnce(file, readText(aside) ?? '');
  rmSync(aside, { force: true });
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

function claimOf(text: string): Claim | null {
  try {
    const { host, uid, dir } = JSON.parse(text) as Claim;
    return typeof host === 'string' && typeof dir === 'string' ? { host, uid, dir } : null;
  } catch {
    return null;
  }
}

function ofAnotherUser(dir: string, uid: number): TidelockError {
  return new TidelockError({
    code: 'RUNS_UNUSABLE',
    message: `the run database of this area is open to user ${uid} only: ${dir}`,
    hint: 'work as that user, or on another host through the server that it runs',
  });
}

/** Temp storage is everybody's: a folder that another user has made, or may write to, is not used. */
export function makeOwnFolder(userDir: string, folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = lstatSync(userDir);
  const isOurs = uid === (process.getuid?.() ?? uid) && lstatSync(userDir).isDirectory();
  if (isOurs && (mode & 0o022) === 0) return;
  throw new TidelockError({
    code: 'RUNS_UNUSABLE',
    message: `${userDir} belongs to another user, or others may write to it`,
    hint: 'set TMPDIR to a folder of your own',
  });
}
