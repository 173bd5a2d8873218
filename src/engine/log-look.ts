/** The log for people: its transactions around a position, the changes of one, what fills it, and changes of tables. */
import { TidelockError } from '../core/errors.ts';
import { formatLsn, type Ts } from '../core/lsn.ts';
import { EVERYONE } from '../core/selector.ts';
import type { TableDef } from '../core/table.ts';
import type { LogStore } from '../log/port.ts';
import type {
  LogChange,
  LogChanges,
  LogPage,
  LogTransaction,
  SchemaEvent,
  SchemaEvents,
  SelectorSizes,
} from '../protocol/dashboard.ts';
import type { Clock } from './clock.ts';
import { changeOfLine } from './log-change.ts';
import { frontOf, type StoredLine, type StoredTransaction, storedLines } from './log-lines.ts';
import { LogWalk } from './log-walk.ts';

/** Stored bytes that one answer looks through. */
const PAGE_BYTES_MAX = 8 * 1024 * 1024;
const SURVEY_BYTES_MAX = 32 * 1024 * 1024;
const CHANGES_BYTES_MAX = 512 * 1024;
const SELECTORS_NAMED = 6;
const SELECTORS_MAX = 200;
const EVENTS_MAX = 100;
const SCHEMA_OPS = ['table', 'resync', 'drop', 'truncate'] as const;

export type LookParts = {
  readonly store: LogStore;
  readonly clock: Clock;
  readonly tables: () => readonly TableDef[];
  /** Connected readers of a selector. */
  readonly readersOf: (selector: string) => number;
};

export type PageRequest = {
  /** Transactions at or before it, or with `isNewer` behind it; null: the newest. */
  readonly at: Ts | null;
  readonly isNewer: boolean;
  readonly limit: number;
};

export class LogLook {
  readonly #parts: LookParts;

  constructor(parts: LookParts) {
    this.#parts = parts;
  }

  async page({ at, isNewer, limit }: PageRequest, signal: AbortSignal): Promise<LogPage> {
    const { store } = this.#parts;
    const walk = this.#walk(PAGE_BYTES_MAX, signal);
    const found = new Map<Ts, Summary>();
    const isBeyond = (ts: Ts): boolean =>
      ts <= store.since || (at !== null && (isNewer ? ts <= at : ts > at));
    const groups = isNewer ? walk.newer(((at ?? 0) + 1) as Ts) : walk.older(at ?? store.upper);
    for await (const group of groups) {
      for (const line of storedLines(group)) {
        const { ts } = line.transaction;
        if (!isBeyond(ts)) summaryFor(found, line.transaction).add(line);
      }
      // One more than asked for: whether there is another page.
      if (found.size > limit && group.head.part !== 'open') break;
    }
    const order = [...found.keys()].sort((one, other) => (isNewer ? one - other : other - one));
    const shown = order.slice(0, limit).sort((one, other) => other - one);
    const isPartial = walk.isSpent;
    const transactions = shown.flatMap(
      (ts) => found.get(ts)?.told(isPartial && ts === order.at(-1)) ?? [],
    );
    return { ...this.#ends(shown, at), transactions };
  }

  /** Throws `NOT_FOUND` when the log has no such transaction. */
  async changes(
    request: { readonly ts: Ts; readonly from: number; readonly limit: number },
    signal: AbortSignal,
  ): Promise<LogChanges> {
    const { ts, from, limit } = request;
    const tables = new Map(this.#parts.tables().map((table) => [table.name, table]));
    const changes: LogChange[] = [];
    let [index, bytes] = [0, 0];
    let transaction: StoredTransaction | null = null;
    let next: number | undefined;
    let isEnded = true;
    for await (const group of this.#walk(SURVEY_BYTES_MAX, signal).newer(ts)) {
      if (group.head.firstTs > ts) break;
      isEnded = group.head.part !== 'open';
      for (const line of storedLines(group)) {
        if (line.transaction.ts !== ts) continue;
        transaction = line.transaction;
        const isFull = changes.length >= limit || bytes >= CHANGES_BYTES_MAX;
        if (index >= from && isFull) next ??= index;
        else if (index >= from) {
          changes.push(changeOfLine(line, index, tables));
          bytes += line.bytes.length;
        }
        index += 1;
      }
      if (next !== undefined) break;
    }
    if (transaction === null) throw noTransaction(ts);
    const { txid, micros } = transaction;
    const isCut = next === undefined && !isEnded;
    const end = { ...(next === undefined ? {} : { next }), ...(isCut ? { isCut } : {}) };
    return { ts: formatLsn(ts), txid, atMs: micros / 1000, changes, ...end };
  }

  /** Which selectors fill the newest part of the log. */
  async selectors(signal: AbortSignal): Promise<SelectorSizes> {
    const walk = this.#walk(SURVEY_BYTES_MAX, signal);
    const found = new Map<string, { bytes: number; segments: number }>();
    let total = 0;
    for await (const group of walk.older(this.#parts.store.upper)) {
      for (const { selector, bytes } of storedLines(group)) {
        const entry = found.get(selector) ?? { bytes: 0, segments: 0 };
        entry.bytes += bytes.length + 1;
        entry.segments += 1;
        total += bytes.length + 1;
        found.set(selector, entry);
      }
    }
    const sizes = [...found].sort(([, one], [, other]) => other.bytes - one.bytes);
    return {
      selectors: sizes.slice(0, SELECTORS_MAX).map(([selector, entry]) => ({
        ...{ selector, ...entry, share: total === 0 ? 0 : entry.bytes / total },
        readers: this.#parts.readersOf(selector),
      })),
      selectorCount: sizes.length,
      looked: walk.looked,
    };
  }

  /** Changes of tables, the newest first. */
  async schema(signal: AbortSignal): Promise<SchemaEvents> {
    const { store } = this.#parts;
    const walk = this.#walk(SURVEY_BYTES_MAX, signal, ({ hasAll }) => hasAll);
    const events: SchemaEvent[] = [];
    for await (const group of walk.older(store.upper)) {
      const found: SchemaEvent[] = [];
      for (const line of storedLines(group)) {
        if (line.selector !== EVERYONE) continue;
        const event = schemaEvent(line);
        if (event !== null) found.push(event);
      }
      events.push(...found.reverse());
      if (events.length >= EVENTS_MAX) break;
    }
    return { events: events.slice(0, EVENTS_MAX), looked: walk.looked };
  }

  #walk(
    bytesMax: number,
    signal: AbortSignal,
    wants?: ConstructorParameters<typeof LogWalk>[0]['wants'],
  ): LogWalk {
    const { store, clock } = this.#parts;
    return new LogWalk({ store, clock, bytesMax, signal, wants });
  }

  /** Where the neighbouring pages are. */
  #ends(shown: readonly Ts[], at: Ts | null): Omit<LogPage, 'transactions'> {
    const { since, upper, heads } = this.#parts.store;
    const oldest = shown.at(-1) ?? at ?? upper;
    const newest = shown[0] ?? at ?? upper;
    const hasOlder = heads.some(({ firstTs }) => firstTs < oldest && firstTs > since);
    const hasNewer = (heads.at(-1)?.lastTs ?? 0) > newest;
    return {
      ...{ since: formatLsn(since), upper: formatLsn(upper) },
      ...(hasOlder ? { older: formatLsn((oldest - 1) as Ts) } : {}),
      ...(hasNewer ? { newer: formatLsn(newest) } : {}),
    };
  }
}

/** What a transaction's lines add up to. */
class Summary {
  readonly #transaction: StoredTransaction;
  readonly #kinds: Record<string, number> = {};
  readonly #selectors = new Set<string>();
  #changes = 0;
  #bytes = 0;

  constructor(transaction: StoredTransaction) {
    this.#transaction = transaction;
  }

  add(line: StoredLine): void {
    const { op, table } = frontOf(line);
    const kind = `${op} ${table}`;
    this.#kinds[kind] = (this.#kinds[kind] ?? 0) + 1;
    this.#selectors.add(line.selector);
    this.#changes += 1;
    this.#bytes += line.bytes.length + 1;
  }

  told(isPartial: boolean): LogTransaction {
    const { ts, txid, micros } = this.#transaction;
    return {
      ...{ ts: formatLsn(ts), txid, atMs: micros / 1000, isPartial },
      ...{ changes: this.#changes, bytes: this.#bytes, kinds: this.#kinds },
      selectors: [...this.#selectors].slice(0, SELECTORS_NAMED),
      selectorCount: this.#selectors.size,
    };
  }
}

function summaryFor(found: Map<Ts, Summary>, transaction: StoredTransaction): Summary {
  const known = found.get(transaction.ts);
  if (known !== undefined) return known;
  const made = new Summary(transaction);
  found.set(transaction.ts, made);
  return made;
}

function schemaEvent(line: StoredLine): SchemaEvent | null {
  const { op, table } = frontOf(line);
  const kind = SCHEMA_OPS.find((name) => name === op);
  if (kind === undefined) return null;
  const { ts, micros } = line.transaction;
  const content = JSON.parse(line.bytes.toString('utf8')) as {
    readonly reason?: string;
    readonly table?: TableDef;
  };
  return {
    ...{ ts: formatLsn(ts), atMs: micros / 1000, kind, table },
    detail: kind === 'table' ? columnsOf(content.table) : (content.reason ?? ''),
  };
}

function columnsOf(table: TableDef | undefined): string {
  return (table?.columns ?? []).map(({ name, type }) => `${name} ${type}`).join(', ');
}

function noTransaction(ts: Ts): TidelockError {
  return new TidelockError({
    code: 'NOT_FOUND',
    message: `the log has no transaction at ${formatLsn(ts)}`,
    hint: 'it may have been purged: see since of the log',
  });
}
