/** The messages of a client, read. Source: PostgreSQL's documentation, "Message Formats". */

import { sqlError } from '../sql/errors.ts';
import type { Frame } from './frames.ts';
import { protocolError } from './wire-error.ts';

export type Format = 'text' | 'binary';
export type Target = 'statement' | 'portal';

export type ClientMessage =
  | { readonly kind: 'query'; readonly sql: string }
  | {
      readonly kind: 'parse';
      readonly name: string;
      readonly sql: string;
      /** 0 = not said. */
      readonly oids: readonly number[];
      readonly sizeBytes: number;
    }
  | {
      readonly kind: 'bind';
      readonly portal: string;
      readonly statement: string;
      /** None: all text. One: all that. Else one each. */
      readonly formats: readonly Format[];
      readonly values: readonly (Buffer | null)[];
      readonly resultFormats: readonly Format[];
      readonly sizeBytes: number;
    }
  | { readonly kind: 'describe' | 'close'; readonly target: Target; readonly name: string }
  /** `rowsMax` 0: all. */
  | { readonly kind: 'execute'; readonly portal: string; readonly rowsMax: number }
  | { readonly kind: 'flush' | 'sync' | 'terminate' }
  /** Left over from a COPY that has ended. */
  | { readonly kind: 'copy' }
  | { readonly kind: 'password'; readonly password: string };

export type StartupPacket =
  | { readonly kind: 'encryption'; readonly way: 'tls' | 'gss' }
  | { readonly kind: 'cancel'; readonly connection: number; readonly secret: number }
  | {
      readonly kind: 'startup';
      readonly minor: number;
      readonly parameters: ReadonlyMap<string, string>;
    };

const SSL_REQUEST = 80877103;
const GSS_REQUEST = 80877104;
const CANCEL_REQUEST = 80877102;
const MAJOR = 3;
const PARAMETERS_MAX = 100;

export function readStartup({ body }: Frame): StartupPacket {
  const reader = new Reader(body);
  const code = reader.int32();
  if (code === SSL_REQUEST) return { kind: 'encryption', way: 'tls' };
  if (code === GSS_REQUEST) return { kind: 'encryption', way: 'gss' };
  if (code === CANCEL_REQUEST) {
    return { kind: 'cancel', connection: reader.int32(), secret: reader.int32() };
  }
  if (code >>> 16 !== MAJOR) {
    throw sqlError('0A000', 'only version 3 of the protocol is spoken here');
  }
  const parameters = new Map<string, string>();
  for (let name = reader.text(); name !== ''; name = reader.text()) {
    parameters.set(name, reader.text());
    if (parameters.size > PARAMETERS_MAX) throw protocolError('too many start-up parameters');
  }
  return { kind: 'startup', minor: code & 0xffff, parameters };
}

export function readMessage({ type, body }: Frame): ClientMessage {
  const reader = new Reader(body);
  const message = read(type, reader, body.length);
  if (message.kind !== 'copy') reader.end();
  return message;
}

function read(type: string, reader: Reader, sizeBytes: number): ClientMessage {
  switch (type) {
    case 'Q':
      return { kind: 'query', sql: reader.text() };
    case 'P': {
      const [name, sql] = [reader.text(), reader.text()];
      return { kind: 'parse', name, sql, oids: reader.list(() => reader.uint32()), sizeBytes };
    }
    case 'B':
      return bind(reader, sizeBytes);
    case 'D':
      return { kind: 'describe', target: target(reader), name: reader.text() };
    case 'C':
      return { kind: 'close', target: target(reader), name: reader.text() };
    case 'E':
      return { kind: 'execute', portal: reader.text(), rowsMax: Math.max(0, reader.int32()) };
    case 'H':
      return { kind: 'flush' };
    case 'S':
      return { kind: 'sync' };
    case 'X':
      return { kind: 'terminate' };
    case 'd':
    case 'c':
    case 'f':
      return { kind: 'copy' };
    case 'p':
      return { kind: 'password', password: reader.text() };
    case 'F':
      throw sqlError('0A000', 'function calls by message are not supported: use SELECT');
    default:
      throw protocolError(`no message has the type ${JSON.stringify(type)}`);
  }
}

function bind(reader: Reader, sizeBytes: number): ClientMessage {
  const [portal, statement] = [reader.text(), reader.text()];
  const formats = reader.list(() => format(reader));
  const values = reader.list(() => reader.value());
  const resultFormats = reader.list(() => format(reader));
  return { kind: 'bind', portal, statement, formats, values, resultFormats, sizeBytes };
}

function format(reader: Reader): Format {
  const code = reader.int16();
  if (code > 1) throw protocolError(`no format has the number ${code}`);
  return code === 1 ? 'binary' : 'text';
}

function target(reader: Reader): Target {
  const type = reader.char();
  if (type === 'S') return 'statement';
  if (type === 'P') return 'portal';
  throw protocolError('only statements and portals can be described and closed');
}

/** Reads from the front; whatever is missing is the client's fault. */
class Reader {
  readonly #body: Buffer;
  #at = 0;

  constructor(body: Buffer) {
    this.#body = body;
  }

  int32(): number {
    return this.#body.readInt32BE(this.#step(4));
  }

  uint32(): number {
    return this.#body.readUInt32BE(this.#step(4));
  }

  int16(): number {
    return this.#body.readUInt16BE(this.#step(2));
  }

  char(): string {
    return String.fromCharCode(this.#body.readUInt8(this.#step(1)));
  }

  /** Up to the next zero byte. */
  text(): string {
    const end = this.#body.indexOf(0, this.#at);
    if (end < 0) throw protocolError('a text in a message has no end');
    const start = this.#step(end - this.#at + 1);
    return textOf(this.#body.subarray(start, end));
  }

  /** A counted value; the count -1 is NULL. */
  value(): Buffer | null {
    const size = this.int32();
    if (size < -1) throw protocolError('a value has an impossible length');
    if (size === -1) return null;
    const start = this.#step(size);
    return this.#body.subarray(start, start + size);
  }

  /** Every item takes bytes of the message, which bounds the list. */
  list<T>(read: () => T): T[] {
    const count = this.int16();
    const items: T[] = [];
    for (let index = 0; index < count; index += 1) items.push(read());
    return items;
  }

  end(): void {
    if (this.#at !== this.#body.length) throw protocolError('a message is longer than its content');
  }

  #step(size: number): number {
    const start = this.#at;
    if (start + size > this.#body.length) throw protocolError('a message ends too early');
    this.#at = start + size;
    return start;
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Throws for bytes that are not UTF-8, and for a zero byte, which no text has. */
export function textOf(bytes: Uint8Array): string {
  if (bytes.includes(0)) throw sqlError('22021', 'a text has no zero byte');
  try {
    return UTF8.decode(bytes);
  } catch {
    throw sqlError('22021', 'a text is not valid UTF-8');
  }
}
