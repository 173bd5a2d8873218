/** A log of rows for tests of what reads it as changes, and its oracle: what was written, in plain objects. */
import { hasCode } from '../../../src/core/errors.ts';
import { type Ts, toLsn } from '../../../src/core/lsn.ts';
import type { CommitInfo } from '../../../src/core/source.ts';
import type { TableDef } from '../../../src/core/table.ts';
import { ChangeLog } from '../../../src/engine/change-log.ts';
import { systemClock } from '../../../src/engine/clock.ts';
import { writeCommit } from '../../../src/engine/ingest.ts';
import { LogTail } from '../../../src/engine/log-tail.ts';
import { OpenTransaction } from '../../../src/engine/open-transaction.ts';
import { SEGMENT_ALL } from '../../../src/log/group.ts';
import { LineBuffer } from '../../../src/log/line-buffer.ts';
import type { LogStore } from '../../../src/log/port.ts';
import type { Change } from '../../../src/protocol/transicator/change.ts';
import type { Sequence } from '../../../src/protocol/transicator/sequence.ts';
import { openLogStoreOn } from '../../../src/sqlite/log-store.ts';
import { openSql } from '../../../src/sqlite/sql.ts';

const ITEM: TableDef = {
  name: 'public.item',
  columns: [
    { name: 'id', type: 'integer', kind: 'int' },
    { name: 'note', type: 'text', kind: 'text' },
  ],
  key: ['id'],
  indexes: [],
  selector: { kind: 'everyone' },
};

/** One row for one selector; `*` is everybody. */
export type Written = { readonly selector: string; readonly isLong: boolean };
/** A row change as a reader of changes must get it. */
export type Told = { readonly sequence: Sequence; readonly txid: number; readonly id: number };
export type Transaction = {
  readonly history: number;
  readonly ts: number;
  readonly txid: number;
  /** It has a group for each part. */
  readonly isLarge: boolean;
  readonly rows: readonly (Told & { readonly selector: string })[];
};

/** More than is parsed at once. */
const LONG_NOTE = 'y'.repeat(40_000);
const START = 1000;
const TAIL_BYTES = 200_000;

export class ChangeLogBed {
  readonly store: LogStore;
  readonly tail: LogTail;
  readonly log: ChangeLog;
  /** Everything that was ever written, in order. */
  readonly transactions: Transaction[] = [];
  #ts = START;
  #id = 0;
  #generation = 0;
  /** How often something was taken out of the log. */
  cuts = 0;

  constructor() {
    this.store = openLogStoreOn(openSql(':memory:', { timeoutMs: 0 }), 'memory');
    this.tail = new LogTail(this.store, TAIL_BYTES);
    this.log = new ChangeLog({ tail: this.tail, clock: systemClock });
    this.reset();
  }

  /** A new history; positions go on where they were. */
  reset(): void {
    this.#generation += 1;
    this.cuts += 1;
    const identity = { systemId: '1', walTimeline: 1, generation: this.#generation };
    this.#ts += 10;
    this.store.reset({ ...identity, startTs: toLsn(this.#ts) }, [ITEM]);
    this.tail.rebuild();
  }

  get history(): number {
    return this.#generation - 1;
  }

  /** One append of groups of whole transactions. */
  append(groups: readonly (readonly (readonly Written[])[])[]): void {
    const fresh = groups.map((transactions) => {
      const out = new LineBuffer();
      const made = transactions.map((rows) => {
        const transaction = this.#transaction(rows, false);
        writeRows(out, rows, transaction);
        writeCommit(out, commitAt(transaction.ts), transaction.txid);
        return transaction;
      });
      const { body, segments } = out.copy(0, 0);
      return {
        head: {
          firstTs: toLsn(made[0]?.ts ?? 0),
          lastTs: toLsn(made.at(-1)?.ts ?? 0),
          part: 'whole' as const,
          txCount: made.length,
          minTxid: made[0]?.txid ?? 0,
          maxTxid: made.at(-1)?.txid ?? 0,
          selectors: out.selectors,
          hasAll: out.hasAll,
          sizeBytes: body.length,
        },
        content: {
          body,
          segments,
          transactions: Float64Array.from(made.flatMap(({ ts, txid }) => [ts, txid, 5])),
        },
      };
    });
    this.tail.added(this.store.append(fresh), fresh);
  }

  /** A transaction that arrived in parts. */
  appendLarge(parts: readonly (readonly Written[])[]): void {
    const transaction = this.#transaction(parts.flat(), true);
    const open = new OpenTransaction(1, (xid, part) => this.store.stage(xid, part));
    let at = 0;
    for (const [index, rows] of parts.entries()) {
      writeRows(open.buffer, rows, { ...transaction, rows: transaction.rows.slice(at) });
      at += rows.length;
      if (index < parts.length - 1) open.stageBuffer();
    }
    const { ts, txid } = transaction;
    const heads = open.seal(this.store, {
      ...{ commit: commitAt(ts), txid, writeCommit, tables: undefined },
    });
    this.tail.added(heads, []);
  }

  /** Neighbouring whole groups from place `at` on become one, where there are some. */
  merge(at: number, count: number): void {
    const run = this.store.heads.slice(at, at + count);
    const [first] = run;
    const last = run.at(-1);
    if (first === undefined || last === undefined || run.some(({ part }) => part !== 'whole'))
      return;
    this.tail.merge(first.seq, last.seq);
  }

  /** The oldest groups go. */
  purge(count: number): void {
    const last = this.store.heads.slice(0, count).at(-1);
    if (last === undefined) return;
    this.tail.purge(last.seq);
    this.cuts += 1;
  }

  /** What of the log's present content a reader must get. */
  due(selectors: readonly string[], since: Sequence | null): readonly Transaction[] {
    return this.transactions
      .filter(({ history, ts }) => history === this.history && ts > this.store.since)
      .map((transaction) => {
        const wanted = transaction.rows.filter(({ selector }) => isFor(selectors, selector));
        const rows = wanted.filter(({ sequence }) => since === null || isAfter(sequence, since));
        return { ...transaction, rows };
      })
      .filter(({ rows }) => rows.length > 0);
  }

  #transaction(rows: readonly Written[], isLarge: boolean): Transaction {
    this.#ts += 5;
    const ts = this.#ts;
    const { history } = this;
    const told = rows.map(({ selector }, index) => {
      this.#id += 1;
      return { selector, sequence: { history, ts: ts as Ts, index }, txid: ts, id: this.#id };
    });
    const made = { history, ts, txid: ts, isLarge, rows: told };
    this.transactions.push(made);
    return made;
  }
}

function commitAt(ts: number): CommitInfo {
  return { xid: 1, commitLsn: toLsn(ts - 1), ts: toLsn(ts), timeMicros: 5 };
}

function writeRows(out: LineBuffer, rows: readonly Written[], { rows: told }: Transaction): void {
  for (const [at, { selector, isLong }] of rows.entries()) {
    const line = {
      type: 'insert',
      table: ITEM.name,
      row: [told[at]?.id ?? 0, isLong ? LONG_NOTE : 'x'],
    };
    out.append(Buffer.from(`${JSON.stringify(line)}\n`));
    out.endLine(selector === '*' ? SEGMENT_ALL : out.selectorId(selector), 1);
  }
}

export function isFor(selectors: readonly string[], selector: string): boolean {
  return selector === '*' || selectors.includes(selector);
}

/** In one history. */
export function isAfter(one: Sequence, since: Pick<Sequence, 'ts' | 'index'>): boolean {
  return one.ts > since.ts || (one.ts === since.ts && one.index > since.index);
}

export function toldOf({ sequence, txid, newRow }: Change): Told {
  return { sequence, txid, id: Number(newRow?.cells[0]) };
}

export function isTooOld(error: unknown): boolean {
  return hasCode(error, 'TOO_OLD');
}
