/**
 * The place of one replica: `<file>`, the right to write into it, and downloads on their way to become it.
 *
 * The right is a lock on `<file>.lock`, which stays behind empty: the operating system takes the lock away
 * when the process ends, however it ends. Readers never touch it.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { TidelockError } from '../core/errors.ts';
import { ReplicaDownload } from './replica-download.ts';
import { replicaOpenFailure } from './replica-errors.ts';
import { openReplicaStore, type ReplicaStore } from './replica-store.ts';
import { SpoolFile } from './spool-file.ts';
import { openSql, type Sql, sqlFailureOf } from './sql.ts';

/** How long taking the lock waits for a predecessor that is just ending. */
const LOCK_WAIT_MS = 200;

export type ReplicaFilesOptions = {
  readonly file: string;
  /** Milliseconds since 1970, for `applied_at`. */
  readonly now?: () => number;
  /** Local writes are captured, and `ReplicaStore.local` is there. */
  readonly isWritten?: boolean;
};

export class ReplicaFiles {
  readonly #options: ReplicaFilesOptions;
  #lock: Sql | null = null;

  constructor(options: ReplicaFilesOptions) {
    this.#options = options;
  }

  /**
   * Takes the right to write; held until `close`. Removes downloads that dead processes left behind. Throws
   * `REPLICA_IN_USE`, or `REPLICA_WRITE_FAILED` when the folder cannot be written.
   */
  lock(): void {
    if (this.#lock !== null) return;
    const { file } = this.#options;
    let sql: Sql | undefined;
    try {
      sql = openSql(`${file}.lock`, { timeoutMs: LOCK_WAIT_MS });
      sql.exec('PRAGMA journal_mode = MEMORY');
      sql.exec('BEGIN EXCLUSIVE');
    } catch (error) {
      sql?.close();
      if (sqlFailureOf(error) !== 'busy') throw replicaOpenFailure(error, file);
      throw new TidelockError({
        code: 'REPLICA_IN_USE',
        message: `another process writes the replica ${file}`,
        hint: 'stop it, or give this replica a file of its own; reading needs no lock',
        cause: error,
      });
    }
    this.#lock = sql;
    this.#removeDownloads();
  }

  /** Null when there is no file. Throws `REPLICA_UNFIT` for a file that is no replica, or of a newer format. */
  open(): ReplicaStore | null {
    return existsSync(this.#options.file) ? openReplicaStore(this.#options) : null;
  }

  /** Starts `<file>.download-<pid>`, replacing one of this process. */
  download(): ReplicaDownload {
    const path = `${this.#options.file}.download-${process.pid}`;
    return new ReplicaDownload(path, this.#options, () =>
      adoptSnapshotFile(this.#options.file, path),
    );
  }

  /** For what must be applied in one go because others write into the file; null when nobody else does. */
  spool(): SpoolFile | null {
    return this.#options.isWritten === true ? new SpoolFile(this.#options.file) : null;
  }

  /** Releases the lock. */
  close(): void {
    this.#lock?.close();
    this.#lock = null;
  }

  #removeDownloads(): void {
    const { file } = this.#options;
    const prefix = `${basename(file)}.download-`;
    for (const name of readdirSync(dirname(file))) {
      if (name.startsWith(prefix)) rmSync(join(dirname(file), name), { force: true });
    }
  }
}

/**
 * Makes a complete, closed snapshot file the replica `target`, durably and at one instant. Only where there
 * is no file yet: a live one may have readers, and its write-ahead log would be taken for the new file's.
 */
export function adoptSnapshotFile(target: string, downloaded: string): void {
  if (existsSync(target)) {
    throw new TidelockError({
      code: 'REPLICA_IN_USE',
      message: `${target} appeared while it was being copied`,
      hint: 'remove it, or follow into it; nothing was changed',
    });
  }
  // What a removed replica may have left behind would be taken for parts of the new file.
  for (const suffix of ['-wal', '-shm', '-journal']) rmSync(`${target}${suffix}`, { force: true });
  syncPath(downloaded);
  renameSync(downloaded, target);
  syncPath(dirname(target));
}

function syncPath(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
