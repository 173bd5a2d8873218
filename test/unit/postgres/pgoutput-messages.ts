/** Builds pgoutput messages and the CopyData frames around them, from the protocol's description. */
export type TestValue = string | null | undefined;

function int32(value: number): Buffer {
  const b = Buffer.alloc(4);
  b.writeUInt32BE(value >>> 0);
  return b;
}

function int64(value: bigint | number): Buffer {
  const b = Buffer.alloc(8);
  b.writeBigInt64BE(BigInt(value));
  return b;
}

function int16(value: number): Buffer {
  const b = Buffer.alloc(2);
  b.writeUInt16BE(value);
  return b;
}

const letter = (text: string): Buffer => Buffer.from(text, 'latin1');
const cString = (text: string): Buffer => Buffer.from(`${text}\0`);

/** `undefined` stands for an unchanged out-of-line value. */
function tuple(values: readonly TestValue[]): Buffer {
  const parts = values.map((value) => {
    if (value === null) return letter('n');
    if (value === undefined) return letter('u');
    const bytes = Buffer.from(value);
    return Buffer.concat([letter('t'), int32(bytes.length), bytes]);
  });
  return Buffer.concat([int16(values.length), ...parts]);
}

/** Inside a piece of an open transaction every message carries a (sub)transaction id. */
const ids = (subxid: number | undefined): Buffer =>
  subxid === undefined ? Buffer.alloc(0) : int32(subxid);

export type RelationInit = {
  readonly oid: number;
  readonly name: string;
  readonly columns: readonly string[];
  readonly identity?: string;
  readonly subxid?: number;
};

export function relation(init: RelationInit): Buffer {
  const columns = init.columns.map((column) =>
    Buffer.concat([Buffer.from([0]), cString(column), int32(25), int32(-1)]),
  );
  return Buffer.concat([
    ...[letter('R'), ids(init.subxid), int32(init.oid), cString('public'), cString(init.name)],
    ...[letter(init.identity ?? 'd'), int16(columns.length), ...columns],
  ]);
}

export function insert(oid: number, row: readonly TestValue[], subxid?: number): Buffer {
  return Buffer.concat([letter('I'), ids(subxid), int32(oid), letter('N'), tuple(row)]);
}

export type UpdateInit = {
  readonly oid: number;
  readonly key?: readonly TestValue[];
  readonly old?: readonly TestValue[];
  readonly row: readonly TestValue[];
  readonly subxid?: number;
};

export function update({ oid, key, old, row, subxid }: UpdateInit): Buffer {
  const before =
    key !== undefined
      ? [letter('K'), tuple(key)]
      : old !== undefined
        ? [letter('O'), tuple(old)]
        : [];
  return Buffer.concat([
    ...[letter('U'), ids(subxid), int32(oid), ...before, letter('N'), tuple(row)],
  ]);
}

export function remove(oid: number, key: readonly TestValue[], subxid?: number): Buffer {
  return Buffer.concat([letter('D'), ids(subxid), int32(oid), letter('K'), tuple(key)]);
}

export function truncate(oids: readonly number[], subxid?: number): Buffer {
  return Buffer.concat([
    ...[letter('T'), ids(subxid), int32(oids.length), Buffer.from([0]), ...oids.map(int32)],
  ]);
}

export function message(prefix: string, content: string, subxid?: number): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([
    ...[letter('M'), ids(subxid), Buffer.from([1]), int64(0x1_0000_0010)],
    ...[cString(prefix), int32(bytes.length), bytes],
  ]);
}

export const begin = (xid: number): Buffer =>
  Buffer.concat([letter('B'), int64(0), int64(0), int32(xid)]);

export const commit = (lsn: number, end: number, micros = 0): Buffer =>
  Buffer.concat([letter('C'), Buffer.from([0]), int64(lsn), int64(end), int64(micros)]);

export const streamStart = (xid: number, isFirst: boolean): Buffer =>
  Buffer.concat([letter('S'), int32(xid), Buffer.from([isFirst ? 1 : 0])]);

export const streamStop = (): Buffer => letter('E');

export const streamCommit = (xid: number, lsn: number, end: number): Buffer =>
  Buffer.concat([letter('c'), int32(xid), Buffer.from([0]), int64(lsn), int64(end), int64(0)]);

export const streamAbort = (xid: number, subxid: number): Buffer =>
  Buffer.concat([letter('A'), int32(xid), int32(subxid)]);

/** One protocol message: type, length, body. */
export function frame(type: string, body: Buffer): Buffer {
  return Buffer.concat([letter(type), int32(body.length + 4), body]);
}
