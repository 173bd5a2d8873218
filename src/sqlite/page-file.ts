/**
 * The pages of a SQLite file that nobody else has open for writing, as far as appending needs them. The format
 * is https://www.sqlite.org/fileformat2.html, which SQLite promises to keep.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { assert } from '../core/assert.ts';

/** Pages that are written together. */
const BUFFERED_PAGES = 256;
const HEADER_BYTES = 100;
/** SQLite never uses the page that holds this byte: its locks are there. */
const LOCK_BYTE = 0x4000_0000;
const UTF8 = 1;

export class PageFile {
  readonly pageSize: number;
  readonly #descriptor: number;
  readonly #lockPage: number;
  readonly #buffer: Buffer;
  /** Pages in all, and how many of them are still in the buffer. */
  #count: number;
  #buffered = 0;

  private constructor(descriptor: number, header: Buffer) {
    const size = header.readUInt16BE(16);
    this.pageSize = size === 1 ? 0x1_0000 : size;
    this.#descriptor = descriptor;
    this.#lockPage = LOCK_BYTE / this.pageSize + 1;
    this.#buffer = Buffer.allocUnsafe(BUFFERED_PAGES * this.pageSize); // pages are written whole
    this.#count = header.readUInt32BE(28);
  }

  /** Opens a file that SQLite made and that no connection has a transaction on. */
  static open(file: string): PageFile {
    const descriptor = openSync(file, 'r+');
    const header = Buffer.alloc(HEADER_BYTES);
    readSync(descriptor, header, 0, HEADER_BYTES, 0);
    const hasMaps = header.readUInt32BE(52) !== 0;
    const isPlain = header[20] === 0 && !hasMaps && header.readUInt32BE(56) === UTF8;
    assert(isPlain, `${file} has no reserved bytes, no pointer maps and UTF-8 texts`);
    return new PageFile(descriptor, header);
  }

  /** The number that the next page gets. */
  get next(): number {
    return this.after(this.#count);
  }

  /** The number that follows `page`. */
  after(page: number): number {
    return page + 1 === this.#lockPage ? page + 2 : page + 1;
  }

  /** Adds a page, whose bytes are copied. Returns its number. */
  append(page: Buffer): number {
    const number = this.next;
    while (this.#count < number) {
      const isSkipped = this.#count + 1 < number;
      const at = this.#buffered * this.pageSize;
      if (isSkipped) this.#buffer.fill(0, at, at + this.pageSize);
      else page.copy(this.#buffer, at);
      this.#count += 1;
      this.#buffered += 1;
      if (this.#buffered === BUFFERED_PAGES) this.#writeBuffer();
    }
    return number;
  }

  /** Replaces a page that was there when the file was opened. */
  replace(number: number, page: Buffer): void {
    this.#write(page, number);
  }

  /** Writes everything, and tells SQLite by the header that the file was changed behind its back. */
  flush(): void {
    this.#writeBuffer();
    const header = Buffer.alloc(HEADER_BYTES);
    readSync(this.#descriptor, header, 0, HEADER_BYTES, 0);
    const changes = (header.readUInt32BE(24) + 1) >>> 0;
    header.writeUInt32BE(changes, 24);
    header.writeUInt32BE(this.#count, 28);
    header.writeUInt32BE(changes, 92);
    this.#write(header, 1);
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #writeBuffer(): void {
    if (this.#buffered === 0) return;
    const bytes = this.#buffer.subarray(0, this.#buffered * this.pageSize);
    this.#write(bytes, this.#count - this.#buffered + 1);
    this.#buffered = 0;
  }

  #write(bytes: Buffer, firstPage: number): void {
    const position = (firstPage - 1) * this.pageSize;
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(this.#descriptor, bytes, done, bytes.length - done, position + done);
    }
  }
}
