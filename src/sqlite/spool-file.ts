/**
 * Holds lines beside a replica until they can be applied in one go: a file that has no name any more, so that nothing
 * stays behind, however the process ends.
 */
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { deserialize, serialize } from 'node:v8';
import type { RawLine } from '../protocol/lines.ts';
import { replicaFileFailure } from './replica-errors.ts';

const LENGTH_BYTES = 4;

export class SpoolFile {
  readonly #file: string;
  #descriptor: number | null = null;
  #sizeBytes = 0;

  /** `file`: the replica beside which it is written. */
  constructor(file: string) {
    this.#file = file;
  }

  /** Throws `REPLICA_WRITE_FAILED`. */
  write(lines: readonly RawLine[]): void {
    const body = serialize(lines);
    const record = Buffer.allocUnsafe(LENGTH_BYTES + body.length);
    record.writeUInt32LE(body.length);
    body.copy(record, LENGTH_BYTES);
    try {
      this.#append(record);
    } catch (error) {
      throw replicaFileFailure(error, this.#file);
    }
  }

  /** What was written, in order and in the same portions. */
  *read(): Iterable<readonly RawLine[]> {
    const head = Buffer.alloc(LENGTH_BYTES);
    for (let at = 0; at < this.#sizeBytes; ) {
      this.#fill(head, at);
      const body = Buffer.allocUnsafe(head.readUInt32LE());
      this.#fill(body, at + LENGTH_BYTES);
      yield deserialize(body) as readonly RawLine[];
      at += LENGTH_BYTES + body.length;
    }
  }

  /** Forgets everything, and gives the space back. */
  clear(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
    this.#sizeBytes = 0;
  }

  #append(bytes: Uint8Array): void {
    const descriptor = this.#open();
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(descriptor, bytes, done, bytes.length - done, this.#sizeBytes + done);
    }
    this.#sizeBytes += bytes.length;
  }

  #open(): number {
    if (this.#descriptor !== null) return this.#descriptor;
    const path = `${this.#file}.download-${process.pid}.spool`;
    const descriptor = openSync(path, 'w+');
    rmSync(path);
    this.#descriptor = descriptor;
    return descriptor;
  }

  #fill(buffer: Buffer, at: number): void {
    const descriptor = this.#open();
    for (let done = 0; done < buffer.length; ) {
      const count = readSync(descriptor, buffer, done, buffer.length - done, at + done);
      if (count === 0) throw new RangeError('the spool ends inside of a record');
      done += count;
    }
  }
}
