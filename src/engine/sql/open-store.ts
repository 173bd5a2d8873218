/**
 * Opens the folder in which SQL keeps its rows, for this process and the readers it starts. Without a folder the rows stand
 * in a private one among the temporary files, which goes at the end; one that a killed process left goes at the next start.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf, TidelockError } from '../../core/errors.ts';
import { CollectionStore } from '../../sqlite/collections/collection-store.ts';
import { FolderLock } from '../../sqlite/folder-lock.ts';
import { sqlFailureOf } from '../../sqlite/sql.ts';

export type OpenStore = {
  readonly store: CollectionStore;
  /** For readers. */
  readonly file: string;
  /** Once nobody reads any more. */
  close(): void;
};

const LOCK = 'collections.lock';
const FILE = 'collections.db';
const PRIVATE = 'tidelock-memory-';

/** `dir` null: a private folder. Throws `SQL_DATA_UNUSABLE`. */
export function openStore(dir: string | null): OpenStore {
  if (dir !== null) return openFolder(dir, { isPrivate: false });
  sweepPrivate();
  return openFolder(mkdtempSync(join(tmpdir(), `${PRIVATE}${process.pid}-`)), { isPrivate: true });
}

function openFolder(dir: string, { isPrivate }: { readonly isPrivate: boolean }): OpenStore {
  let lock: FolderLock | null = null;
  try {
    mkdirSync(dir, { recursive: true });
    lock = FolderLock.take(join(dir, LOCK));
    const file = join(dir, FILE);
    const store = CollectionStore.open(file, { isKept: !isPrivate });
    const close = (): void => {
      store.close();
      lock?.release();
      if (isPrivate) rmSync(dir, { recursive: true, force: true });
    };
    return { store, file, close };
  } catch (error) {
    lock?.release();
    throw unusable(dir, error);
  }
}

/** Removes the private folders of processes that were killed: nobody holds their lock. */
function sweepPrivate(): void {
  const found = readdirSync(tmpdir()).filter((name) => name.startsWith(PRIVATE));
  for (const name of found) {
    const dir = join(tmpdir(), name);
    const pid = Number(name.slice(PRIVATE.length).split('-')[0]);
    if (isRunning(pid)) continue; // it may be about to take its lock
    try {
      FolderLock.take(join(dir, LOCK)).release();
      rmSync(dir, { recursive: true, force: true });
    } catch {} // somebody else's, or gone meanwhile
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

function unusable(dir: string, error: unknown): TidelockError {
  const isBusy = sqlFailureOf(error) === 'busy';
  return new TidelockError({
    code: 'SQL_DATA_UNUSABLE',
    message: isBusy
      ? `the folder ${dir} is used by another process`
      : `the folder ${dir} cannot hold the rows of SQL: ${messageOf(error)}`,
    hint: isBusy
      ? 'stop the other one, or give this one a folder of its own'
      : 'give it a folder of its own that can be written',
    cause: error,
  });
}
