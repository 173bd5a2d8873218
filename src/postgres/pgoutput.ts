/**
 * hot path: decodes pgoutput messages (protocols 1 and 2, text values) straight from the socket buffer
 * into `SourceHandler` calls. Tuples and change descriptions are reused: nothing is allocated per row.
 *
 * Protocol 2 sends pieces of large transactions before their commit: Stream Start, changes, Stream Stop,
 * and in the end Stream Commit or Stream Abort. Inside a piece every message carries the id of the
 * (sub)transaction that made it. A relation announced inside a piece counts only for that transaction
 * until it commits, as in Postgres' own subscriber.
 */
import { type Lsn, lsnFromHalves } from '../core/lsn.ts';
import {
  type ChangeInfo,
  type OldTuple,
  type RawTuple,
  type Relation,
  type SourceHandler,
  TUPLE_NULL,
  TUPLE_TEXT,
  TUPLE_UNCHANGED,
} from '../core/source.ts';
import { notPgoutput, parseMessage, parseRelation, sameRelation } from './pgoutput-announce.ts';

/** Postgres' own limit of columns per table. */
const COLUMNS_MAX = 1600;
/** Microseconds between the Unix epoch and Postgres' (2000-01-01). */
const POSTGRES_EPOCH_MICROS = 946_684_800_000_000;
/** Open transactions whose announcements are remembered; Postgres has fewer backends than this. */
const OPEN_STREAMS_MAX = 100_000;

/** The shortest change: an insert into a table without columns. Inside a piece, 4 bytes more. */
const CHANGE_BYTES_MIN = 8;

/** What an update or delete sends of the old row: `K` only its identity, `O` all of it. */
const KEY_FOLLOWS = 75;
const OLD_ROW_FOLLOWS = 79;
const NEW_ROW_FOLLOWS = 78;

export class PgoutputDecoder {
  readonly #handler: SourceHandler;
  readonly #new: RawTuple = newTuple();
  readonly #old: RawTuple = newTuple();
  readonly #oldKey: OldTuple = { isWholeRow: false, tuple: this.#old };
  readonly #oldRow: OldTuple = { isWholeRow: true, tuple: this.#old };
  readonly #change: ChangeInfo = { xid: 0, subxid: 0 };
  readonly #relations = new Map<number, Relation>();
  /** Announcements of transactions that are still open, by transaction. */
  readonly #openRelations = new Map<number, Map<number, Relation>>();
  /** Those of the transaction whose piece is arriving. */
  #overlay: Map<number, Relation> | null = null;
  #xid = 0;
  #isInPiece = false;
  #isInTransaction = false;
  #pos = 0;

  constructor(handler: SourceHandler) {
    this.#handler = handler;
  }

  /** True when no transaction and no piece of one is under way: a position may be taken for complete. */
  get isBetween(): boolean {
    return !this.#isInTransaction && !this.#isInPiece;
  }

  /** Decodes one message in `b[start..end)`. Throws `PROTOCOL` on anything that is not pgoutput. */
  message(b: Buffer, start: number, end: number): Promise<void> | undefined {
    switch (b[start]) {
      case 73: // I
        this.#insert(b, start, end);
        return undefined;
      case 85: // U
        this.#update(b, start, end);
        return undefined;
      case 68: // D
        this.#delete(b, start, end);
        return undefined;
      case 66: // B
        this.#begin(b, start, end);
        return undefined;
      case 67: // C
        this.#commit(b, start, end);
        return undefined;
      default:
        return this.#rare(b, start, end);
    }
  }

  #rare(b: Buffer, start: number, end: number): Promise<void> | undefined {
    switch (b[start]) {
      case 82: // R
        return this.#relation(b, start, end);
      case 77: // M
        return this.#message(b, start, end);
      case 84: // T
        return this.#truncate(b, start, end);
      case 83: // S
        return this.#streamStart(b, start, end);
      case 69: // E
        this.#isInPiece = false;
        this.#overlay = null;
        this.#handler.streamStop();
        return undefined;
      case 99: // c
        return this.#streamCommit(b, start, end);
      case 65: // A
        return this.#streamAbort(b, start, end);
      case 89: // Y: names of types say nothing that the catalog does not
      case 79: // O: where a replicated transaction first came from
        return undefined;
      default:
        throw notPgoutput(`an unknown message type ${b[start] ?? 'of no bytes'}`);
    }
  }

  #insert(b: Buffer, start: number, end: number): void {
    const p = this.#changeHeader(b, start, end);
    const relation = this.#relationOf(b.readUInt32BE(p));
    if (b[p + 4] !== NEW_ROW_FOLLOWS) throw notPgoutput('an insert without a row');
    this.#tuple(b, p + 5, this.#new, end);
    if (this.#pos !== end) throw notPgoutput('an insert of a wrong length');
    this.#handler.insert(relation, this.#new, this.#change);
  }

  #update(b: Buffer, start: number, end: number): void {
    let p = this.#changeHeader(b, start, end);
    const relation = this.#relationOf(b.readUInt32BE(p));
    p += 4;
    let old: OldTuple | null = null;
    if (b[p] !== NEW_ROW_FOLLOWS) {
      old = this.#oldTuple(b, p, end);
      p = this.#pos;
    }
    if (b[p] !== NEW_ROW_FOLLOWS) throw notPgoutput('an update without a new row');
    this.#tuple(b, p + 1, this.#new, end);
    if (this.#pos !== end) throw notPgoutput('an update of a wrong length');
    this.#handler.update(relation, old, this.#new, this.#change);
  }

  #delete(b: Buffer, start: number, end: number): void {
    const p = this.#changeHeader(b, start, end);
    const relation = this.#relationOf(b.readUInt32BE(p));
    const old = this.#oldTuple(b, p + 4, end);
    if (this.#pos !== end) throw notPgoutput('a delete of a wrong length');
    this.#handler.delete(relation, old, this.#change);
  }

  #oldTuple(b: Buffer, p: number, end: number): OldTuple {
    const isWholeRow = b[p] === OLD_ROW_FOLLOWS;
    if (!isWholeRow && b[p] !== KEY_FOLLOWS) throw notPgoutput('a change without its old key');
    this.#tuple(b, p + 1, this.#old, end);
    return isWholeRow ? this.#oldRow : this.#oldKey;
  }

  /** Reads the transaction of a change; returns where the rest starts. */
  #changeHeader(b: Buffer, start: number, end: number): number {
    if (end - start < CHANGE_BYTES_MIN + (this.#isInPiece ? 4 : 0))
      throw notPgoutput('a change cut short');
    if (!this.#isInPiece) {
      if (!this.#isInTransaction) throw notPgoutput('a change outside a transaction');
      this.#change.subxid = this.#xid;
      return start + 1;
    }
    this.#change.subxid = b.readUInt32BE(start + 1);
    return start + 5;
  }

  /** Notes where each value stands. Leaves the position after the tuple in `#pos`. */
  #tuple(b: Buffer, from: number, tuple: RawTuple, end: number): void {
    if (from + 2 > end) throw notPgoutput('a row cut short');
    const count = b.readUInt16BE(from);
    if (count > COLUMNS_MAX) throw notPgoutput(`a row of ${count} columns`);
    const { state, start, end: ends } = tuple;
    let p = from + 2;
    for (let index = 0; index < count; index += 1) {
      const kind = b[p];
      p += 1;
      if (kind === 116) {
        // t: text
        if (p + 4 > end) throw notPgoutput('a value cut short');
        const length = b.readInt32BE(p);
        p += 4;
        if (length < 0 || length > end - p) throw notPgoutput('a value cut short');
        state[index] = TUPLE_TEXT;
        start[index] = p;
        p += length;
        ends[index] = p;
      } else if (kind === 110) {
        state[index] = TUPLE_NULL;
      } else if (kind === 117) {
        state[index] = TUPLE_UNCHANGED;
      } else {
        throw notPgoutput(`a value of kind ${kind ?? 'nothing'}`);
      }
    }
    tuple.buffer = b;
    tuple.count = count;
    this.#pos = p;
  }

  #relationOf(oid: number): Relation {
    const relation = this.#overlay?.get(oid) ?? this.#relations.get(oid);
    if (relation === undefined) throw notPgoutput(`a row of an unannounced relation ${oid}`);
    return relation;
  }

  #begin(b: Buffer, start: number, end: number): void {
    expectLength(start + 21, end, 'begin');
    if (!this.isBetween) throw notPgoutput('a transaction inside a transaction');
    this.#xid = b.readUInt32BE(start + 17);
    this.#change.xid = this.#xid;
    this.#isInTransaction = true;
    this.#handler.begin(this.#xid);
  }

  #commit(b: Buffer, start: number, end: number): void {
    expectLength(start + 26, end, 'commit');
    if (!this.#isInTransaction) throw notPgoutput('a commit without a begin');
    this.#isInTransaction = false;
    this.#handler.commit({
      xid: this.#xid,
      commitLsn: readLsn(b, start + 2),
      ts: readLsn(b, start + 10),
      timeMicros: readMicros(b, start + 18),
    });
  }

  #relation(b: Buffer, start: number, end: number): Promise<void> | undefined {
    const p = this.#isInPiece ? start + 5 : start + 1;
    const announced = parseRelation(b, p, end);
    const known = this.#overlay?.get(announced.oid) ?? this.#relations.get(announced.oid);
    // The same object for the same layout: what was compiled for it stays good.
    const relation = known !== undefined && sameRelation(known, announced) ? known : announced;
    (this.#overlay ?? this.#relations).set(relation.oid, relation);
    return this.#handler.relation(relation, this.isBetween ? 0 : this.#xid);
  }

  #message(b: Buffer, start: number, end: number): Promise<void> | undefined {
    if (end - start < CHANGE_BYTES_MIN) throw notPgoutput('a logical message cut short');
    const p = this.#isInPiece ? start + 5 : start + 1;
    const subxid = this.#isInPiece ? b.readUInt32BE(start + 1) : this.#xid;
    const { prefix, content, lsn, isTransactional } = parseMessage(b, p, end);
    const ids = isTransactional ? { xid: this.#xid, subxid } : { xid: 0, subxid: 0 };
    return this.#handler.message({ prefix, content, lsn, isTransactional, ...ids });
  }

  #truncate(b: Buffer, start: number, end: number): undefined {
    const p = this.#changeHeader(b, start, end);
    const count = b.readUInt32BE(p);
    expectLength(p + 5 + 4 * count, end, 'truncate');
    const relations: Relation[] = [];
    for (let at = p + 5; at < end; at += 4) relations.push(this.#relationOf(b.readUInt32BE(at)));
    this.#handler.truncate(relations, this.#change);
    return undefined;
  }

  #streamStart(b: Buffer, start: number, end: number): undefined {
    expectLength(start + 6, end, 'stream start');
    if (!this.isBetween) throw notPgoutput('a piece inside a transaction');
    const xid = b.readUInt32BE(start + 1);
    let overlay = this.#openRelations.get(xid);
    if (overlay === undefined) {
      if (this.#openRelations.size >= OPEN_STREAMS_MAX) throw notPgoutput('too many transactions');
      overlay = new Map();
      this.#openRelations.set(xid, overlay);
    }
    this.#overlay = overlay;
    this.#xid = xid;
    this.#change.xid = xid;
    this.#isInPiece = true;
    this.#handler.streamStart(xid, b[start + 5] === 1);
    return undefined;
  }

  #streamCommit(b: Buffer, start: number, end: number): undefined {
    expectLength(start + 30, end, 'stream commit');
    const xid = b.readUInt32BE(start + 1);
    const announced = this.#openRelations.get(xid) ?? new Map<number, Relation>();
    for (const [oid, relation] of announced) this.#relations.set(oid, relation);
    this.#openRelations.delete(xid);
    this.#handler.commit({
      xid,
      commitLsn: readLsn(b, start + 6),
      ts: readLsn(b, start + 14),
      timeMicros: readMicros(b, start + 22),
    });
    return undefined;
  }

  #streamAbort(b: Buffer, start: number, end: number): undefined {
    expectLength(start + 9, end, 'stream abort');
    const xid = b.readUInt32BE(start + 1);
    const subxid = b.readUInt32BE(start + 5);
    if (xid === subxid) this.#openRelations.delete(xid);
    this.#handler.streamAbort(xid, subxid);
    return undefined;
  }
}

function newTuple(): RawTuple {
  return {
    buffer: Buffer.alloc(0),
    count: 0,
    state: new Uint8Array(COLUMNS_MAX),
    start: new Int32Array(COLUMNS_MAX),
    end: new Int32Array(COLUMNS_MAX),
  };
}

function readLsn(b: Buffer, p: number): Lsn {
  return lsnFromHalves(b.readUInt32BE(p), b.readUInt32BE(p + 4));
}

function readMicros(b: Buffer, p: number): number {
  return b.readInt32BE(p) * 0x1_0000_0000 + b.readUInt32BE(p + 4) + POSTGRES_EPOCH_MICROS;
}

function expectLength(expected: number, end: number, what: string): void {
  if (expected !== end) throw notPgoutput(`a ${what} of a wrong length`);
}
