/**
 * The durable change log in one SQLite file, `log.db`, owned by one process.
 *
 * Order of duties: what readers may see lives in memory (`heads`, `upper`, `since`) and changes only after
 * the SQLite transaction that stores it has been synced. Everything that goes away (purged groups, pieces of
 * rolled back transactions) is only marked; its space is swept in bounded slices by later calls.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { assert } from '../core/assert.ts';
import { LSN_ZERO, type Lsn, type Ts } from '../core/lsn.ts';
import type { TableDef } from '../core/table.ts';
import type { GroupHead, NewGroup, StoredGroup } from '../log/group.ts';
import { mergeGroups } from '../log/merge.ts';
import type {
  LogIdentity,
  LogStore,
  SealedPart,
  StagedIndex,
  StagedPart,
  StagedRef,
  StoredLease,
  TransactionMark,
} from '../log/port.ts';
import { bytesOf, indexCrc, words } from './log-content.ts';
import { openFailure, purgedGroup, reading, writeFailure } from './log-errors.ts';
import { HeadCodec, SelectorPool } from './log-heads.ts';
import { LogLeases } from './log-leases.ts';
import { prepareLogFile, readState, writeState } from './log-schema.ts';
import { LogStatements } from './log-statements.ts';
import { type Frontier, LogView } from './log-view.ts';
import { asBytes, asNumber, asText, inTransaction, openSql, type Sql } from './sql.ts';

/** How long opening waits for a predecessor that is just ending. */
const OPEN_WAIT_MS = 500;
/** Bytes of forgotten bodies that one `purge`, `discard` or `append` frees at most (plus one body). */
const SWEEP_BYTES_MAX = 8 * 1024 * 1024;
/** The owner of staged pieces that nobody wants any more. No transaction has it. */
const NOBODY = -1;
const NO_HISTORY: Frontier = { firstSeq: 1, since: LSN_ZERO, upper: LSN_ZERO, purgedTxid: 0 };

export type LogStoreOptions = {
  /** The folder of the log; created when missing. */
  readonly dir: string;
};

/**
 * Opens or creates the log. Throws `LOG_IN_USE` when another process has it, `LOG_UNFIT` when the file is
 * not a log of a format we know, `LOG_CORRUPT` when it is damaged, `LOG_WRITE_FAILED`.
 */
export function openLogStore(options: LogStoreOptions): LogStore {
  const file = join(options.dir, 'log.db');
  let sql: Sql | undefined;
  try {
    mkdirSync(options.dir, { recursive: true });
    sql = openSql(file, { timeoutMs: OPEN_WAIT_MS });
    return openLogStoreOn(sql, file);
  } catch (error) {
    sql?.close();
    throw openFailure(error, file);
  }
}

/** Opens the log on a given connection. */
export function openLogStoreOn(sql: Sql, file: string): LogStore {
  prepareLogFile(sql, file);
  return new SqliteLogStore(sql);
}

class SqliteLogStore implements LogStore {
  readonly #sql: Sql;
  readonly #statements: LogStatements;
  readonly #leases: LogLeases;
  readonly #pool = new SelectorPool();
  readonly #codec = new HeadCodec(this.#pool);
  readonly #view: LogView;
  #identity: LogIdentity | null;
  #tables: readonly TableDef[];
  #stagedBytes = 0;
  #nextBodyId: number;
  #isSynced = true;
  #mayHaveGarbage = true;

  constructor(sql: Sql) {
    this.#sql = sql;
    this.#statements = new LogStatements(sql);
    this.#leases = new LogLeases(sql);
    // The three casts trust what we wrote: each record has passed its checksum.
    this.#identity = (readState(sql, 'identity') ?? null) as LogIdentity | null;
    this.#tables = (readState(sql, 'tables') ?? []) as readonly TableDef[];
    this.#view = new LogView((readState(sql, 'frontier') ?? NO_HISTORY) as Frontier);
    this.#nextBodyId = this.#statements.lastBodyId() + 1;
    this.#loadHeads();
    this.#write('staged transactions', 'unsynced', () => {
      this.#statements.disownAllStages.run(NOBODY);
      this.#sweep(SWEEP_BYTES_MAX);
    });
  }

  get identity(): LogIdentity | null {
    return this.#identity;
  }

  get heads(): readonly GroupHead[] {
    return this.#view.heads;
  }

  get upper(): Ts {
    return this.#view.frontier.upper;
  }

  get since(): Ts {
    return this.#view.frontier.since;
  }

  get purgedTxid(): number {
    return this.#view.frontier.purgedTxid;
  }

  get purgedLines(): number | undefined {
    return this.#view.frontier.purgedLines;
  }

  get purgedEnd(): TransactionMark | undefined {
    return this.#view.frontier.purgedEnd;
  }

  get sizeBytes(): number {
    return this.#view.sizeBytes + this.#stagedBytes;
  }

  get tables(): readonly TableDef[] {
    return this.#tables;
  }

  reset(identity: LogIdentity, tables: readonly TableDef[]): void {
    const frontier = {
      firstSeq: this.#view.nextSeq,
      since: identity.startTs,
      upper: identity.startTs,
      purgedTxid: 0,
    };
    this.#write('new history', 'synced', () => {
      writeState(this.#sql, 'identity', identity);
      writeState(this.#sql, 'tables', tables);
      writeState(this.#sql, 'frontier', frontier);
      this.#statements.disownAllStages.run(NOBODY);
      this.#leases.endAll();
    });
    this.#identity = identity;
    this.#tables = tables;
    this.#view.reset(frontier);
    this.#stagedBytes = 0;
    this.#mayHaveGarbage = true;
  }

  noteIdentity(identity: LogIdentity): void {
    this.#write('identity', 'synced', () => writeState(this.#sql, 'identity', identity));
    this.#identity = identity;
  }

  append(groups: readonly NewGroup[], tables?: readonly TableDef[]): readonly GroupHead[] {
    const heads: GroupHead[] = [];
    const firstBodyId = this.#nextBodyId;
    this.#write('append', 'synced', () => {
      this.#sweep(SWEEP_BYTES_MAX);
      for (const group of groups) this.#insertGroup(group, firstBodyId + heads.length, heads);
      if (tables !== undefined) writeState(this.#sql, 'tables', tables);
    });
    this.#nextBodyId += heads.length;
    this.#publish(heads, tables);
    return heads;
  }

  stage(xid: number, part: StagedPart): StagedRef {
    const ref = { id: this.#nextBodyId, sizeBytes: part.body.length };
    this.#write('stage', 'unsynced', () => {
      this.#statements.insertBody.run(ref.id, part.body);
      this.#statements.insertStage.run(
        ref.id,
        xid,
        ref.sizeBytes,
        crc32(part.body),
        JSON.stringify(part.selectors),
        bytesOf(part.segments),
        bytesOf(part.subxids),
      );
    });
    this.#nextBodyId += 1;
    this.#stagedBytes += ref.sizeBytes;
    return ref;
  }

  stagedIndex(ref: StagedRef): StagedIndex {
    const row = reading(() => this.#statements.stagedIndex.get(ref.id));
    assert(row !== undefined, `staged piece ${ref.id} exists`);
    return {
      segments: words(asBytes(row.segments)),
      subxids: words(asBytes(row.subxids)),
      selectors: this.#pool.share(asText(row.selectors)).list,
    };
  }

  seal(
    xid: number,
    parts: Iterable<SealedPart>,
    last: NewGroup | null,
    tables?: readonly TableDef[],
  ): readonly GroupHead[] {
    const heads: GroupHead[] = [];
    let stagedBytes = 0;
    this.#write('append of a large transaction', 'synced', () => {
      stagedBytes = this.#bytesStagedBy(xid);
      for (const part of parts) this.#sealPart(xid, part, heads);
      if (last !== null) this.#insertGroup(last, this.#nextBodyId, heads);
      this.#statements.disownStages.run(NOBODY, xid);
      if (tables !== undefined) writeState(this.#sql, 'tables', tables);
    });
    if (last !== null) this.#nextBodyId += 1;
    this.#stagedBytes -= stagedBytes;
    this.#mayHaveGarbage = true;
    this.#publish(heads, tables);
    return heads;
  }

  discard(xid: number): void {
    let stagedBytes = 0;
    this.#mayHaveGarbage = true;
    this.#write('discard', 'unsynced', () => {
      stagedBytes = this.#bytesStagedBy(xid);
      this.#statements.disownStages.run(NOBODY, xid);
      this.#sweep(SWEEP_BYTES_MAX);
    });
    this.#stagedBytes -= stagedBytes;
  }

  noteUpper(upper: Lsn): void {
    if (upper <= this.upper) return;
    const frontier = { ...this.#view.frontier, upper };
    this.#write('position', 'synced', () => this.#statements.writeFrontier(frontier));
    this.#view.moveTo(frontier);
  }

  read(seq: number): StoredGroup {
    const first = this.#view.frontier.firstSeq;
    if (seq < first) throw purgedGroup(seq, this.since);
    const head = this.#view.headOf(seq);
    assert(head !== undefined, `group ${seq} exists (${this.heads.length} from ${first})`);
    return { head, content: reading(() => this.#statements.readContent(head.seq)) };
  }

  merge(firstSeq: number, lastSeq: number): GroupHead {
    const old = this.#view.between(firstSeq, lastSeq);
    const place = { seq: lastSeq, firstSeq: this.#view.firstSeqOf(firstSeq) };
    const bodyId = this.#nextBodyId;
    const merged = this.#write('merging of groups', 'unsynced', () => {
      const { head, content } = mergeGroups(
        old.map((head) => ({ head, content: this.#statements.readContent(head.seq) })),
      );
      for (const { seq } of old) this.#statements.deleteGroup(seq);
      this.#statements.insertBody.run(bodyId, content.body);
      return this.#writeHead(head, { ...content, bodyId, bodyCrc: crc32(content.body) }, place);
    });
    this.#nextBodyId += 1;
    this.#view.merge(firstSeq, merged);
    return merged;
  }

  purge(seq: number, lines?: number): void {
    assert(seq < this.#view.nextSeq, `group ${seq} exists and can be purged`);
    const last = this.#view.lastUpTo(seq);
    if (last === undefined) return;
    const purgedEnd = last === this.heads.at(-1) ? this.#statements.markOf(last) : this.purgedEnd;
    const frontier = { ...this.#view.frontierAfter(last), purgedLines: lines, purgedEnd };
    this.#mayHaveGarbage = true;
    this.#write('purge', 'unsynced', () => {
      this.#statements.writeFrontier(frontier);
      this.#sweep(SWEEP_BYTES_MAX, frontier.firstSeq);
    });
    this.#view.purge(frontier);
  }

  readLeases(): readonly StoredLease[] {
    return reading(() => this.#leases.read());
  }

  storeLeases(kept: Iterable<StoredLease>, ended: Iterable<string>): void {
    this.#write('leases', 'unsynced', () => this.#leases.write(kept, ended));
  }

  close(): void {
    this.#sql.close();
  }

  #loadHeads(): void {
    const rows = this.#statements.readHeads.iterate(this.#view.frontier.firstSeq);
    for (const row of rows) {
      assert(Array.isArray(row), 'rows of heads are arrays');
      const head = this.#codec.headOf(row, this.#view.nextSeq);
      this.#view.add(head);
    }
  }

  #insertGroup(group: NewGroup, bodyId: number, heads: GroupHead[]): void {
    const { body } = group.content;
    this.#statements.insertBody.run(bodyId, body);
    this.#insertHead(group.head, { ...group.content, bodyId, bodyCrc: crc32(body) }, heads);
  }

  #sealPart(xid: number, part: SealedPart, heads: GroupHead[]): void {
    const staged = this.#statements.stagedOwner.get(part.ref.id);
    assert(staged?.xid === xid, `staged piece ${part.ref.id} belongs to transaction ${xid}`);
    const bodyCrc = asNumber(staged.body_crc);
    this.#insertHead(part.head, { ...part, bodyId: part.ref.id, bodyCrc }, heads);
    this.#statements.deleteStage.run(part.ref.id);
  }

  #insertHead(newHead: Omit<GroupHead, 'seq'>, content: HeadContent, heads: GroupHead[]): void {
    const previous = heads.at(-1) ?? this.heads.at(-1);
    const after = heads.at(-1)?.lastTs ?? this.upper;
    const isNext =
      newHead.firstTs > after || (previous?.part === 'open' && newHead.firstTs === after);
    assert(
      isNext && newHead.lastTs >= newHead.firstTs,
      `a group at ${newHead.firstTs} follows ${after}`,
    );
    const seq = this.#view.nextSeq + heads.length;
    heads.push(this.#writeHead(newHead, content, { seq, firstSeq: seq }));
  }

  #writeHead(
    newHead: Omit<GroupHead, 'seq'>,
    content: HeadContent,
    place: { readonly seq: number; readonly firstSeq: number },
  ): GroupHead {
    const json = JSON.stringify(newHead.selectors);
    const head = { ...newHead, seq: place.seq, selectors: this.#pool.share(json).list };
    const segments = bytesOf(content.segments);
    const transactions = bytesOf(content.transactions);
    this.#statements.insertGroup.run(
      ...this.#codec.rowOf(head, place.firstSeq, json),
      content.bodyId,
      indexCrc(segments, transactions),
      content.bodyCrc,
      segments,
      transactions,
    );
    return head;
  }

  #publish(heads: readonly GroupHead[], tables: readonly TableDef[] | undefined): void {
    for (const head of heads) this.#view.add(head);
    if (tables !== undefined) this.#tables = tables;
  }

  #bytesStagedBy(xid: number): number {
    return asNumber(this.#statements.stagedBytes.get(xid)?.bytes);
  }

  /** Frees what nobody can reach any more, up to a limit. Inside the caller's transaction. */
  #sweep(bytesMax: number, firstSeq: number = this.#view.frontier.firstSeq): void {
    if (!this.#mayHaveGarbage) return;
    const freed = this.#statements.sweep({ bytesMax, firstSeq, owner: NOBODY });
    this.#mayHaveGarbage = freed > 0;
  }

  /** One write transaction. `synced`: on disk when it returns; else a crash of the machine may undo it. */
  #write<T>(what: string, durability: 'synced' | 'unsynced', work: () => T): T {
    try {
      this.#setSynced(durability === 'synced');
      return inTransaction(this.#sql, work);
    } catch (error) {
      this.#mayHaveGarbage = true; // a sweep inside the failed transaction did not happen
      throw writeFailure(error, what);
    }
  }

  #setSynced(isSynced: boolean): void {
    if (this.#isSynced === isSynced) return;
    this.#sql.exec(isSynced ? 'PRAGMA synchronous = FULL' : 'PRAGMA synchronous = NORMAL');
    this.#isSynced = isSynced;
  }
}

type HeadContent = {
  readonly segments: Uint32Array;
  readonly transactions: Float64Array;
  readonly bodyId: number;
  readonly bodyCrc: number;
};
