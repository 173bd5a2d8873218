/**
 * One replication connection: brings the log's records to a handler as the slot reader does, in reads that end
 * anywhere, and keeps what is confirmed.
 */
import type { Lsn } from '../core/lsn.ts';
import type { OldTuple, SourceHandler } from '../core/source.ts';
import type { TableDef } from '../core/table.ts';
import { tableMessage } from './catalog.ts';
import type { Chance } from './chance.ts';
import type { RowChange } from './database.ts';
import type { StreamOptions } from './plan.ts';
import type { SimPostgres } from './postgres.ts';
import type { Life, Scheduler, Task } from './scheduler.ts';
import { relationOf, tuplesOf } from './tables.ts';
import type { Committed, WalRecord } from './wal.ts';

export type WalsenderOptions = {
  readonly postgres: SimPostgres;
  readonly scheduler: Scheduler;
  readonly chance: Chance;
  readonly stream: StreamOptions;
  readonly life: Life;
  /** Transactions that end after this are sent. */
  readonly from: Lsn;
  /** Large transactions are sent when they have committed, not while they are open. */
  readonly isWhole: boolean;
  readonly handler: SourceHandler;
  /** The handler threw: the connection is of no use any more. */
  readonly onFailure: (error: unknown) => void;
};

type Message = () => Promise<void> | undefined;

/** Confirmations are sent together, this much later. */
const CONFIRM_MS = 100;
/** An idle connection says this often where it is. */
const KEEPALIVE_MS = 1000;

export class Walsender {
  readonly #options: WalsenderOptions;
  readonly #relations = new Set<TableDef>();
  readonly #sent = new Set<object>();
  #messages: Message[] = [];
  /** Records that were turned into messages. */
  #next = 0;
  /** Between the changes of a transaction no position is told. */
  #isBetween = true;
  #isPaused = false;
  #isWaiting = false;
  #isClosed = false;
  #tick: Task | null = null;
  #keepalive: Task | null = null;
  #confirmed: Lsn | null = null;
  #confirming: Task | null = null;

  constructor(options: WalsenderOptions) {
    this.#options = options;
    this.wake();
    this.#keepAlive();
  }

  /** There may be something to send. */
  wake(): void {
    const { scheduler, chance, stream, life } = this.#options;
    if (this.#isClosed || this.#isPaused || this.#isWaiting || this.#tick !== null) return;
    const delayMs = chance.between(0, stream.delayMsMax);
    this.#tick = scheduler.after(delayMs, 'stream: read', () => this.#read(), life);
  }

  /** It says where it is, soon. */
  nudge(): void {
    const { scheduler, life } = this.#options;
    scheduler.after(2, 'stream: asked', () => this.#sayWhere(), life);
  }

  confirm(lsn: Lsn): void {
    const { scheduler, postgres, life } = this.#options;
    this.#confirmed = lsn;
    this.#confirming ??= scheduler.after(
      CONFIRM_MS,
      'stream: confirm',
      () => {
        this.#confirming = null;
        if (this.#isClosed || this.#confirmed === null) return;
        postgres.confirm(this.#confirmed);
      },
      life,
    );
  }

  pause(): void {
    this.#isPaused = true;
    this.#tick?.cancel();
    this.#tick = null;
  }

  resume(): void {
    this.#isPaused = false;
    this.wake();
  }

  close(): void {
    this.#isClosed = true;
    this.#tick?.cancel();
    this.#keepalive?.cancel();
    const { slot } = this.#options.postgres;
    if (slot !== null) slot.isActive = false;
  }

  /** Delivers everything there is, at once: for who looks and does not follow. */
  drain(): void {
    const { handler, postgres } = this.#options;
    for (this.#fill(); this.#messages.length > 0; this.#fill()) {
      for (const message of this.#messages.splice(0)) void message();
    }
    handler.keepalive(postgres.walEnd);
    this.close();
  }

  #read(): void {
    this.#tick = null;
    const { chance, stream, handler } = this.#options;
    try {
      this.#fill();
      const count = chance.between(1, stream.messagesMax);
      for (let index = 0; index < count; index += 1) {
        const waiting = this.#messages.shift()?.();
        if (waiting !== undefined) {
          this.#await(waiting);
          return;
        }
      }
      if (this.#messages.length === 0 && chance.hits(0.5)) this.#tellWhere();
      handler.endOfRead();
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (this.#messages.length > 0 || this.#next < this.#options.postgres.records.length)
      this.wake();
  }

  /** The catalog is asked, and nothing is read meanwhile. */
  #await(waiting: Promise<void>): void {
    this.#isWaiting = true;
    waiting.then(
      () => {
        this.#isWaiting = false;
        this.wake();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  #fail(error: unknown): void {
    if (this.#isClosed) return;
    this.close();
    this.#options.onFailure(error);
  }

  #keepAlive(): void {
    const { scheduler, life } = this.#options;
    if (this.#isClosed) return;
    this.#keepalive = scheduler.after(
      KEEPALIVE_MS,
      'stream: keepalive',
      () => {
        this.#sayWhere();
        this.#keepAlive();
      },
      life,
    );
  }

  #sayWhere(): void {
    const { handler } = this.#options;
    if (this.#isClosed || this.#isPaused || this.#isWaiting) return;
    try {
      this.#tellWhere();
      handler.endOfRead();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Only between transactions, and only when everything before was sent. */
  #tellWhere(): void {
    const { handler, postgres } = this.#options;
    const isBehind = this.#messages.length > 0 || this.#next < postgres.records.length;
    if (this.#isBetween && !isBehind) handler.keepalive(postgres.walEnd);
  }

  #fill(): void {
    const { records } = this.#options.postgres;
    for (; this.#next < records.length && this.#messages.length === 0; this.#next += 1) {
      const record = records[this.#next];
      if (record !== undefined) this.#messages.push(...this.#messagesOf(record));
    }
  }

  #messagesOf(record: WalRecord): Message[] {
    const { from, handler, isWhole } = this.#options;
    if (record.kind !== 'commit' && isWhole) return [];
    switch (record.kind) {
      case 'commit': {
        const { committed } = record;
        if (committed.ts <= from) return [];
        const { isLarge } = committed;
        return isLarge && !isWhole
          ? [() => handler.commit(commitInfo(committed)) as undefined]
          : this.#whole(committed);
      }
      case 'piece':
        return this.#isWanted(record.open) ? this.#piece(record) : [];
      case 'lost':
        if (!this.#isWanted(record.open)) return [];
        return [() => handler.streamAbort(record.open.xid, record.subxid) as undefined];
      default: {
        const { xid } = record.open;
        return this.#isWanted(record.open)
          ? [() => handler.streamAbort(xid, xid) as undefined]
          : [];
      }
    }
  }

  #isWanted({ end }: { readonly end: Lsn | null }): boolean {
    return end === null || end > this.#options.from;
  }

  #whole(committed: Committed): Message[] {
    const { handler } = this.#options;
    const { xid, changes, announced } = committed;
    return [
      () => {
        this.#isBetween = false;
        handler.begin(xid);
        return undefined;
      },
      ...changes.flatMap((change) => this.#changeMessages(change, xid, xid)),
      ...announced.map(
        (table): Message =>
          () => {
            return handler.message(
              tableMessage(table, { xid, subxid: xid, isRewritten: undefined }),
            );
          },
      ),
      () => {
        handler.commit(commitInfo(committed));
        this.#isBetween = true;
        return undefined;
      },
    ];
  }

  #piece({ open, piece }: Extract<WalRecord, { kind: 'piece' }>): Message[] {
    const { handler } = this.#options;
    const { xid } = open;
    return [
      () => {
        this.#isBetween = false;
        handler.streamStart(xid, !this.#sent.has(open));
        this.#sent.add(open);
        return undefined;
      },
      ...piece.changes.flatMap((change) => this.#changeMessages(change, xid, piece.subxid)),
      () => {
        handler.streamStop();
        this.#isBetween = true;
        return undefined;
      },
    ];
  }

  #changeMessages(change: RowChange, xid: number, subxid: number): Message[] {
    const { handler } = this.#options;
    const { table, alteration } = change;
    if (alteration !== undefined) {
      const { isRewritten } = alteration;
      return [() => handler.message(tableMessage(table, { xid, subxid, isRewritten }))];
    }
    const relation = relationOf(table);
    const announce: Message[] = this.#relations.has(table)
      ? []
      : [() => handler.relation(this.#known(table, relation), xid)];
    this.#relations.add(table);
    return [
      ...announce,
      () => {
        this.#change(change, { xid, subxid });
        return undefined;
      },
    ];
  }

  readonly #announced = new Map<TableDef, ReturnType<typeof relationOf>>();

  /** The handler knows a relation by the object that was announced. */
  #known(table: TableDef, relation: ReturnType<typeof relationOf>): ReturnType<typeof relationOf> {
    const known = this.#announced.get(table) ?? relation;
    this.#announced.set(table, known);
    return known;
  }

  #change(
    { table, kind, old, row }: RowChange,
    info: { readonly xid: number; readonly subxid: number },
  ): void {
    const { handler } = this.#options;
    const relation = this.#known(table, relationOf(table));
    if (kind === 'truncate') {
      handler.truncate([relation], info);
      return;
    }
    const tuples = tuplesOf([...(old === null ? [] : [old]), ...(row === null ? [] : [row])]);
    const [first, second] = tuples;
    if (first === undefined) return;
    const before: OldTuple = { isWholeRow: true, tuple: first };
    if (kind === 'insert') handler.insert(relation, first, info);
    else if (kind === 'delete') handler.delete(relation, before, info);
    else if (second !== undefined) handler.update(relation, before, second, info);
  }
}

function commitInfo({ xid, commitLsn, ts, timeMicros }: Committed): {
  readonly xid: number;
  readonly commitLsn: Lsn;
  readonly ts: Lsn;
  readonly timeMicros: number;
} {
  return { xid: xid % 2 ** 32, commitLsn, ts, timeMicros };
}
