/**
 * Avro object container files (Avro 1.11, "Object Container Files"), appended to block by block. Types and values are
 * encoded by `avsc`; its own container writer is a stream, which cannot be made durable at a known place.
 */
import { createHash } from 'node:crypto';
import avro, { type Schema } from 'avsc';
import type { Column, SqlRow, SqlType, SqlValue } from '../../sql/types.ts';

const MAGIC = Buffer.from('Obj\x01', 'latin1');

/** int8 and times have 64 bits; numbers of JavaScript 53. */
const longType = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(value);
    return bytes;
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (a: bigint, b: bigint) => (a === b ? 0 : a < b ? -1 : 1),
});
const headerType = avro.Type.forSchema({ type: 'map', values: 'bytes' });

const PRIMITIVES: Partial<Record<SqlType, Schema>> = {
  bool: 'boolean',
  int2: 'int',
  int4: 'int',
  int8: 'long',
  float4: 'float',
  float8: 'double',
  bytea: 'bytes',
};

/** A change of a relation, as a record: `time`, `diff` (how often the row came or, below zero, went) and `row`. */
export type AvroChange = { readonly time: number; readonly diff: number; readonly row: SqlRow };

export class AvroWriter {
  readonly #type: avro.Type;
  readonly #names: readonly string[];
  readonly #schema: string;
  readonly #sync: Buffer;

  constructor(columns: readonly Column[]) {
    this.#names = fieldNames(columns);
    const fields = columns.map(({ type }, index) => ({
      name: this.#names[index] ?? '',
      type: ['null', PRIMITIVES[type] ?? 'string'],
    }));
    const schema = {
      type: 'record',
      name: 'change',
      fields: [
        { name: 'time', type: 'long' },
        { name: 'diff', type: 'long' },
        { name: 'row', type: { type: 'record', name: 'data', fields } },
      ],
    } as Schema;
    this.#schema = JSON.stringify(schema);
    this.#type = avro.Type.forSchema(schema, {
      registry: { long: longType },
      wrapUnions: false,
    });
    this.#sync = createHash('md5').update(this.#schema).digest();
  }

  header(): Buffer {
    const meta = { 'avro.schema': Buffer.from(this.#schema), 'avro.codec': Buffer.from('null') };
    return Buffer.concat([MAGIC, headerType.toBuffer(meta), this.#sync]);
  }

  /** One block. */
  block(changes: readonly AvroChange[]): Buffer {
    const records = Buffer.concat(
      changes.map((change) => this.#type.toBuffer(this.#record(change))),
    );
    const head = [changes.length, records.length].map((count) => longType.toBuffer(BigInt(count)));
    return Buffer.concat([...head, records, this.#sync]);
  }

  #record({ time, diff, row }: AvroChange): unknown {
    const data = Object.fromEntries(
      this.#names.map((name, index) => [name, avroValue(row[index] ?? null)]),
    );
    return { time: BigInt(time), diff: BigInt(diff), row: data };
  }
}

function avroValue(value: SqlValue): unknown {
  return value instanceof Uint8Array ? Buffer.from(value) : value;
}

/** Names of Avro have letters, digits and underscores; each is there once. */
function fieldNames(columns: readonly Column[]): string[] {
  const taken = new Set<string>();
  return columns.map(({ name }, index) => {
    const plain = name.replaceAll(/[^A-Za-z0-9_]/g, '_').replace(/^(?=\d|$)/, '_');
    const unique = taken.has(plain) ? `${plain}_${index + 1}` : plain;
    taken.add(unique);
    return unique;
  });
}
