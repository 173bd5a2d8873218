/** The rare messages of pgoutput that carry names: Relation and logical message. */
import { TidelockError } from '../core/errors.ts';
import { type Lsn, lsnFromHalves } from '../core/lsn.ts';
import type { Relation, RelationColumn } from '../core/source.ts';

const IDENTITIES = ['d', 'n', 'f', 'i'] as const;

/** Reads a Relation message from behind its type (and transaction id). */
export function parseRelation(b: Buffer, start: number, end: number): Relation {
  if (start + 8 > end) throw notPgoutput('a relation cut short');
  const oid = b.readUInt32BE(start);
  const schema = readText(b, start + 4, end);
  const name = readText(b, schema.next, end);
  const letter = String.fromCharCode(b[name.next] ?? 0);
  const identity = IDENTITIES.find((known) => known === letter);
  if (identity === undefined) throw notPgoutput(`a replica identity ${JSON.stringify(letter)}`);
  if (name.next + 3 > end) throw notPgoutput('a relation cut short');
  const count = b.readUInt16BE(name.next + 1);
  const columns: RelationColumn[] = [];
  let p = name.next + 3;
  for (let index = 0; index < count; index += 1) {
    const column = readText(b, p + 1, end);
    if (column.next + 8 > end) throw notPgoutput('a relation cut short');
    columns.push({
      name: column.text,
      isIdentity: ((b[p] ?? 0) & 1) === 1,
      typeOid: b.readUInt32BE(column.next),
      typeModifier: b.readInt32BE(column.next + 4),
    });
    p = column.next + 8;
  }
  if (p !== end) throw notPgoutput('a relation of a wrong length');
  // pg_catalog comes as an empty name.
  const schemaName = schema.text === '' ? 'pg_catalog' : schema.text;
  return { oid, name: `${schemaName}.${name.text}`, identity, columns };
}

/** True when two announcements describe the same layout. */
export function sameRelation(a: Relation, b: Relation): boolean {
  return (
    a.oid === b.oid &&
    a.name === b.name &&
    a.identity === b.identity &&
    a.columns.length === b.columns.length &&
    a.columns.every((column, index) => {
      const other = b.columns[index];
      return (
        other !== undefined &&
        column.name === other.name &&
        column.isIdentity === other.isIdentity &&
        column.typeOid === other.typeOid &&
        column.typeModifier === other.typeModifier
      );
    })
  );
}

export type ParsedMessage = {
  readonly prefix: string;
  readonly content: Uint8Array;
  readonly lsn: Lsn;
  readonly isTransactional: boolean;
};

/** Reads a logical message from behind its type (and transaction id). The content is a view. */
export function parseMessage(b: Buffer, start: number, end: number): ParsedMessage {
  if (start + 9 > end) throw notPgoutput('a logical message cut short');
  const prefix = readText(b, start + 9, end);
  if (prefix.next + 4 > end) throw notPgoutput('a logical message cut short');
  const length = b.readUInt32BE(prefix.next);
  const from = prefix.next + 4;
  if (from + length !== end) throw notPgoutput('a logical message of a wrong length');
  return {
    prefix: prefix.text,
    content: b.subarray(from, end),
    lsn: lsnFromHalves(b.readUInt32BE(start + 1), b.readUInt32BE(start + 5)),
    isTransactional: ((b[start] ?? 0) & 1) === 1,
  };
}

/** A zero-terminated text at `start`, and where the next field begins. */
function readText(b: Buffer, start: number, end: number): { text: string; next: number } {
  const stop = b.indexOf(0, start);
  if (stop < 0 || stop >= end) throw notPgoutput('a text without an end');
  return { text: b.toString('utf8', start, stop), next: stop + 1 };
}

/** What every malformed message ends in: the stream cannot be followed any further. */
export function notPgoutput(what: string): TidelockError {
  return new TidelockError({
    code: 'PROTOCOL',
    message: `the replication stream has ${what}`,
    hint: 'the server speaks a newer or another protocol; update this program, or report the message',
  });
}
