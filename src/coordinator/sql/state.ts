/**
 * What the coordinator of SQL remembers. Plain data, changed only by `step`. Maps keep the order of insertion, so
 * that walking through them is the same in every run.
 */
import type { SqlError } from '../../sql/errors.ts';
import type { TransactionStatus } from '../../sql/session.ts';
import type { Statement } from '../../sql/statement.ts';
import type { Column, ItemId, RowDelta, SqlRow } from '../../sql/types.ts';
import type { Catalog } from './catalog.ts';
import { newCatalog } from './catalog.ts';
import type { Isolation } from './determine.ts';
import type { Bindings, ConnectionId, Response, SqlOptions } from './types.ts';
import type { Frontier, Time } from './worker.ts';

/** The timeline of tables and files: milliseconds, and beyond the clock where order needs it. */
export const LOCAL_TIMELINE = 'local';
/** The timeline of replicated tables: positions of PostgreSQL's log. */
export const POSTGRES_TIMELINE = 'postgres';

/** No timer is needed. */
export const NEVER = Number.POSITIVE_INFINITY;
/** A session beyond this number is refused. */
export const SESSIONS_MAX = 10_000;
/** Rows that a transaction may keep before its commit. */
export const WRITES_MAX = 1_000_000;
/** Rows of a subscription that nobody has fetched yet; beyond them it fails. */
export const UNFETCHED_MAX = 100_000;
/** Cursors of one session. */
export const CURSORS_MAX = 1000;

/** `peek:1`, `transaction:4`, `subscription:2`, `sink:u7`, `index:u5`: whose it is. */
export type HoldId = string;

export type Front = {
  upper: Frontier;
  /** What may be read; the lowest of `policy` and `holds` when the worker was told last. */
  since: Time;
  /** What the window keeps. */
  policy: Time;
  /** In units of the timeline; null: everything is kept. */
  window: number | null;
  readonly timeline: string;
  readonly holds: Map<HoldId, Time>;
};

export type Hold = { readonly ids: readonly ItemId[]; time: Time };

/** What was peeked for. */
export type Peek = {
  readonly connection: ConnectionId;
  readonly time: Time;
  readonly ids: readonly ItemId[];
};

export type Subscription = {
  readonly connection: ConnectionId;
  readonly columns: readonly Column[];
  readonly hasProgress: boolean;
  readonly ids: readonly ItemId[];
  /** Everything before it was told. */
  upper: Frontier;
  readonly asOf: Time;
  /** Null: a stream, told at once. */
  readonly cursor: string | null;
};

export type Cursor = {
  /** The declared query. The first fetch runs it. */
  readonly statement: Statement;
  hasRun: boolean;
  subscription: number | null;
  columns: readonly Column[];
  /** Not fetched yet. */
  rows: SqlRow[];
  /** No more rows will come. */
  isDone: boolean;
  /** Why it cannot go on; told by the next FETCH. */
  failure: SqlError | null;
};

export type TableWrite = { readonly id: ItemId; readonly deltas: readonly RowDelta[] };

/** What was fixed by the first read: its time, and what else may be read at it. */
export type ReadDomain = {
  readonly timeline: string;
  readonly time: Time;
  readonly items: ReadonlySet<ItemId>;
  /** Null: the transaction ends with its only statement, whose peek holds what it needs. */
  readonly hold: HoldId | null;
};

export type Transaction = {
  /** `started`: of one statement. `failed`: explicit, and only to be rolled back. */
  kind: 'started' | 'implicit' | 'explicit' | 'failed';
  operation: 'none' | 'read' | 'write' | 'subscribe';
  isReadOnly: boolean;
  /** The clock at its first statement. */
  readonly now: number;
  domain: ReadDomain | null;
  readonly writes: TableWrite[];
  writtenRows: number;
  /** What the session had before its first SET: a rollback brings it back. */
  before: SessionSettings | null;
};

/** What SET changes. */
export type SessionSettings = {
  database: string;
  schema: string;
  isolation: Isolation;
  timeoutMs: number;
  settings: ReadonlyMap<string, string>;
};

/** What the current statement waits for. */
export type Running =
  /** It is there: the session goes on within this step. */
  | { readonly kind: 'woken' }
  | {
      readonly kind: 'peek';
      readonly peek: number;
      readonly goal: AfterPeek;
      /** Of a SELECT whose rows are told as they come. */
      toldRows: number;
    }
  /** The first line of a CSV file names the columns of a source. */
  | { readonly kind: 'header'; readonly statement: Statement & { kind: 'createFileSource' } }
  /** In the queue of the write lock. */
  | { readonly kind: 'lock'; readonly goal: AfterLock }
  | { readonly kind: 'sink'; readonly id: ItemId; readonly response: Response }
  | { readonly kind: 'stream'; readonly subscription: number; rows: number }
  | {
      readonly kind: 'fetch';
      readonly cursor: string;
      readonly count: number | null;
      readonly deadline: number;
    };

export type AfterLock =
  | { readonly kind: 'statement'; readonly statement: Statement }
  | { readonly kind: 'commit'; readonly response: Response | null };

export type AfterPeek =
  | { readonly kind: 'select'; readonly columns: readonly Column[] }
  | { readonly kind: 'cursor'; readonly cursor: string; readonly count: number | null }
  | { readonly kind: 'insert' | 'update' | 'delete'; readonly table: ItemId }
  /** At the commit: which of the table's new keys are taken. `next`: the table after it. */
  | {
      readonly kind: 'keys';
      readonly table: ItemId;
      readonly next: number;
      readonly response: Response | null;
    };

export type Batch = {
  readonly kind: 'run' | 'execute';
  readonly statements: readonly Statement[];
  /** Of `$1`, ...; null in the simple protocol, which has none. */
  readonly parameters: Bindings | null;
  next: number;
};

export type Session = {
  readonly connection: ConnectionId;
  readonly secret: number;
  readonly user: string;
  database: string;
  schema: string;
  isolation: Isolation;
  transaction: Transaction | null;
  batch: Batch | null;
  running: Running | null;
  readonly cursors: Map<string, Cursor>;
  /** By timeline, the latest time it was given. */
  readonly times: Map<string, Time>;
  /** Settings that are kept and have no effect here. */
  settings: ReadonlyMap<string, string>;
  /** What one statement may take, in milliseconds; 0: as long as it wants. */
  timeoutMs: number;
};

export type SqlCoordinator = {
  readonly options: SqlOptions;
  now: number;
  readonly catalog: Catalog;
  readonly fronts: Map<ItemId, Front>;
  readonly holds: Map<HoldId, Hold>;
  /** Fronts whose lowest hold may have moved. */
  readonly moved: Set<ItemId>;
  /** By timeline, the latest time that anybody was given or that was written at. */
  readonly oracles: Map<string, Time>;
  /** Times before it are closed for writes. */
  closedUpTo: Time;
  readonly sessions: Map<ConnectionId, Session>;
  readonly peeks: Map<number, Peek>;
  readonly subscriptions: Map<number, Subscription>;
  readonly lock: { owner: ConnectionId | null; readonly queue: ConnectionId[] };
  /** Tables that `FROM POSTGRES` may name, by `schema.table`. */
  readonly replicated: Map<string, readonly Column[]>;
  /** Why commits that write fail now. */
  refusal: string | null;
  lastPeek: number;
  lastSubscription: number;
  /** When fetches that wait are answered with what there is. */
  readonly deadlines: Map<ConnectionId, number>;
  /** When statements that wait have had their time. */
  readonly timeouts: Map<ConnectionId, number>;
};

export function newSqlCoordinator(options: SqlOptions): SqlCoordinator {
  return {
    options,
    now: 0,
    catalog: newCatalog(options),
    fronts: new Map(),
    holds: new Map(),
    moved: new Set(),
    oracles: new Map([
      [LOCAL_TIMELINE, 0],
      [POSTGRES_TIMELINE, 0],
    ]),
    closedUpTo: 1,
    sessions: new Map(),
    peeks: new Map(),
    subscriptions: new Map(),
    lock: { owner: null, queue: [] },
    replicated: new Map(),
    refusal: null,
    lastPeek: 0,
    lastSubscription: 0,
    deadlines: new Map(),
    timeouts: new Map(),
  };
}

export function oracleOf(state: SqlCoordinator, timeline: string): Time {
  return state.oracles.get(timeline) ?? 0;
}

export function statusOf({ transaction }: Session): TransactionStatus {
  if (transaction === null) return 'idle';
  if (transaction.kind === 'failed') return 'failed';
  return transaction.kind === 'explicit' ? 'open' : 'idle';
}
