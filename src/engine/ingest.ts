/**
 * hot path: from the slot reader's calls to groups of the log.
 *
 *   between --begin--> in transaction --commit--> between          (small: lines collect in the main buffer)
 *                      in transaction --too large--> spilled       (lines go to an OpenTransaction, staged)
 *   between --streamStart--> in an open transaction --streamStop--> between
 *
 * Everything that is complete at the end of a socket read is queued for the log as one append.
 */
import { assert } from '../core/assert.ts';
import { TidelockError } from '../core/errors.ts';
import { formatLsn, LSN_ZERO, type Lsn, type Ts } from '../core/lsn.ts';
import type {
  ChangeInfo,
  CommitInfo,
  LogicalMessage,
  OldTuple,
  RawTuple,
  Relation,
  SourceHandler,
} from '../core/source.ts';
import type { TableDef } from '../core/table.ts';
import { type NewGroup, SEGMENT_COMMIT } from '../log/group.ts';
import { LineBuffer } from '../log/line-buffer.ts';
import { writeDelete, writeForAll, writeInsert, writeUpdate } from './change-writer.ts';
import type { EngineCrashHook } from './crash-points.ts';
import { OpenTransaction, type Stage } from './open-transaction.ts';
import type { ReplicatedTables } from './replicated-tables.ts';

export type IngestLimits = {
  /** A group is closed when it reaches this. */
  readonly groupBytesMax: number;
  /** A single transaction above this is staged in pieces of this size. */
  readonly partBytesMax: number;
};

/** What the log has to do next, in order. */
export type LogTask =
  | {
      readonly kind: 'append';
      readonly group: NewGroup;
      readonly tables: readonly TableDef[] | undefined;
    }
  | {
      readonly kind: 'seal';
      readonly transaction: OpenTransaction;
      readonly commit: CommitInfo;
      readonly txid: number;
      readonly tables: readonly TableDef[] | undefined;
    }
  | { readonly kind: 'discard'; readonly xid: number };

export type IngestOptions = {
  readonly tables: ReplicatedTables;
  readonly stage: Stage;
  readonly limits: IngestLimits;
  /** Transactions at or before this are in the log already. */
  readonly after: Ts;
  /** The next transaction id, 64 bits, at the time of connecting: widens the stream's 32-bit ids. */
  readonly nextTxid: number;
  /** Called at the end of every socket read that completed something or moved the position. */
  readonly onRead: (tasks: LogTask[], deliveredUpTo: Lsn) => void;
  readonly onRedelivered: () => void;
  readonly crashPoint?: EngineCrashHook | undefined;
};

const XID_RANGE = 0x1_0000_0000;

export class Ingest implements SourceHandler {
  readonly #options: IngestOptions;
  readonly #main = new LineBuffer();
  #transactions: number[] = [];
  readonly #open = new Map<number, OpenTransaction>();
  #tasks: LogTask[] = [];
  #spilled: OpenTransaction | null = null;
  #out: LineBuffer;
  #startSegment = 0;
  #startByte = 0;
  #xid = 0;
  #lastTxid: number;
  #deliveredUpTo: Lsn = LSN_ZERO;
  #reportedUpTo: Lsn = LSN_ZERO;
  #changes = 0;
  #isInPiece = false;

  constructor(options: IngestOptions) {
    this.#options = options;
    this.#out = this.#main;
    this.#lastTxid = options.nextTxid;
  }

  /** Changes handed over by the source so far, filed or not. */
  get changes(): number {
    return this.#changes;
  }

  /** Transactions that have pieces in the staging area and no end yet. */
  get openXids(): readonly number[] {
    const open = [...this.#open.values()];
    if (this.#spilled !== null && !this.#open.has(this.#spilled.xid)) open.push(this.#spilled);
    return open.filter((transaction) => transaction.isStaged).map(({ xid }) => xid);
  }

  begin(xid: number): void {
    this.#xid = xid;
    this.#out = this.#main;
    this.#startSegment = this.#main.segmentCount;
    this.#startByte = this.#main.length;
  }

  streamStart(xid: number, _isFirst: boolean): void {
    this.#isInPiece = true;
    this.#xid = xid;
    let open = this.#open.get(xid);
    if (open === undefined) {
      open = new OpenTransaction(xid, this.#options.stage);
      this.#open.set(xid, open);
    }
    this.#spilled = open;
    this.#out = open.buffer;
  }

  streamStop(): void {
    this.#isInPiece = false;
    this.#spill();
    this.#spilled = null;
    this.#out = this.#main;
  }

  streamAbort(xid: number, subxid: number): void {
    const open = this.#open.get(xid);
    if (open === undefined) return;
    if (xid !== subxid) {
      open.abort(subxid);
      return;
    }
    this.#open.delete(xid);
    if (open.isStaged) this.#tasks.push({ kind: 'discard', xid });
  }

  relation(relation: Relation, xid: number): Promise<void> | undefined {
    const { tables } = this.#options;
    if (this.#isInPiece && !tables.fits(relation)) throw changesSchema(relation.name);
    const txid = xid === 0 ? 0 : this.#widen(xid);
    return tables.announce(relation, { write: this.#writer(xid), txid });
  }

  message(message: LogicalMessage): Promise<void> | undefined {
    if (!message.isTransactional) return undefined;
    const events = this.#options.tables.events(message);
    const [first] = events;
    if (first === undefined) return undefined;
    if (this.#isInPiece) throw changesSchema(first.name);
    const place = { write: this.#writer(message.subxid), txid: this.#widen(message.xid) };
    return this.#options.tables.handle(events, place);
  }

  insert(relation: Relation, row: RawTuple, change: ChangeInfo): void {
    const plan = this.#options.tables.plan(relation);
    if (plan !== null) writeInsert({ plan, out: this.#out, subxid: change.subxid }, row);
    this.#afterChange();
  }

  update(relation: Relation, old: OldTuple | null, row: RawTuple, change: ChangeInfo): void {
    const plan = this.#options.tables.plan(relation);
    if (plan !== null && !writeUpdate({ plan, out: this.#out, subxid: change.subxid }, old, row)) {
      this.#options.tables.requireResync(
        plan.table.name,
        'a row moved between selectors and its unchanged out-of-line value was not in the stream',
        this.#writer(change.subxid),
      );
    }
    this.#afterChange();
  }

  delete(relation: Relation, old: OldTuple, change: ChangeInfo): void {
    const plan = this.#options.tables.plan(relation);
    if (plan !== null) writeDelete({ plan, out: this.#out, subxid: change.subxid }, old);
    this.#afterChange();
  }

  truncate(relations: readonly Relation[], change: ChangeInfo): void {
    for (const relation of relations) {
      const plan = this.#options.tables.plan(relation);
      if (plan === null) continue;
      writeForAll(this.#out, change.subxid, { type: 'truncate', table: plan.table.name });
    }
    this.#afterChange();
  }

  commit(commit: CommitInfo): void {
    const txid = this.#widen(commit.xid);
    const isKnown = commit.ts <= this.#options.after;
    const open = this.#spilled ?? this.#open.get(commit.xid);
    if (isKnown) this.#options.onRedelivered();
    if (open !== undefined) this.#commitOpen(open, { commit, txid, isKnown });
    else if (isKnown) this.#main.truncate(this.#startSegment, this.#startByte);
    else this.#commitMain(commit, txid);
    this.#spilled = null;
    this.#out = this.#main;
    this.#deliveredUpTo = commit.ts;
  }

  keepalive(walEnd: Lsn): void {
    if (walEnd > this.#deliveredUpTo) this.#deliveredUpTo = walEnd;
  }

  endOfRead(): void {
    this.#options.crashPoint?.('read');
    if (this.#out === this.#main && this.#main.length === this.#startByte) this.#cut();
    else this.#cutBeforeCurrent();
    if (this.#tasks.length === 0 && this.#deliveredUpTo <= this.#reportedUpTo) return;
    const tasks = this.#tasks;
    this.#tasks = [];
    this.#reportedUpTo = this.#deliveredUpTo;
    this.#options.onRead(tasks, this.#deliveredUpTo);
  }

  #writer(subxid: number): (line: object) => void {
    return (line) => writeForAll(this.#out, subxid, line);
  }

  #commitMain(commit: CommitInfo, txid: number): void {
    if (this.#main.segmentCount === this.#startSegment) return;
    writeCommit(this.#main, commit, txid);
    this.#transactions.push(commit.ts, txid, commit.timeMicros);
    this.#startSegment = this.#main.segmentCount;
    this.#startByte = this.#main.length;
    if (this.#main.length >= this.#options.limits.groupBytesMax) this.#cut();
  }

  #commitOpen(
    open: OpenTransaction,
    info: { commit: CommitInfo; txid: number; isKnown: boolean },
  ): void {
    const { commit, txid, isKnown } = info;
    this.#open.delete(commit.xid);
    if (isKnown) {
      if (open.isStaged) this.#tasks.push({ kind: 'discard', xid: open.xid });
      return;
    }
    if (!open.isStaged) {
      this.begin(commit.xid);
      open.copyInto(this.#main);
      this.#commitMain(commit, txid);
      return;
    }
    this.#startSegment = this.#main.segmentCount;
    this.#startByte = this.#main.length;
    this.#cut();
    const tables = this.#options.tables.takeChanged();
    this.#tasks.push({ kind: 'seal', transaction: open, commit, txid, tables });
  }

  #afterChange(): void {
    this.#changes += 1;
    const { partBytesMax } = this.#options.limits;
    if (this.#spilled !== null) {
      if (this.#out.length >= partBytesMax) this.#spill();
    } else if (this.#main.length - this.#startByte >= partBytesMax) {
      this.#moveToOpen();
    }
  }

  /** The present transaction is too large for the main buffer. */
  #moveToOpen(): void {
    const open = new OpenTransaction(this.#xid, this.#options.stage);
    const selectors = this.#main.selectors;
    open.stagePart({ ...this.#main.copy(this.#startSegment, this.#startByte), selectors });
    this.#main.truncate(this.#startSegment, this.#startByte);
    this.#cutBeforeCurrent();
    this.#spilled = open;
    this.#out = open.buffer;
  }

  #spill(): void {
    const open = this.#spilled;
    if (open !== null && open.buffer.length >= this.#options.limits.partBytesMax)
      open.stageBuffer();
  }

  /** Queues the complete transactions in the main buffer, keeping the one that is being collected. */
  #cutBeforeCurrent(): void {
    if (this.#transactions.length === 0) return;
    if (this.#main.length === this.#startByte) {
      this.#cut();
      return;
    }
    const rest = new LineBuffer();
    copyRest(this.#main, rest, { segment: this.#startSegment, byte: this.#startByte });
    this.#main.truncate(this.#startSegment, this.#startByte);
    this.#cut();
    copyRest(rest, this.#main, { segment: 0, byte: 0 });
  }

  #cut(): void {
    assert(this.#main.length === this.#startByte, 'a group is cut between transactions');
    if (this.#transactions.length > 0) {
      const group = toGroup(this.#main, this.#transactions);
      this.#tasks.push({ kind: 'append', group, tables: this.#options.tables.takeChanged() });
    }
    this.#main.clear();
    this.#transactions = [];
    this.#startSegment = 0;
    this.#startByte = 0;
  }

  #widen(xid: number): number {
    const base = this.#lastTxid - (this.#lastTxid % XID_RANGE);
    let wide = base + xid;
    if (wide - this.#lastTxid > XID_RANGE / 2) wide -= XID_RANGE;
    else if (this.#lastTxid - wide > XID_RANGE / 2) wide += XID_RANGE;
    if (wide > this.#lastTxid) this.#lastTxid = wide;
    return wide;
  }
}

/** What the catalog says of an open transaction's tables cannot be asked, and it may still be rolled back. */
function changesSchema(table: string): TidelockError {
  return new TidelockError({
    code: 'SOURCE_DOWN',
    message: `a large transaction that is still open changes table ${table}`,
    hint: 'it is read again as a whole once it has committed',
    details: { needsWholeTransactions: true },
  });
}

/** Appends the line that closes a transaction and files it. */
export function writeCommit(out: LineBuffer, commit: CommitInfo, txid: number): void {
  const { ts, timeMicros } = commit;
  out.append(
    Buffer.from(
      `{"type":"commit","ts":"${formatLsn(ts)}","txid":"${txid}","micros":${timeMicros}}\n`,
    ),
  );
  out.endLine(SEGMENT_COMMIT, 0);
  out.closeSegment();
}

function copyRest(
  from: LineBuffer,
  to: LineBuffer,
  start: { segment: number; byte: number },
): void {
  const { body, segments, subxids } = from.copy(start.segment, start.byte);
  to.appendSegments({ body, segments, subxids, selectors: from.selectors });
}

/** The group of what a buffer holds; `transactions` are triples of ts, txid and commit time. */
export function toGroup(buffer: LineBuffer, transactions: readonly number[]): NewGroup {
  const { body, segments } = buffer.copy(0, 0);
  let maxTxid = 0;
  let minTxid = Number.MAX_SAFE_INTEGER;
  for (let index = 1; index < transactions.length; index += 3) {
    maxTxid = Math.max(maxTxid, transactions[index] ?? 0);
    minTxid = Math.min(minTxid, transactions[index] ?? 0);
  }
  return {
    head: {
      firstTs: (transactions[0] ?? 0) as Ts,
      lastTs: (transactions[transactions.length - 3] ?? 0) as Ts,
      part: 'whole',
      txCount: transactions.length / 3,
      maxTxid,
      minTxid,
      selectors: buffer.selectors,
      hasAll: buffer.hasAll,
      sizeBytes: body.length + segments.byteLength,
    },
    content: { segments, transactions: Float64Array.from(transactions), body },
  };
}
