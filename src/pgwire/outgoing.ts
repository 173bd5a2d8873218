/** Messages to a client, written one behind the other into one buffer. */
import type { TransactionStatus } from '../sql/session.ts';
import { toPostgresText } from '../sql/text-values.ts';
import type { Column, SqlRow } from '../sql/types.ts';
import type { Format } from './incoming.ts';
import { oidOf, sizeOf } from './oids.ts';
import { binaryOf } from './value-binary.ts';
import type { ErrorFields } from './wire-error.ts';

const FIRST_BYTES = 4096;
/** Smaller buffers are copied and used again; larger ones are handed over. */
const COPY_BYTES_MAX = 16 * 1024;
const STATUS: Readonly<Record<TransactionStatus, string>> = { idle: 'I', open: 'T', failed: 'E' };

/** The format of a column, as a Bind message gave it. */
export function formatAt(formats: readonly Format[], index: number): Format {
  return (formats.length === 1 ? formats[0] : formats[index]) ?? 'text';
}

export class MessageWriter {
  #bytes = Buffer.allocUnsafe(FIRST_BYTES);
  #end = 0;
  #message = 0;

  get sizeBytes(): number {
    return this.#end;
  }

  /** Everything that was written since the last time. */
  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#end);
    const isSmall = this.#bytes.length <= COPY_BYTES_MAX;
    if (!isSmall) this.#bytes = Buffer.allocUnsafe(FIRST_BYTES);
    this.#end = 0;
    return isSmall ? Buffer.from(taken) : taken;
  }

  authenticationOk(): void {
    this.#begin('R');
    this.#int32(0);
    this.#close();
  }

  askPassword(): void {
    this.#begin('R');
    this.#int32(3);
    this.#close();
  }

  negotiateVersion(options: readonly string[]): void {
    this.#begin('v');
    this.#int32(0);
    this.#int32(options.length);
    for (const option of options) this.#text(option);
    this.#close();
  }

  parameterStatus(name: string, value: string): void {
    this.#begin('S');
    this.#text(name);
    this.#text(value);
    this.#close();
  }

  backendKey(connection: number, secret: number): void {
    this.#begin('K');
    this.#int32(connection);
    this.#int32(secret);
    this.#close();
  }

  ready(status: TransactionStatus): void {
    this.#begin('Z');
    this.#ascii(STATUS[status]);
    this.#close();
  }

  rowDescription(columns: readonly Column[], formats: readonly Format[]): void {
    this.#begin('T');
    this.#int16(columns.length);
    for (const [index, { name, type }] of columns.entries()) {
      this.#text(name);
      this.#int32(0);
      this.#int16(0);
      this.#int32(oidOf(type));
      this.#int16(sizeOf(type));
      this.#int32(-1);
      this.#int16(formatAt(formats, index) === 'binary' ? 1 : 0);
    }
    this.#close();
  }

  dataRow(columns: readonly Column[], formats: readonly Format[], row: SqlRow): void {
    this.#begin('D');
    this.#int16(columns.length);
    for (const [index, { type }] of columns.entries()) {
      const value = row[index] ?? null;
      if (value === null) this.#int32(-1);
      else if (formatAt(formats, index) === 'binary') this.#counted(binaryOf(type, value));
      else this.#counted(toPostgresText(type, value) ?? '');
    }
    this.#close();
  }

  parameterDescription(oids: readonly number[]): void {
    this.#begin('t');
    this.#int16(oids.length);
    for (const oid of oids) this.#int32(oid);
    this.#close();
  }

  commandComplete(tag: string): void {
    this.#begin('C');
    this.#text(tag);
    this.#close();
  }

  /** Messages without content. */
  sign(
    name:
      | 'emptyQuery'
      | 'parseComplete'
      | 'bindComplete'
      | 'closeComplete'
      | 'noData'
      | 'portalSuspended'
      | 'copyDone',
  ): void {
    this.#begin(SIGNS[name]);
    this.#close();
  }

  copyOut(columns: number): void {
    this.#begin('H');
    this.#ascii('\0');
    this.#int16(columns);
    for (let index = 0; index < columns; index += 1) this.#int16(0);
    this.#close();
  }

  copyData(line: string): void {
    this.#begin('d');
    this.#utf8(line);
    this.#close();
  }

  error(fields: ErrorFields, severity: 'ERROR' | 'FATAL'): void {
    this.#report('E', severity, fields);
  }

  notice(message: string): void {
    const fields = { sqlState: '00000', message, hint: undefined, position: undefined };
    this.#report('N', 'NOTICE', fields);
  }

  #report(type: string, severity: string, fields: ErrorFields): void {
    const { sqlState, message, hint, position } = fields;
    this.#begin(type);
    for (const [field, value] of [
      ...[['S', severity] as const, ['V', severity] as const, ['C', sqlState] as const],
      ...[['M', message] as const, ['H', hint] as const, ['P', position] as const],
    ]) {
      if (value === undefined) continue;
      this.#ascii(field);
      this.#text(String(value));
    }
    this.#ascii('\0');
    this.#close();
  }

  #begin(type: string): void {
    this.#message = this.#end + 1;
    this.#ascii(type);
    this.#int32(0);
  }

  #close(): void {
    this.#bytes.writeInt32BE(this.#end - this.#message, this.#message);
  }

  #counted(value: string | Uint8Array): void {
    const place = this.#end;
    this.#int32(0);
    if (typeof value === 'string') this.#utf8(value);
    else this.#raw(value);
    this.#bytes.writeInt32BE(this.#end - place - 4, place);
  }

  #int32(value: number): void {
    this.#room(4);
    this.#end = this.#bytes.writeInt32BE(value | 0, this.#end);
  }

  #int16(value: number): void {
    this.#room(2);
    this.#end = this.#bytes.writeInt16BE((value << 16) >> 16, this.#end);
  }

  #ascii(text: string): void {
    this.#room(text.length);
    this.#end += this.#bytes.write(text, this.#end, 'latin1');
  }

  /** Ends with a zero byte, and so cannot hold one. */
  #text(text: string): void {
    this.#utf8(text.replaceAll('\0', ''));
    this.#ascii('\0');
  }

  #utf8(text: string): void {
    this.#room(text.length * 3);
    this.#end += this.#bytes.write(text, this.#end, 'utf8');
  }

  #raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  #room(size: number): void {
    if (this.#end + size <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.#end + size));
    this.#bytes.copy(larger, 0, 0, this.#end);
    this.#bytes = larger;
  }
}

const SIGNS = {
  emptyQuery: 'I',
  parseComplete: '1',
  bindComplete: '2',
  closeComplete: '3',
  noData: 'n',
  portalSuspended: 's',
  copyDone: 'c',
} as const;
