/** A snapshot file on its way from the server to the disk. */
import { appendFileSync, closeSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { hasCode, TidelockError } from '../core/errors.ts';
import { replicaFileFailure } from './replica-errors.ts';
import { openReplicaStore, type ReplicaStore, type ReplicaStoreOptions } from './replica-store.ts';

export type AdoptInfo = { readonly replica: string; readonly server: string };

/** Pieces from the network are collected up to this before they are written. */
const WRITE_BYTES = 1024 * 1024;
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
    if (this.#pendingBytes < WRITE_BYTES) return;
    const pieces = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    try {
      this.#handle ??= await open(this.#path, 'wx');
      await this.#handle.appendFile(Buffer.concat(pieces));
    } catch (error) {
      throw replicaFileFailure(error, this.#path);
    }
  }

  /**
   * Checks that the download is a complete replica file, writes into it whose it is, and makes it the
   * replica, durably. Throws `PROTOCOL` when it is not one, `REPLICA_WRITE_FAILED`.
   */
  adopt(info: AdoptInfo): ReplicaStore {
    this.#closeHandle();
    this.#writeRest();
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

  #writeRest(): void {
    try {
      appendFileSync(this.#path, Buffer.concat(this.#pending));
    } catch (error) {
      throw replicaFileFailure(error, this.#path);
    }
    this.#pending = [];
  }

  /** All writes were awaited, so nothing is lost by not waiting for the close. */
  #closeHandle(): void {
    const handle = this.#handle;
    this.#handle = null;
    void handle?.close();
  }
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
