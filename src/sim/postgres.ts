/**
 * A simulated Postgres: transactions that are open at once, a write-ahead log in commit order, snapshots that
 * see commits in another order, and one replication slot.
 *
 * A transaction's writes are decided at its end, as if all of its statements ran there: rows are locked from a write
 * to the moment when others see it, so nothing can come in between.
 */
import { assert } from '../core/assert.ts';
import { type Lsn, toLsn } from '../core/lsn.ts';
import type { TxidSnapshot } from '../core/txid-snapshot.ts';
import { Database, type RowChange } from './database.ts';
import type { Change } from './plan.ts';
import type { Scheduler } from './scheduler.ts';

export type Committed = {
  readonly xid: number;
  readonly ts: Lsn;
  readonly commitLsn: Lsn;
  readonly timeMicros: number;
  readonly changes: readonly RowChange[];
  readonly isLarge: boolean;
};

/** What decoding the log brings, in its order. */
export type WalRecord =
  | { readonly kind: 'piece'; readonly open: OpenLarge; readonly piece: Piece }
  | { readonly kind: 'lost'; readonly open: OpenLarge; readonly subxid: number }
  | { readonly kind: 'rollback'; readonly open: OpenLarge }
  | { readonly kind: 'commit'; readonly committed: Committed };

export type Piece = { readonly subxid: number; readonly changes: readonly RowChange[] };
/** `end`: its commit's position; null while it is open, or was rolled back. */
export type OpenLarge = { readonly xid: number; end: Lsn | null; isFirst: boolean };

/** `stored` is what survives a crash. */
export type Slot = { confirmed: Lsn; stored: Lsn; isLost: boolean; isActive: boolean };

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
const CHANGE_BYTES = 64;
const COMMIT_BYTES = 48;

export class SimPostgres {
  readonly systemId = '7300000000000000001';
  readonly records: WalRecord[] = [];
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
  readonly #present = new Database();
  readonly #visible = new Database();
  readonly #running = new Set<number>();
  /** Committed and not seen by others yet, in commit order. */
  #late: Committed[] = [];
  #nextXid = FIRST_XID;
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
    return { xid, end: null, isFirst: true };
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

  /** What a write would do now; it is not done. A copy's locks keep others from truncating. */
  wouldDo(change: Change): readonly RowChange[] {
    if (change.kind === 'truncate' && this.copies > 0) return [];
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

  commitLarge(open: OpenLarge, kept: readonly Piece[], visibleMs: number): Committed | null {
    const changes = kept.flatMap((piece) => piece.changes);
    this.#present.apply(changes);
    const committed = this.#commit(open.xid, { changes, visibleMs, isLarge: true });
    if (committed !== null) open.end = committed.ts;
    return committed;
  }

  rollback(xid: number, open: OpenLarge | null): void {
    if (!this.#running.delete(xid)) return;
    if (open !== null) this.#record({ kind: 'rollback', open });
    this.#advance(COMMIT_BYTES);
    this.#wake();
  }

  /** Writes that concern no published table. */
  writeOther(bytes: number): void {
    this.#advance(bytes);
    this.#news.onWal();
  }

  /** What a new transaction sees, once it has its locks: whoever truncates has ended by then. */
  snapshot(): DatabaseSnapshot {
    for (const late of [...this.#late]) if (late.changes.some(isTruncate)) this.#show(late);
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
    const before = new Set([...this.#running, ...this.#late.map(({ xid }) => xid)]);
    const look = (): void => {
      const late = new Set(this.#late.map(({ xid }) => xid));
      if ([...before].some((xid) => this.#running.has(xid) || late.has(xid))) {
        this.#waits.push(look);
        return;
      }
      this.#advance(8);
      const position = this.walEnd;
      this.slot = { confirmed: position, stored: position, isLost: false, isActive: false };
      onCreated(position);
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
    for (const record of this.#openRecords()) this.records.push(record);
    this.#running.clear();
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

  /** Large transactions that the crash rolls back. */
  #openRecords(): WalRecord[] {
    const open = new Set<OpenLarge>();
    for (const record of this.records) {
      if (record.kind === 'piece' && this.#running.has(record.open.xid)) open.add(record.open);
    }
    return [...open].map((one) => ({ kind: 'rollback', open: one }));
  }

  #commit(
    xid: number,
    what: {
      readonly changes: readonly RowChange[];
      readonly visibleMs: number;
      readonly isLarge: boolean;
    },
  ): Committed | null {
    const { changes, visibleMs, isLarge } = what;
    this.#showBefore(changes);
    this.#advance(isLarge ? 0 : changes.length * CHANGE_BYTES);
    const commitLsn = this.walEnd;
    this.#advance(COMMIT_BYTES);
    const ts = this.walEnd;
    const timeMicros = this.#now();
    const committed = { xid, ts, commitLsn, timeMicros, changes, isLarge };
    this.#running.delete(xid);
    this.#late.push(committed);
    if (changes.length > 0 || isLarge) this.#record({ kind: 'commit', committed });
    if (changes.length > 0) this.#news.onCommit(committed);
    this.#scheduler.after(visibleMs, `xid ${xid} is visible`, () => this.#show(committed));
    return changes.length > 0 ? committed : null;
  }

  /** Whoever writes a row has waited until the last writer's commit was visible. */
  #showBefore(changes: readonly RowChange[]): void {
    const names = new Set(changes.map(({ name }) => name));
    const truncates = changes.some(isTruncate);
    for (const late of [...this.#late]) {
      const isInTheWay = truncates || late.changes.some(isTruncate);
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

function isTruncate({ kind }: RowChange): boolean {
  return kind === 'truncate';
}
