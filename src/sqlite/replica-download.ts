/** A snapshot file on its way from the server to the disk. */
import { closeSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { hasCode, TidelockError } from '../core/errors.ts';
import { replicaFileFailure } from './replica-errors.ts';
import { openReplicaStore, type ReplicaStore, type ReplicaStoreOptions } from './replica-store.ts';

export type AdoptInfo = { readonly replica: string; readonly server: string };

/** Pieces from the network are collected up to this before they are written. */
const WRITE_BYTES = 1024 * 1024;
/** Written bytes after which the disk is asked to keep them, so that little is left to do at the end. */
const SYNC_BYTES = 16 * 1024 * 1024;
const HEADER_BYTES = 100;
const MAGIC = 'SQLite format 3\0';

export class ReplicaDownload {
  readonly #path: string;
  readonly #target: ReplicaStoreOptions;
  readonly #moveToTarget: () => void;
  #handle: FileHandle | null = null;
  #isAdopted = false;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #unsyncedBytes = 0;
  /** Ends with the error or null. */
  #syncing: Promise<unknown> = Promise.resolve(null);

  constructor(path: string, target: ReplicaStoreOptions, moveToTarget: () => void) {
    this.#path = path;
    this.#target = target;
    this.#moveToTarget = moveToTarget;
    rmSync(path, { force: true });
  }

  /** Throws `REPLICA_WRITE_FAILED`. */
  async write(chunk: Uint8Array): Promise<void> {
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    if (this.#pendingBytes >= WRITE_BYTES) await this.#writePending();
  }

  /**
   * Checks that the download is a complete replica file, writes into it whose it is, and makes it the
   * replica, durably. Throws `PROTOCOL` when it is not one, `REPLICA_WRITE_FAILED`.
   */
  async adopt(info: AdoptInfo): Promise<ReplicaStore> {
    await this.#writePending();
    await this.#endSync();
    this.#closeHandle();
    checkIsComplete(this.#path);
    let store: ReplicaStore;
    try {
      store = openReplicaStore({ ...this.#target, file: this.#path });
    } catch (error) {
      throw hasCode(error, 'REPLICA_UNFIT') ? incomplete('it is not a replica', error) : error;
    }
    try {
      store.setOwner(info);
    } finally {
      store.close();
    }
    try {
      this.#moveToTarget();
    } catch (error) {
      throw replicaFileFailure(error, this.#path);
    }
    this.#isAdopted = true;
    return openReplicaStore(this.#target);
  }

  /** Removes the partial file; harmless after `adopt`. */
  discard(): void {
    this.#closeHandle();
    if (this.#isAdopted) return;
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${this.#path}${suffix}`, { force: true });
  }

  async #writePending(): Promise<void> {
    const pieces = this.#pending;
    this.#pending = [];
    this.#unsyncedBytes += this.#pendingBytes;
    this.#pendingBytes = 0;
    try {
      this.#handle ??= await open(this.#path, 'wx');
      await writeAll(this.#handle, pieces);
      if (this.#unsyncedBytes >= SYNC_BYTES) {
        await this.#endSync();
        this.#startSync(this.#handle);
      }
    } catch (error) {
      throw replicaFileFailure(error, this.#path);
    }
  }

  /** The disk works while the network does. */
  #startSync(handle: FileHandle): void {
    this.#unsyncedBytes = 0;
    this.#syncing = handle.datasync().then(
      () => null,
      (error: unknown) => error,
    );
  }

  /** The system tells an error once: not to take note of it would lose it. */
  async #endSync(): Promise<void> {
    const error = await this.#syncing;
    if (error !== null) throw replicaFileFailure(error, this.#path);
  }

  /** All writes were awaited: nothing is lost by not waiting for the close. */
  #closeHandle(): void {
    const handle = this.#handle;
    this.#handle = null;
    void handle?.close();
  }
}

async function writeAll(handle: FileHandle, pieces: readonly Uint8Array[]): Promise<void> {
  if (pieces.length === 0) return;
  const { bytesWritten } = await handle.writev(pieces);
  const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
  // A disk that gets full takes a part, and says why at the next write.
  if (bytesWritten < size) await handle.appendFile(Buffer.concat(pieces).subarray(bytesWritten));
}

/** SQLite itself notices missing pages only when it needs them. */
function checkIsComplete(path: string): void {
  const sizeBytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (sizeBytes < HEADER_BYTES) throw incomplete(`it has ${sizeBytes} bytes`);
  const header = Buffer.alloc(HEADER_BYTES);
  const descriptor = openSync(path, 'r');
  try {
    readSync(descriptor, header, 0, HEADER_BYTES, 0);
  } finally {
    closeSync(descriptor);
  }
  if (header.toString('latin1', 0, 16) !== MAGIC) throw incomplete('it is not a SQLite file');
  const page = header.readUInt16BE(16);
  const expected = (page === 1 ? 65_536 : page) * header.readUInt32BE(28);
  if (expected !== sizeBytes) throw incomplete(`it has ${sizeBytes} of ${expected} bytes`);
}

function incomplete(why: string, cause?: unknown): TidelockError {
  return new TidelockError({
    code: 'PROTOCOL',
    message: `the snapshot that the server sent is not complete: ${why}`,
    hint: 'try again',
    cause,
  });
}
