/**
 * A reader with the rules of the original Lockstep client: it parses the chunked encoding itself, byte by byte, and
 * fails when a chunk is not exactly one JSON object (or an empty line).
 */
import { connect, type Socket } from 'node:net';

export type StrictOptions = {
  readonly port: number;
  readonly path: string;
  /** Handed to the parser in pieces of this size, as a bad network would. */
  readonly pieceBytes?: number;
};

export class StrictClient {
  readonly objects: Readonly<Record<string, unknown>>[] = [];
  status = 0;
  header = '';
  /** True after the final chunk of length 0. */
  isEnded = false;
  error: Error | null = null;
  readonly #socket: Socket;
  readonly #pieceBytes: number;
  #rest = Buffer.alloc(0);
  #isInBody = false;

  constructor({ port, path, pieceBytes }: StrictOptions) {
    this.#pieceBytes = pieceBytes ?? Number.POSITIVE_INFINITY;
    this.#socket = connect(port, '127.0.0.1');
    this.#socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
    this.#socket.on('data', (bytes) => this.#take(bytes));
    this.#socket.on('error', (error) => {
      this.error ??= error;
    });
  }

  leave(): void {
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += this.#pieceBytes) {
      this.#rest = Buffer.concat([this.#rest, bytes.subarray(at, at + this.#pieceBytes)]);
      try {
        while (this.#step());
      } catch (error) {
        this.error ??= error as Error;
        this.#socket.destroy();
        return;
      }
    }
  }

  /** False when more bytes are needed. */
  #step(): boolean {
    if (!this.#isInBody) return this.#readHeader();
    const line = this.#rest.indexOf('\r\n');
    if (line < 0) return false;
    const size = Number.parseInt(this.#rest.toString('latin1', 0, line), 16);
    const end = line + 2 + size;
    if (this.#rest.length < end + 2) return false;
    const text = this.#rest.toString('utf8', line + 2, end);
    this.#rest = this.#rest.subarray(end + 2);
    if (size === 0) this.isEnded = true;
    else if (text !== '\r\n') this.objects.push(objectOf(text));
    return true;
  }

  #readHeader(): boolean {
    const end = this.#rest.indexOf('\r\n\r\n');
    if (end < 0) return false;
    this.header = this.#rest.toString('latin1', 0, end);
    this.status = Number(this.header.split(' ')[1]);
    if (!/^transfer-encoding: chunked$/im.test(this.header)) throw new Error(this.header);
    this.#rest = this.#rest.subarray(end + 4);
    this.#isInBody = true;
    return true;
  }
}

function objectOf(text: string): Readonly<Record<string, unknown>> {
  const value: unknown = JSON.parse(text); // two objects in one chunk, or half a one, fail here
  if (typeof value !== 'object' || value === null) throw new Error(`no object: ${text}`);
  return value as Readonly<Record<string, unknown>>;
}
