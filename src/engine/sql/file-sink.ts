/**
 * Sinks that append to a file: Avro, or JSON lines. What is behind the noted place is cut off when a sink is opened again,
 * so each change is there once, whatever was torn.
 */
import { closeSync, fsyncSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import type { TimedDelta } from '../../coordinator/sql/worker.ts';
import { messageOf } from '../../core/errors.ts';
import { sqlError } from '../../sql/errors.ts';
import type { Column, SqlType, SqlValue } from '../../sql/types.ts';
import { AvroWriter } from './avro.ts';

/** How changes stand in the file. */
export type SinkFormat = {
  readonly header: () => Uint8Array;
  readonly changes: (deltas: readonly TimedDelta[]) => Uint8Array;
};

export function avroFormat(columns: readonly Column[]): SinkFormat {
  const writer = new AvroWriter(columns);
  return { header: () => writer.header(), changes: (deltas) => writer.block(deltas) };
}

/** One change a line: `{"time":5,"diff":1,"row":{"a":1}}`. int8 keeps its digits; numeric and times are strings. */
export function jsonFormat(columns: readonly Column[]): SinkFormat {
  const names = columns.map(({ name }) => JSON.stringify(name));
  const line = ({ time, diff, row }: TimedDelta): string => {
    const cells = columns.map(
      ({ type }, index) => `${names[index]}:${jsonOf(type, row[index] ?? null)}`,
    );
    return `{"time":${time},"diff":${diff},"row":{${cells.join(',')}}}\n`;
  };
  return {
    header: () => new Uint8Array(0),
    changes: (deltas) => Buffer.from(deltas.map(line).join('')),
  };
}

function jsonOf(type: SqlType, value: SqlValue): string {
  if (value === null) return 'null';
  if (type === 'jsonb') return String(value);
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Uint8Array) return `"\\\\x${Buffer.from(value).toString('hex')}"`;
  if (typeof value === 'number' && !Number.isFinite(value)) return `"${value}"`;
  return JSON.stringify(value);
}

export class FileSink {
  readonly #file: number;
  readonly #path: string;
  readonly #format: SinkFormat;
  #place: number;

  /** `place`: of an earlier life; null creates the file. Throws 58030 when it cannot, or is there already. */
  constructor(path: string, format: SinkFormat, place: number | null) {
    this.#path = path;
    this.#format = format;
    this.#file = this.#doing(() => openSync(path, place === null ? 'wx' : 'r+'));
    this.#place = place ?? 0;
    if (place === null) this.#append(format.header());
    else this.#doing(() => ftruncateSync(this.#file, place));
  }

  write(deltas: readonly TimedDelta[]): void {
    if (deltas.length > 0) this.#append(this.#format.changes(deltas));
  }

  /** Makes durable what was written; returns the place to go on at. */
  sync(): number {
    this.#doing(() => fsyncSync(this.#file));
    return this.#place;
  }

  close(): void {
    closeSync(this.#file);
  }

  #append(bytes: Uint8Array): void {
    this.#doing(() => {
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(this.#file, bytes, done, bytes.length - done, this.#place + done);
      }
    });
    this.#place += bytes.length;
  }

  #doing<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw sqlError('58030', `${this.#path} cannot be written: ${messageOf(error)}`, {
        hint: 'a sink makes its file itself, in a folder that is there',
        cause: error,
      });
    }
  }
}
