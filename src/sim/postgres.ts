/**
 * A simulated Postgres: transactions that are open at once, a write-ahead log in commit order, snapshots that
 * see commits in another order, and one replication slot. Another server may take its place.
 *
 * A transaction's writes are decided at its end, as if all of its statements ran there: rows are locked from a write
 * to the moment when others see it, so nothing can come in between.
 */
import { assert } from '../core/assert.ts';
import { type Lsn, toLsn } from '../core/lsn.ts';
import type { TableDef } from '../core/table.ts';
import type { TxidSnapshot } from '../core/txid-snapshot.ts';
import { Database, type RowChange } from './database.ts';
import type { Change } from './plan.ts';
import type { Scheduler } from './scheduler.ts';
import {
  type Committed,
  isOfTable,
  type OpenLarge,
  type Piece,
  type Slot,
  type Successor,
  type WalRecord,
  xidOf,
} from './wal.ts';

export type PostgresNews = {
  /** Something is there to be sent. */
  readonly onWal: () => void;
  readonly onCommit: (committed: Committed) => void;
  /** The process is gone, and with it all connections. */
  readonly onCrash: () => void;
};

export type DatabaseSnapshot = { readonly snapshot: TxidSnapshot; readonly rows: Database };

const WAL_START = 0x0100_0000;
const FIRST_XID = 700;
const XIDS_PER_ERA = 1_000_000;
const CHANGE_BYTES = 64;
const COMMIT_BYTES = 48;

export class SimPostgres {
  systemId = '7300000000000000001';
  walTimeline = 1;
  /** Where the timeline branched off its predecessor. */
  switchedAt: Lsn | undefined;
  /** Servers that were in its place before. */
  era = 0;
  records: WalRecord[] = [];
  isUp = true;
  slot: Slot | null = null;
  walEnd: Lsn = toLsn(WAL_START);
  /** Transactions that copy rows now. */
  copies = 0;
  /** Names the run of the server process. */
  serverStart = 'start 1';
  readonly #scheduler: Scheduler;
  readonly #news: PostgresNews;
  readonly #now: () => number;
  /** As of the end of the log, and as others see it. */
  #present = new Database();
  #visible = new Database();
  /** What stands before the first record. */
  #first = new Database();
  readonly #running = new Set<number>();
  readonly #openLarge = new Set<OpenLarge>();
  /** Committed and not seen by others yet, in commit order. */
  #late: Committed[] = [];
  #nextXid = FIRST_XID;
  #walStart: Lsn = toLsn(WAL_START);
  #starts = 1;
  #waits: (() => void)[] = [];

  constructor(scheduler: Scheduler, nowMicros: () => number, news: PostgresNews) {
    this.#scheduler = scheduler;
    this.#now = nowMicros;
    this.#news = news;
  }

  get nextXid(): number {
    return this.#nextXid;
  }

  /** Everything that is committed, seen by others or not. */
  get present(): Database {
    return this.#present;
  }

  /** The definitions that a query of the catalog finds. */
  get tables(): readonly TableDef[] {
    return this.#visible.tables;
  }

  /** For everybody: its end has come, and is seen. */
  isOver(xid: number): boolean {
    return !this.#running.has(xid) && !this.#late.some((late) => late.xid === xid);
  }

  /** The transaction's id as the evidence has it: another server in this place uses ids again. */
  nameOf(xid: number): string {
    return `${this.era * XIDS_PER_ERA + xid}`;
  }

  /** A transaction writes for the first time. */
  begin(): number {
    assert(this.isUp, 'only a running server begins transactions');
    const xid = this.#nextXid++;
    this.#running.add(xid);
    return xid;
  }

  isRunning(xid: number): boolean {
    return this.#running.has(xid);
  }

  beginLarge(xid: number): OpenLarge {
    const open = { xid, end: null, isFirst: true };
    this.#openLarge.add(open);
    return open;
  }

  /** A piece of a large transaction is in the log while it is open. Its rows must be its own. */
  piece(open: OpenLarge, subxid: number, changes: readonly Change[]): Piece {
    const made = { subxid, changes: changes.flatMap((change) => this.#present.plan(change)) };
    this.#advance(made.changes.length * CHANGE_BYTES);
    this.#record({ kind: 'piece', open, piece: made });
    return made;
  }

  /** A savepoint's writes are taken back. */
  losePiece(open: OpenLarge, subxid: number): void {
    this.#record({ kind: 'lost', open, subxid });
  }

  /** What a write would do now; it is not done. Locks of copies, and of who writes, keep others from the whole table. */
  wouldDo(change: Change): readonly RowChange[] {
    const isLocked = this.copies > 0 || (change.kind === 'alter' && this.#openLarge.size > 0);
    if ((change.kind === 'truncate' || change.kind === 'alter') && isLocked) return [];
    return this.#present.plan(change);
  }

  newSubxid(): number {
    return this.#nextXid++;
  }

  /** Ends a transaction that keeps its writes; null when it had none. */
  commit(xid: number, changes: readonly Change[], visibleMs: number): Committed | null {
    const made = changes.flatMap((change) => {
      const planned = this.wouldDo(change);
      this.#present.apply(planned);
      return planned;
    });
    return this.#commit(xid, { changes: made, visibleMs, isLarge: false });
  }

  /** Says in the stream how tables are, in a transaction of its own. */
  announce(tables: readonly TableDef[]): void {
    const xid = this.begin();
    this.#commit(xid, { changes: [], visibleMs: 0, isLarge: false, announced: tables });
  }

  commitLarge(open: OpenLarge, kept: readonly Piece[], visibleMs: number): Committed | null {
    const changes = kept.flatMap((piece) => piece.changes);
    this.#present.apply(changes);
    const committed = this.#commit(open.xid, { changes, visibleMs, isLarge: true });
    if (committed !== null) open.end = committed.ts;
    this.#openLarge.delete(open);
    return committed;
  }

  rollback(xid: number, open: OpenLarge | null): void {
    if (!this.#running.delete(xid)) return;
    if (open !== null) {
      this.#openLarge.delete(open);
      this.#record({ kind: 'rollback', open });
    }
    this.#advance(COMMIT_BYTES);
    this.#wake();
  }

  /** Writes that concern no published table. */
  writeOther(bytes: number): void {
    this.#advance(bytes);
    this.#news.onWal();
  }

  /** What a new transaction sees, once it has its locks: whoever has locked a whole table has ended by then. */
  snapshot(): DatabaseSnapshot {
    for (const late of [...this.#late]) if (late.changes.some(isOfTable)) this.#show(late);
    const xips = [...this.#running, ...this.#late.map(({ xid }) => xid)];
    const snapshot = {
      xmin: Math.min(this.#nextXid, ...xips),
      xmax: this.#nextXid,
      xips: new Set(xips),
    };
    return { snapshot, rows: this.#visible.copy() };
  }

  /** Calls back with the consistent point, once everything has ended that is open now. */
  createSlot(onCreated: (startTs: Lsn) => void): void {
    this.whenEnded(() => {
      this.#advance(8);
      const position = this.walEnd;
      this.slot = { confirmed: position, stored: position, isLost: false, isActive: false };
      onCreated(position);
    });
  }

  /** Calls back once everything has ended that is open now; never when it crashes before. */
  whenEnded(onEnded: () => void): void {
    const before = [...this.#running, ...this.#late.map(({ xid }) => xid)];
    const look = (): void => {
      if (before.every((xid) => this.isOver(xid))) onEnded();
      else this.#waits.push(look);
    };
    look();
  }

  confirm(lsn: Lsn): void {
    if (this.slot !== null && lsn > this.slot.confirmed) this.slot.confirmed = lsn;
  }

  checkpoint(): void {
    if (this.slot !== null) this.slot.stored = this.slot.confirmed;
  }

  /** The process dies: what was open is gone, what was committed is seen at its next start. */
  crash(): void {
    this.isUp = false;
    this.records.push(...this.#openRecords(this.records));
    this.#running.clear();
    this.#openLarge.clear();
    for (const committed of this.#late) this.#visible.apply(committed.changes);
    this.#late = [];
    this.#waits = [];
    this.copies = 0;
    if (this.slot !== null) {
      this.slot.confirmed = this.slot.stored;
      this.slot.isActive = false;
    }
    this.#news.onCrash();
  }

  restart(): void {
    this.isUp = true;
    this.#starts += 1;
    this.serverStart = `start ${this.#starts}`;
    this.#advance(24);
  }

  /** After a crash: another server starts in its place. Returns the commits that it does not have. */
  replace({ asOf, kind, hasSlot, walStart }: Successor): readonly Committed[] {
    assert(!this.isUp, 'only one of them runs');
    const lost = asOf === null ? [] : this.#goBack(asOf);
    const end = this.walEnd;
    if (kind === 'standby') {
      this.walTimeline += 1;
      this.switchedAt = end;
    }
    if (kind === 'cluster') this.#startOver(walStart);
    const stored = toLsn(Math.min(this.slot?.stored ?? 0, this.walEnd));
    const isKept = hasSlot && this.slot?.isLost === false;
    this.slot = isKept ? { confirmed: stored, stored, isLost: false, isActive: false } : null;
    this.era += 1;
    return lost;
  }

  /** What was committed later is gone; so is what else was written since. */
  #goBack(asOf: number): readonly Committed[] {
    const isKept = (record: WalRecord): boolean =>
      record.kind === 'commit' && record.committed.timeMicros <= asOf;
    const count = this.records.findLastIndex(isKept) + 1;
    const lost = this.records.slice(count);
    this.records = this.records.slice(0, count);
    const last = this.records.at(-1);
    this.walEnd = last?.kind === 'commit' ? last.committed.ts : this.#walStart;
    this.records.push(...this.#openRecords(this.records));
    this.#nextXid = Math.max(FIRST_XID, ...this.records.map(xidOf)) + 1;
    this.#present = this.#first.copy();
    for (const record of this.records) {
      if (record.kind === 'commit') this.#present.apply(record.committed.changes);
    }
    this.#visible = this.#present.copy();
    return lost.flatMap((record) => (record.kind === 'commit' ? [record.committed] : []));
  }

  /** The rows are loaded into a cluster that has another log. */
  #startOver(walStart: Lsn): void {
    this.systemId = `${BigInt(this.systemId) + 1n}`;
    this.walTimeline = 1;
    this.switchedAt = undefined;
    this.records = [];
    this.#first = this.#present.copy();
    this.#walStart = walStart;
    this.walEnd = walStart;
    this.#nextXid = FIRST_XID;
  }

  /** Large transactions that the crash rolls back. */
  #openRecords(records: readonly WalRecord[]): WalRecord[] {
    const open = new Set<OpenLarge>();
    const ended = new Set<number>();
    for (const record of records) {
      if (record.kind === 'piece') open.add(record.open);
      else if (record.kind === 'commit') ended.add(record.committed.xid);
      else if (record.kind === 'rollback') ended.add(record.open.xid);
    }
    const left = [...open].filter(({ xid }) => !ended.has(xid));
    for (const one of left) one.end = null;
    return left.map((one) => ({ kind: 'rollback', open: one }));
  }

  #commit(
    xid: number,
    what: {
      readonly changes: readonly RowChange[];
      readonly visibleMs: number;
      readonly isLarge: boolean;
      readonly announced?: readonly TableDef[];
    },
  ): Committed | null {
    const { changes, visibleMs, isLarge, announced = [] } = what;
    this.#showBefore(changes);
    this.#advance(isLarge ? 0 : changes.length * CHANGE_BYTES);
    const commitLsn = this.walEnd;
    this.#advance(COMMIT_BYTES);
    const ts = this.walEnd;
    const timeMicros = this.#now();
    const committed = { xid, ts, commitLsn, timeMicros, changes, isLarge, announced };
    this.#running.delete(xid);
    this.#late.push(committed);
    if (changes.length + announced.length > 0 || isLarge)
      this.#record({ kind: 'commit', committed });
    if (changes.length > 0) this.#news.onCommit(committed);
    this.#scheduler.after(visibleMs, `xid ${xid} is visible`, () => this.#show(committed));
    return changes.length > 0 ? committed : null;
  }

  /** Whoever writes a row has waited until the last writer's commit was visible. */
  #showBefore(changes: readonly RowChange[]): void {
    const names = new Set(changes.map(({ name }) => name));
    const isOfAll = changes.some(isOfTable);
    for (const late of [...this.#late]) {
      const isInTheWay = isOfAll || late.changes.some(isOfTable);
      if (isInTheWay || late.changes.some(({ name }) => names.has(name))) this.#show(late);
    }
  }

  #show(committed: Committed): void {
    const at = this.#late.indexOf(committed);
    if (at < 0) return;
    this.#late.splice(at, 1);
    this.#visible.apply(committed.changes);
    this.#wake();
  }

  #wake(): void {
    const waits = this.#waits;
    this.#waits = [];
    for (const look of waits) look();
  }

  #record(record: WalRecord): void {
    this.records.push(record);
    this.#news.onWal();
  }

  #advance(bytes: number): void {
    this.walEnd = toLsn(this.walEnd + bytes);
  }
}
