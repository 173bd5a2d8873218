/**
 * Which folder of temp storage has the area's local database. Processes of one host may have different temp folders
 * (TMPDIR): the first one's is everybody's, as long as it is there and the machine has not started again. The area says it.
 *
 * So it is the area's identity, too: one that was removed and is made anew at the same path names a folder of its own, and
 * has none of the runs of the other. Folders of other boots and other areas at this path go when they are old and not open.
 */
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { TidelockError } from '../../core/errors.ts';
import { isUnused } from '../../sqlite/runs/run-fill.ts';
import type { AreaPlace } from './place.ts';

/** Others may claim at the same time; each of them reads the other's claim then. */
const TRIES_MAX = 20;
const NONCE_BYTES = 4;
/** Behind the boot in a folder's name. */
const NONCE_MARK = '-';
/**
 * What a machine that started again had not carried to a durable database that was away may be looked for so long; nobody
 * reads it by himself.
 */
const KEPT_MS = 7 * 86_400_000;
/** Folders of dead boots that one opening removes. */
const REMOVED_MAX = 20;

type Claim = {
  readonly host: string;
  readonly uid: number;
  readonly dir: string;
};

/**
 * The place with the folder that the processes of this host share. Throws `RUNS_UNUSABLE` when it is another user's.
 */
export function sharedPlace(place: AreaPlace, host: string): AreaPlace {
  const nonce = randomBytes(NONCE_BYTES).toString('hex');
  const dir = `${place.localDir}${NONCE_MARK}${nonce}`;
  const mine: Claim = { host, uid: process.getuid?.() ?? 0, dir };
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const text = readText(place.localNote);
    const claim = text === null ? null : claimOf(text);
    if (claim !== null && isGood(claim, mine)) {
      if (claim.dir !== dir && existsSync(dir)) rmSync(dir, { recursive: true }); // another one was first
      return at(place, claim, mine);
    }
    if (text !== null) takeAway(place.localNote, text);
    makeOwnFolder(place.userDir, mine.dir);
    writeOnce(place.localNote, JSON.stringify(mine));
  }
  return place;
}

/** Of this area, this host and this boot, which the folder is named by: a copy of an area has another one. */
function isGood({ host, dir }: Claim, mine: Claim): boolean {
  const nameOf = (path: string): string => join(basename(dirname(path)), bootOf(path));
  return host === mine.host && nameOf(dir) === nameOf(mine.dir) && existsSync(dir);
}

function bootOf(dir: string): string {
  return basename(dir).split(NONCE_MARK, 1)[0] ?? '';
}

/** False when the area is gone, or another one at its path: its database is another one. */
export function isStillShared({ localNote, localDir }: AreaPlace): boolean {
  const text = readText(localNote);
  return text !== null && claimOf(text)?.dir === localDir;
}

/** Removes what earlier boots, and areas that were at this path, have left here. Nothing that anybody has open. */
export function removeDeadFolders(
  { localDir, localFile, replicaDir }: AreaPlace,
  now: number,
): void {
  const folders = readdirSync(dirname(localDir)).map((name) => join(dirname(localDir), name));
  const dead = folders.filter((dir) => {
    const file = join(dir, basename(localFile));
    const changedAt = statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? now;
    const isOther = dir !== localDir && dir !== replicaDir;
    return isOther && now - changedAt > KEPT_MS && isUnused(file);
  });
  for (const dir of dead.slice(0, REMOVED_MAX)) rmSync(dir, { recursive: true, force: true });
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
