/** An upload of local transactions, as it is read from its lines (protocol/upload.ts), and what the server answers. */
import type { Ts } from './lsn.ts';
import type { JsonCell } from './value.ts';

export type UploadHead = {
  /** The uuid of the file that writes. */
  readonly site: string;
  /** History and position of the file's base. */
  readonly timeline: string;
  readonly position: Ts;
  /** The outcomes of all transactions up to this number are known to the file. */
  readonly settled: number;
  /** For whom the file was opened: the token must be of the same user. */
  readonly user?: string | undefined;
};

/**
 * A value as JSON, by its column's kind. What SQLite holds but the column cannot (text in a number's column, bytes
 * in a text's) is a string or one of the two objects: Postgres decides about the text, bytes are refused.
 */
export type UploadValue = JsonCell | { readonly text: string } | { readonly bytes: string };

export type InsertChange = readonly [
  'i',
  table: string,
  cl: number,
  key: readonly UploadValue[],
  values: readonly UploadValue[],
];
export type ColumnWrite = readonly [place: number, version: number, value: UploadValue];
export type UpdateChange = readonly [
  'u',
  table: string,
  cl: number,
  key: readonly UploadValue[],
  writes: readonly ColumnWrite[],
];
export type DeleteChange = readonly ['d', table: string, cl: number, key: readonly UploadValue[]];
export type UploadChange = InsertChange | UpdateChange | DeleteChange;

export type UploadTransaction = {
  /** Consecutive per site, from 1. */
  readonly number: number;
  /** Random: tells two copies of one file apart, which give the same number to different transactions. */
  readonly nonce: string;
  /** Empty for a large one. */
  readonly changes: readonly UploadChange[];
  /** Of a transaction that is too large to be held as objects. It is alone in its upload. */
  readonly large?: LargeChanges;
};

export type LargeChanges = {
  /** Every table that a change names. */
  readonly tables: readonly string[];
  /** All changes in their order, some thousand at a time; as often as asked. */
  pieces(): Iterable<readonly UploadChange[]>;
};

export type Upload = {
  readonly head: UploadHead;
  /** Consecutive; may be empty. */
  readonly transactions: readonly UploadTransaction[];
};

/** Why the server refused a transaction. A refused one changes nothing; the others of the upload land. */
export const REJECTION_CODES = {
  /** Row-level security of Postgres forbids it, or a right is missing. */
  DENIED: 'the user may not write this row, or not like this',
  /** A constraint of Postgres: unique, foreign key, check, not null. */
  CONSTRAINT: 'a constraint of Postgres forbids it',
  /** A value cannot be of its column's type, or has the wrong shape. */
  BAD_VALUE: 'Postgres cannot read a value as its column’s type',
  /** An update of a row that the server never saw: its insert was refused, or it ended in Postgres long ago. */
  ROW_MISSING: 'the row is not there',
  /** An insert of a key that a row or a deleted row has which the user cannot see. */
  KEY_TAKEN: 'the key is taken by a row that the user cannot see',
  /** The table has no row-level security, and the token does not cover the row before and after. */
  FORBIDDEN_SELECTOR: 'the token does not cover the row',
  /** Postgres cannot store a row or value of this size. */
  TOO_LARGE: 'a row or value is larger than Postgres can store',
  /** A version or causal length that no history of honest writes can have. */
  BAD_VERSION: 'a version is out of range',
  /** The table is not two-way (any more), or has no such column. */
  NOT_TWOWAY: 'the table or column is not two-way',
} as const satisfies Record<string, string>;

export type RejectionCode = keyof typeof REJECTION_CODES;

export type Rejection = {
  readonly number: number;
  readonly code: RejectionCode;
  /** One sentence. Never holds data of others. */
  readonly message: string;
  readonly table?: string | undefined;
  readonly key?: readonly UploadValue[] | undefined;
};

export type UploadAnswer = {
  /** Every transaction up to here has its outcome: it is in Postgres, or among `rejected`. */
  readonly accepted: number;
  readonly timeline: string;
  /** A base at or after this position has everything that was accepted. */
  readonly position: Ts;
  /** All refused transactions after `settled`, also those of earlier uploads; by number. */
  readonly rejected: readonly Rejection[];
};
