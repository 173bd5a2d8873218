/**
 * An upload of one local transaction that is too large to be held as objects: it stays the bytes that arrived, and is
 * read piece by piece. What is wrong with its form is found before anything is done, as for every upload.
 */
import { TidelockError } from '../core/errors.ts';
import type { Upload, UploadChange } from '../core/upload.ts';
import { isChange, malformed, parseLines, readHead, readTransaction } from './upload-reader.ts';

/** Lines that are read together. As objects they take some ten times as much. */
const PIECE_BYTES = 1024 * 1024;
const LINE_END = 10;

export class LargeUpload {
  readonly #bytes: Uint8Array;
  readonly #pieceBytes: number;
  readonly #tables = new Set<string>();
  readonly #head: Upload['head'];
  readonly #opening: { readonly number: number; readonly nonce: string };
  /** Where the changes begin. */
  readonly #start: number;

  /** Throws `BAD_REQUEST` for the first two lines. */
  constructor(bytes: Uint8Array, pieceBytes: number = PIECE_BYTES) {
    this.#bytes = bytes;
    this.#pieceBytes = pieceBytes;
    const second = this.#lineEnd(0);
    this.#start = this.#lineEnd(second);
    const [head, opening] = parseLines(this.#text(0, this.#start), 1);
    this.#head = readHead(head);
    if (!Array.isArray(opening) || opening[0] !== 't')
      throw malformed(2, 'it opens no transaction');
    this.#opening = readTransaction(opening, { changes: [], before: undefined, place: 2 });
  }

  /** Reads all of it once; between two pieces the caller may do something else. Throws `BAD_REQUEST`, `TOO_LARGE`. */
  *check(): Generator<void> {
    for (const changes of this.#pieces()) {
      for (const [, table] of changes) this.#tables.add(table);
      yield;
    }
  }

  /** After `check`. */
  get upload(): Upload {
    const { number, nonce } = this.#opening;
    const pieces = (): Iterable<readonly UploadChange[]> => this.#pieces();
    const large = { tables: [...this.#tables].sort(), pieces };
    return { head: this.#head, transactions: [{ number, nonce, changes: [], large }] };
  }

  *#pieces(): Generator<readonly UploadChange[]> {
    let place = 3;
    for (let start = this.#start; start < this.#bytes.length; ) {
      const end = this.#lineEnd(start + this.#pieceBytes - 1);
      const lines = parseLines(this.#text(start, end), place);
      for (const line of lines) {
        requireChange(line, place);
        place += 1;
      }
      yield lines as readonly UploadChange[];
      start = end;
    }
  }

  /** Behind the end of the line that has the byte at `from`. */
  #lineEnd(from: number): number {
    const at = this.#bytes.indexOf(LINE_END, from);
    return at < 0 ? this.#bytes.length : at + 1;
  }

  #text(start: number, end: number): string {
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(this.#bytes.subarray(start, end));
    } catch (cause) {
      throw new TidelockError({
        code: 'BAD_REQUEST',
        message: 'the upload is not UTF-8',
        hint: 'docs/merge.md has the form of an upload',
        cause,
      });
    }
  }
}

function requireChange(line: unknown, place: number): void {
  if (isChange(line)) return;
  if (!Array.isArray(line) || line[0] !== 't') throw malformed(place, 'it is no change');
  throw new TidelockError({
    code: 'TOO_LARGE',
    message: 'an upload of this size may have one transaction only',
    hint: 'send fewer transactions at a time',
  });
}
