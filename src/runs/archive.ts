/**
 * Work areas as archives: one `.tar.zst` per execution, so that one can be had back without the others.
 *
 * An archive is complete or not there: it is written beside its name, synced, read back, and then renamed.
 * Only after that the work area may be removed.
 */
import { createReadStream, createWriteStream, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { open, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createZstdCompress, createZstdDecompress } from 'node:zlib';
import { create, extract, list, ReadEntry } from 'tar';
import { messageOf, TidelockError } from '../core/errors.ts';
import { removableIn } from './execution/nested-areas.ts';
import { type Place, placePath } from './execution/work-area.ts';

export type Archived = {
  readonly entries: number;
  /** Of the archive, compressed. */
  readonly bytes: number;
};

/** What an archive may unpack to: the guard against one that was made to fill the disk. */
const UNPACKED_BYTES_MAX = 64 * 2 ** 30;

/** Where the archive of an execution stands below the archive's directory. */
export const archiveFile = (root: string, place: Place): string =>
  join(root, `${placePath(place)}.tar.zst`);

/**
 * Saves the directory without the work areas nested in it; an earlier archive of the name is replaced when the new
 * one is whole.
 */
export async function saveArchive(
  dir: string,
  file: string,
  nested: readonly string[] = [],
): Promise<Archived> {
  if (!existsSync(dir)) throw failed(`${dir} is not there`, 'its work area was removed before');
  mkdirSync(dirname(file), { recursive: true });
  const fresh = `${file}.new`;
  try {
    const bytes = await write(dir, fresh, nested);
    const entries = await countEntries(fresh);
    await rename(fresh, file);
    await syncFolder(dirname(file));
    return { entries, bytes };
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    throw failed(`${dir} was not archived: ${messageOf(error)}`, 'it is as it was before');
  }
}

async function write(dir: string, file: string, nested: readonly string[]): Promise<number> {
  const filter = (path: string): boolean => !nested.includes(join(dir, path));
  await pipeline(
    create({ cwd: dir, portable: false, noMtime: false, strict: true, filter }, ['.']),
    createZstdCompress(),
    createWriteStream(file),
  );
  const handle = await open(file, 'r+');
  try {
    await handle.sync();
    return (await handle.stat()).size;
  } finally {
    await handle.close();
  }
}

/** Reads all of it: an archive that cannot be read back is none. */
async function countEntries(file: string): Promise<number> {
  let entries = 0;
  const reader = list({
    strict: true,
    onReadEntry: () => {
      entries += 1;
    },
  });
  await pipeline(createReadStream(file), createZstdDecompress(), bounded(), reader);
  return entries;
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Puts an archived work area back as `dir`, in which nothing may be but nested ones. */
export async function restoreArchive(
  file: string,
  dir: string,
  nested: readonly string[] = [],
): Promise<void> {
  if (!existsSync(file))
    throw failed(`${file} is not there`, 'nothing was archived under its name');
  if (existsSync(dir) && removableIn(dir, nested).length > 0)
    throw failed(`${dir} is there already`, 'move it away, then restore again');
  const fresh = `${dir}.restored`;
  await rm(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  try {
    // Links of tests lead anywhere, so absolute ones are kept; that nothing is written through one is our check.
    const guard = new Guard();
    const filter = (path: string, entry: unknown): boolean => guard.admits(path, entry);
    const writer = extract({ cwd: fresh, strict: true, preservePaths: true, filter });
    await pipeline(createReadStream(file), createZstdDecompress(), bounded(), writer);
    if (guard.refused !== null) throw new Error(`its entry ${guard.refused} leads out of it`);
    await moveInto(fresh, dir);
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    throw failed(`${file} was not restored: ${messageOf(error)}`, 'the archive may be damaged');
  }
}

/** Folders that are there already, for the sake of a nested work area, are filled. */
async function moveInto(from: string, to: string): Promise<void> {
  if (!existsSync(to)) return await rename(from, to);
  for (const entry of readdirSync(from)) await moveInto(join(from, entry), join(to, entry));
  await rmdir(from);
}

/** Refuses what is none of ours: an entry outside of the directory, or below a link. */
class Guard {
  /** The first one that was refused. */
  refused: string | null = null;
  readonly #links = new Set<string>();

  admits(path: string, entry: unknown): boolean {
    const parts = path.split('/').filter((part) => part !== '.' && part !== '');
    const above = parts.slice(0, -1).map((_, n) => parts.slice(0, n + 1).join('/'));
    const isBelowLink = above.some((one) => this.#links.has(one));
    if (path.startsWith('/') || parts.includes('..') || isBelowLink) this.refused ??= path;
    if (entry instanceof ReadEntry && /Link$/.test(entry.type)) this.#links.add(parts.join('/'));
    return this.refused === null;
  }
}

function bounded(): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > UNPACKED_BYTES_MAX) done(new Error('it unpacks to more than 64 GiB'));
      else done(null, chunk);
    },
  });
}

const failed = (message: string, hint: string): TidelockError =>
  new TidelockError({ code: 'RUN_FAILED', message, hint });
