/** A `SourceHandler` that writes down what it is told, and a database of its own to be told about. */
import { randomUUID } from 'node:crypto';
import type { Lsn } from '../../src/core/lsn.ts';
import { LSN_ZERO } from '../../src/core/lsn.ts';
import {
  type ChangeInfo,
  type CommitInfo,
  type LogicalMessage,
  type OldTuple,
  type RawTuple,
  type Relation,
  type SourceHandler,
  TUPLE_NULL,
  TUPLE_TEXT,
} from '../../src/core/source.ts';
import { reconcilePublication } from '../../src/postgres/publication.ts';
import { PgSession } from '../../src/postgres/session.ts';
import { createSlot, dropSlot } from '../../src/postgres/slot.ts';
import { SlotReader, type SlotReaderOptions } from '../../src/postgres/slot-reader.ts';

/** What stands for an out-of-line value that was not sent. */
export const UNCHANGED = Symbol('unchanged');

export type Value = string | null | typeof UNCHANGED;

export type Change =
  | { readonly kind: 'insert'; readonly table: string; readonly row: readonly Value[] }
  | {
      readonly kind: 'update';
      readonly table: string;
      readonly old: OldRow | null;
      readonly row: readonly Value[];
    }
  | { readonly kind: 'delete'; readonly table: string; readonly old: OldRow }
  | { readonly kind: 'truncate'; readonly tables: readonly string[] }
  | { readonly kind: 'message'; readonly prefix: string; readonly content: string };

export type OldRow = { readonly whole: boolean; readonly row: readonly Value[] };

export type Committed = CommitInfo & { readonly changes: readonly Change[] };

const WAIT_MS = 15_000;

export class Recorder implements SourceHandler {
  /** Whole transactions in the order of their commits, without rolled-back subtransactions. */
  readonly committed: Committed[] = [];
  readonly relations: Relation[] = [];
  /** Names of the calls, in order. */
  readonly calls: string[] = [];
  readonly keepalives: Lsn[] = [];
  /** Set it to make the reader wait at announcements. */
  onRelation: ((relation: Relation) => Promise<void> | undefined) | undefined;
  onCommit: ((commit: Committed) => void) | undefined;
  readonly #open = new Map<number, { subxid: number; change: Change }[]>();
  readonly #waiting = new Set<() => void>();
  #xid = 0;

  get changes(): Change[] {
    return this.committed.flatMap((transaction) => transaction.changes);
  }

  /** Rows of the inserts into `table`. */
  inserted(table: string): (readonly Value[])[] {
    return this.changes.flatMap((change) =>
      change.kind === 'insert' && change.table === table ? [change.row] : [],
    );
  }

  /** Resolves when `isTrue`, looked at after every read. */
  until(isTrue: () => boolean, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        if (!isTrue()) return;
        clearTimeout(timer);
        this.#waiting.delete(check);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(check);
        reject(new Error(`never happened: ${what}; last calls: ${this.calls.slice(-20)}`));
      }, WAIT_MS);
      this.#waiting.add(check);
      check();
    });
  }

  begin(xid: number): void {
    this.calls.push('begin');
    this.#xid = xid;
    this.#open.set(xid, []);
  }

  relation(relation: Relation): Promise<void> | undefined {
    this.calls.push('relation');
    this.relations.push(relation);
    return this.onRelation?.(relation);
  }

  insert(relation: Relation, row: RawTuple, change: ChangeInfo): void {
    this.#add(change, { kind: 'insert', table: relation.name, row: valuesOf(row) });
  }

  update(relation: Relation, old: OldTuple | null, row: RawTuple, change: ChangeInfo): void {
    const before = old === null ? null : oldRow(old);
    this.#add(change, { kind: 'update', table: relation.name, old: before, row: valuesOf(row) });
  }

  delete(relation: Relation, old: OldTuple, change: ChangeInfo): void {
    this.#add(change, { kind: 'delete', table: relation.name, old: oldRow(old) });
  }

  truncate(relations: readonly Relation[], change: ChangeInfo): void {
    this.#add(change, { kind: 'truncate', tables: relations.map((relation) => relation.name) });
  }

  message(message: LogicalMessage): undefined {
    const { prefix, content, xid, subxid } = message;
    const change: Change = { kind: 'message', prefix, content: Buffer.from(content).toString() };
    if (message.isTransactional) this.#add({ xid, subxid }, change);
    else this.calls.push('message');
  }

  commit(commit: CommitInfo): undefined {
    this.calls.push('commit');
    const changes = (this.#open.get(commit.xid) ?? []).map(({ change }) => change);
    this.#open.delete(commit.xid);
    this.committed.push({ ...commit, changes });
    this.onCommit?.({ ...commit, changes });
  }

  streamStart(xid: number, isFirst: boolean): void {
    this.calls.push('streamStart');
    this.#xid = xid;
    if (isFirst !== !this.#open.has(xid)) throw new Error(`piece of ${xid}: first is ${isFirst}`);
    if (isFirst) this.#open.set(xid, []);
  }

  streamStop(): void {
    this.calls.push('streamStop');
  }

  streamAbort(xid: number, subxid: number): void {
    this.calls.push(xid === subxid ? 'streamAbort' : 'streamAbortSub');
    if (xid === subxid) this.#open.delete(xid);
    else {
      const kept = (this.#open.get(xid) ?? []).filter((entry) => entry.subxid !== subxid);
      this.#open.set(xid, kept);
    }
  }

  keepalive(walEnd: Lsn): void {
    this.keepalives.push(walEnd);
  }

  endOfRead(): void {
    for (const check of [...this.#waiting]) check();
  }

  #add(info: ChangeInfo, change: Change): void {
    this.calls.push(change.kind);
    if (info.xid !== this.#xid) throw new Error(`a change of ${info.xid} inside ${this.#xid}`);
    this.#open.get(info.xid)?.push({ subxid: info.subxid, change });
  }
}

function oldRow(old: OldTuple): OldRow {
  return { whole: old.isWholeRow, row: valuesOf(old.tuple) };
}

function valuesOf(tuple: RawTuple): Value[] {
  const buffer = tuple.buffer as Buffer;
  return Array.from({ length: tuple.count }, (_, index) => {
    const state = tuple.state[index];
    if (state === TUPLE_NULL) return null;
    if (state !== TUPLE_TEXT) return UNCHANGED;
    return buffer.toString('utf8', tuple.start[index], tuple.end[index]);
  });
}

/** A database of its own, with a session, slots and readers that `close` cleans up. */
export class TestDatabase {
  readonly url: string;
  readonly name: string;
  readonly sql: PgSession;
  readonly #adminUrl: string;
  readonly #cleanUps: (() => Promise<void>)[] = [];

  private constructor(adminUrl: string, url: string, name: string, sql: PgSession) {
    this.#adminUrl = adminUrl;
    this.url = url;
    this.name = name;
    this.sql = sql;
  }

  static async create(adminUrl: string): Promise<TestDatabase> {
    const name = `t_${randomUUID().replaceAll('-', '').slice(0, 16)}`;
    const admin = await PgSession.connect({ url: adminUrl });
    await admin.query(`CREATE DATABASE ${name}`);
    await admin.end();
    const url = adminUrl.replace(/\/[^/]*$/, `/${name}`);
    return new TestDatabase(adminUrl, url, name, await PgSession.connect({ url }));
  }

  /** Another session, ended by `close`. */
  async session(options: { isReplication?: boolean; url?: string } = {}): Promise<PgSession> {
    const session = await PgSession.connect({ url: this.url, ...options });
    this.#cleanUps.push(() => session.end());
    return session;
  }

  /** A slot of this database, dropped by `close`. */
  async slot(): Promise<string> {
    const slot = `s_${randomUUID().replaceAll('-', '').slice(0, 16)}`;
    const session = await PgSession.connect({ url: this.url, isReplication: true });
    this.#cleanUps.push(() => dropSlot(this.sql, slot, slot));
    await createSlot({ session, slot });
    await session.end();
    return slot;
  }

  /** Publishes `tables`, makes a slot and reads it. */
  async stream(
    tables: readonly string[],
    options: Partial<SlotReaderOptions> = {},
  ): Promise<{ reader: SlotReader; recorder: Recorder; slot: string; publication: string }> {
    const publication = options.publication ?? 'p';
    await reconcilePublication(this.sql, publication, tables);
    const slot = options.slot ?? (await this.slot());
    const recorder = (options.handler as Recorder | undefined) ?? new Recorder();
    const reader = await this.read({ slot, publication, handler: recorder, ...options });
    return { reader, recorder, slot, publication };
  }

  /** Reads a slot that exists. */
  async read(
    options: Partial<SlotReaderOptions> &
      Pick<SlotReaderOptions, 'slot' | 'publication' | 'handler'>,
  ): Promise<SlotReader> {
    const reader = await SlotReader.start({
      url: this.url,
      instance: options.slot,
      after: LSN_ZERO,
      ...options,
    });
    this.#cleanUps.push(() => reader.close());
    return reader;
  }

  /** Ends the streams, slots and sessions made so far. */
  async endStreams(): Promise<void> {
    for (const cleanUp of this.#cleanUps.splice(0).reverse()) await cleanUp();
  }

  async close(): Promise<void> {
    await this.endStreams();
    await this.sql.end();
    const admin = await PgSession.connect({ url: this.#adminUrl });
    await admin.query(`DROP DATABASE ${this.name} WITH (FORCE)`);
    await admin.end();
  }
}
