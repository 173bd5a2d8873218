/**
 * The messages of Transicator (package `common`, proto2), written down from its reference and read by
 * reflection. Nothing here is shared with the server: a mistake there is not made here a second time.
 */
import { create, createFileRegistry, type DescMessage, fromBinary } from '@bufbuild/protobuf';
import {
  FileDescriptorSetSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from '@bufbuild/protobuf/wkt';

/** A value as decoded: 64-bit integers are bigint, an absent or empty one is null. */
export type WireValue = null | string | bigint | number | Uint8Array | boolean;

export type WireColumn = {
  readonly name: string;
  readonly value: WireValue;
  /** Postgres' type id. */
  readonly type: number;
};

export const INSERT = 1;
export const UPDATE = 2;
export const DELETE = 3;

export type WireChange = {
  readonly operation: number;
  /** `schema.table` */
  readonly table: string;
  readonly sequence: string;
  readonly commitSequence: bigint;
  readonly commitIndex: number;
  readonly txid: bigint;
  readonly newColumns: readonly WireColumn[];
  readonly oldColumns: readonly WireColumn[];
};

export type WireChangeList = {
  readonly lastSequence: string;
  readonly firstSequence: string;
  readonly changes: readonly WireChange[];
};

type Kind = keyof typeof Type | `repeated ${string}` | `.${string}`;

/** `name: [number, kind]`; kinds that begin with a dot are messages. */
type Fields = Readonly<Record<string, readonly [number: number, kind: Kind]>>;

const VALUE: Fields = {
  string: [1, 'STRING'],
  int: [2, 'INT64'],
  uint: [3, 'UINT64'],
  double: [4, 'DOUBLE'],
  bytes: [5, 'BYTES'],
  bool: [6, 'BOOL'],
  timestamp: [7, 'INT64'],
};

const MESSAGES: Readonly<Record<string, Fields>> = {
  ValuePb: VALUE,
  ColumnPb: { name: [1, 'STRING'], value: [2, '.ValuePb'], type: [3, 'INT32'] },
  ChangePb: {
    operation: [1, 'INT32'],
    table: [2, 'STRING'],
    sequence: [3, 'STRING'],
    commitSequence: [4, 'UINT64'],
    changeSequence: [5, 'UINT64'],
    commitIndex: [6, 'UINT32'],
    transactionID: [7, 'UINT32'],
    newColumns: [8, 'repeated ColumnPb'],
    oldColumns: [9, 'repeated ColumnPb'],
    timestamp: [10, 'INT64'],
    transactionIDEpoch: [11, 'UINT64'],
  },
  ChangeListPb: {
    lastSequence: [1, 'STRING'],
    firstSequence: [2, 'STRING'],
    changes: [3, 'repeated ChangePb'],
  },
  SnapshotHeaderPb: { timestamp: [1, 'STRING'], snapshot: [2, 'STRING'] },
  TableHeaderPb: { name: [1, 'STRING'], columns: [2, 'repeated ColumnPb'] },
  RowPb: { values: [1, 'repeated ValuePb'] },
  StreamMessagePb: { table: [1, '.TableHeaderPb'], row: [2, '.RowPb'] },
};

/** Messages whose fields are alternatives. */
const ALTERNATIVES: ReadonlySet<string> = new Set(['ValuePb', 'StreamMessagePb']);

function fieldOf(message: string, name: string, [number, kind]: readonly [number, Kind]) {
  const of = /^(?:repeated |\.)(\w+)$/.exec(kind)?.[1];
  return {
    name,
    number,
    label: kind.startsWith('repeated') ? Label.REPEATED : Label.OPTIONAL,
    ...(of === undefined
      ? { type: Type[kind as keyof typeof Type] }
      : { type: Type.MESSAGE, typeName: `.common.${of}` }),
    ...(ALTERNATIVES.has(message) ? { oneofIndex: 0 } : {}),
  };
}

const REGISTRY = createFileRegistry(
  create(FileDescriptorSetSchema, {
    file: [
      {
        name: 'common.proto',
        package: 'common',
        syntax: 'proto2',
        messageType: Object.entries(MESSAGES).map(([name, fields]) => ({
          name,
          field: Object.entries(fields).map(([field, shape]) => fieldOf(name, field, shape)),
          oneofDecl: ALTERNATIVES.has(name) ? [{ name: 'content' }] : [],
        })),
      },
    ],
  }),
);

function descriptor(name: string): DescMessage {
  const found = REGISTRY.getMessage(`common.${name}`);
  if (found === undefined) throw new Error(`no message ${name}`);
  return found;
}

const CHANGE_LIST = descriptor('ChangeListPb');
const HEADER = descriptor('SnapshotHeaderPb');
const STREAM = descriptor('StreamMessagePb');

type ValuePb = { readonly content: { readonly case?: string; readonly value?: WireValue } };
type ColumnPb = { readonly name: string; readonly type: number; readonly value?: ValuePb };
type ChangePb = Omit<WireChange, 'newColumns' | 'oldColumns' | 'txid'> & {
  readonly transactionID: number;
  readonly transactionIDEpoch: bigint;
  readonly newColumns: readonly ColumnPb[];
  readonly oldColumns: readonly ColumnPb[];
};
type ChangeListPb = Omit<WireChangeList, 'changes'> & { readonly changes: readonly ChangePb[] };

/** The body of an answer of `/changes`. Throws on anything that is no such message. */
export function decodeChanges(bytes: Uint8Array): WireChangeList {
  const { lastSequence, firstSequence, changes } = fromBinary(
    CHANGE_LIST,
    bytes,
  ) as unknown as ChangeListPb;
  return { lastSequence, firstSequence, changes: changes.map(changeOf) };
}

function changeOf({ operation, table, sequence, ...rest }: ChangePb): WireChange {
  const { commitSequence, commitIndex, transactionID, transactionIDEpoch } = rest;
  return {
    ...{ operation, table, sequence, commitSequence, commitIndex },
    txid: transactionIDEpoch > 0n ? transactionIDEpoch : BigInt(transactionID),
    newColumns: rest.newColumns.map(columnOf),
    oldColumns: rest.oldColumns.map(columnOf),
  };
}

function columnOf({ name, type, value }: ColumnPb): WireColumn {
  return { name, type, value: plainValue(value) };
}

function plainValue(value: ValuePb | undefined): WireValue {
  return value?.content.value ?? null;
}

/** One piece of a protobuf snapshot. */
export type SnapshotPiece =
  | { readonly kind: 'header'; readonly snapshot: string; readonly timestamp: string }
  | { readonly kind: 'table'; readonly name: string; readonly columns: readonly WireColumn[] }
  | { readonly kind: 'row'; readonly values: readonly WireValue[] };

type HeaderPb = { readonly snapshot: string; readonly timestamp: string };
type TableHeaderPb = { readonly name: string; readonly columns: readonly ColumnPb[] };
type RowPb = { readonly values: readonly ValuePb[] };
type StreamPb = {
  readonly content:
    | { readonly case: 'table'; readonly value: TableHeaderPb }
    | { readonly case: 'row'; readonly value: RowPb }
    | { readonly case: undefined };
};

/** The body of a protobuf snapshot: frames of a 4-byte big-endian length and a message. */
export function decodeSnapshot(bytes: Uint8Array): readonly SnapshotPiece[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const pieces: SnapshotPiece[] = [];
  for (let at = 0; at < bytes.length; ) {
    const start = at + 4;
    at = start + view.getUint32(at);
    if (at > bytes.length) throw new Error('the snapshot ends inside a frame');
    const frame = bytes.subarray(start, at);
    pieces.push(pieces.length === 0 ? headerOf(frame) : pieceOf(frame));
  }
  return pieces;
}

function headerOf(frame: Uint8Array): SnapshotPiece {
  const { snapshot, timestamp } = fromBinary(HEADER, frame) as unknown as HeaderPb;
  return { kind: 'header', snapshot, timestamp };
}

function pieceOf(frame: Uint8Array): SnapshotPiece {
  const { content } = fromBinary(STREAM, frame) as unknown as StreamPb;
  if (content.case === 'table') {
    const { name, columns } = content.value;
    return { kind: 'table', name, columns: columns.map(columnOf) };
  }
  if (content.case === 'row') return { kind: 'row', values: content.value.values.map(plainValue) };
  throw new Error('a frame of the snapshot is neither table nor row');
}
