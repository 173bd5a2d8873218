/**
 * What the dashboard and its server say to each other. The live stream sends `EngineLive` once and then merge
 * patches, so nothing here is null: what is not known is left out. Positions are texts as Postgres prints them.
 */

/** Columns of one sample of `history`, in this order; null: nothing to tell. */
export const SAMPLE_FIELDS = [
  'atMs',
  'changesPerS',
  'transactionsPerS',
  'bytesOutPerS',
  'commitLagS',
  'lagBytes',
  'retainedWalBytes',
  'logBytes',
  'streams',
] as const;

export type SampleField = (typeof SAMPLE_FIELDS)[number];
export type Sample = readonly (number | null)[];

export type LivePlace = {
  readonly ts: string;
  /** Behind the log's upper, in bytes of Postgres' write-ahead log. */
  readonly lagBytes: number;
  /** For how long there has been something that is lacking. */
  readonly lagS: number;
};

export type LiveReader = LivePlace & {
  readonly replica?: string;
  readonly selectors: readonly string[];
  readonly selectorCount: number;
  readonly state: 'caught up' | 'reading';
};

export type LiveLease = LivePlace & {
  readonly state: 'held' | 'broken';
  readonly isConnected: boolean;
  readonly expiresInS: number;
  readonly subject?: string;
};

export type LiveHold = LivePlace & {
  readonly kind: 'policy' | 'restart' | 'lease' | 'snapshot' | 'subscriber';
  readonly owner: string;
  readonly state: 'held' | 'broken';
};

export type LiveTable = {
  readonly state: string;
  readonly reason?: string;
  readonly selector?: string;
  readonly isTwoWay: boolean;
  readonly columns: number;
};

export type EngineLive = {
  readonly server: {
    readonly protocol: number;
    readonly isDraining: boolean;
    readonly isAdmin: boolean;
    readonly hasTokens: boolean;
    /** It serves the runs of an area too. */
    readonly hasRuns: boolean;
  };
  readonly timeline?: string;
  readonly source: {
    readonly state: string;
    readonly since: string;
    readonly reason?: string;
    readonly attempts: number;
    readonly slot: string;
    readonly retainedWalBytes?: number;
    readonly lagBytes?: number;
  };
  readonly log: {
    readonly state: string;
    readonly reason?: string;
    readonly upper: string;
    readonly since: string;
    readonly confirmed: string;
    readonly sizeBytes: number;
    readonly sizeBytesMax?: number;
    readonly keepS?: number;
    readonly groups: number;
    /** From `since` to `upper`, in bytes of Postgres' write-ahead log. */
    readonly spanBytes: number;
  };
  readonly feeds: { readonly streams: number; readonly readers: number; readonly behind: number };
  readonly replicas: {
    readonly leases: number;
    readonly connected: number;
    readonly worstLagS: number;
  };
  readonly counters: Readonly<Record<string, number>>;
  readonly commitLagS?: number;
  readonly tables: Readonly<Record<string, LiveTable>>;
  /** By id; those that are furthest behind when there are many. Administrators only, as the next two. */
  readonly readers?: Readonly<Record<string, LiveReader>>;
  /** By replica. */
  readonly leases?: Readonly<Record<string, LiveLease>>;
  /** The lowest first; broken ones last. */
  readonly holds?: readonly LiveHold[];
};

/** A transaction of the log, in short. */
export type LogTransaction = {
  readonly ts: string;
  readonly txid: number;
  /** Commit time, milliseconds since 1970. */
  readonly atMs: number;
  readonly changes: number;
  readonly bytes: number;
  /** Changes by operation and table: `insert public.place` -> 3. */
  readonly kinds: Readonly<Record<string, number>>;
  /** The first few of them, `*` for everybody. */
  readonly selectors: readonly string[];
  readonly selectorCount: number;
  /** True when it is so large that only a part of it was looked at. */
  readonly isPartial: boolean;
};

/** The newest first. */
export type LogPage = {
  readonly since: string;
  readonly upper: string;
  readonly transactions: readonly LogTransaction[];
  /** Where the page of older ones begins; missing at the log's beginning. */
  readonly older?: string;
  /** Where the page of newer ones ends; missing at the log's end. */
  readonly newer?: string;
};

/** Column, value; long texts are cut. */
export type LogField = readonly [name: string, value: string | number | boolean | null];

export type LogChange = {
  readonly index: number;
  readonly op: string;
  readonly table: string;
  readonly selector?: string;
  /** The old key, where it is told. */
  readonly key?: readonly LogField[];
  readonly row?: readonly LogField[];
  readonly old?: readonly LogField[];
  readonly note?: string;
};

export type LogChanges = {
  readonly ts: string;
  readonly txid: number;
  readonly atMs: number;
  readonly changes: readonly LogChange[];
  /** Where the next ones begin; missing at the end. */
  readonly next?: number;
  /** The transaction is too large to be looked through: there are more, which nobody can page to. */
  readonly isCut?: true;
};

/** How much of the log was looked through, from its end. */
export type Looked = {
  readonly bytes: number;
  readonly from: string;
  /** All of the log. */
  readonly isComplete: boolean;
};

export type SelectorSize = {
  readonly selector: string;
  readonly bytes: number;
  readonly share: number;
  readonly segments: number;
  readonly readers: number;
};

export type SelectorSizes = {
  readonly selectors: readonly SelectorSize[];
  readonly selectorCount: number;
  readonly looked: Looked;
};

export type SchemaEvent = {
  readonly ts: string;
  readonly atMs: number;
  readonly kind: 'table' | 'resync' | 'drop' | 'truncate';
  readonly table: string;
  readonly detail: string;
};

export type SchemaEvents = { readonly events: readonly SchemaEvent[]; readonly looked: Looked };

export type RejectedWrite = {
  readonly atMs: number;
  readonly user: string;
  readonly site: string;
  readonly number: number;
  readonly code: string;
  readonly message: string;
  readonly table?: string;
  readonly key?: string;
};

export type RejectedWrites = {
  /** Since the start, by code. */
  readonly totals: Readonly<Record<string, number>>;
  /** The newest first. */
  readonly latest: readonly RejectedWrite[];
};

/** What became of one row: in Postgres, in the log, at the readers. */
export type Explanation = {
  readonly table: string;
  readonly key: readonly LogField[];
  readonly rule: string;
  readonly isTwoWay: boolean;
  /** `unknown`: Postgres could not be asked. */
  readonly postgres:
    | { readonly kind: 'row'; readonly selector?: string; readonly row: readonly LogField[] }
    | { readonly kind: 'none' }
    | { readonly kind: 'unknown'; readonly reason: string };
  /** The newest first. */
  readonly history: readonly ExplainedChange[];
  readonly looked: Looked;
  /** Of the asked selectors: one verdict, with its reason. */
  readonly verdict: Verdict;
  /** Connected readers of the row's selectors. */
  readonly readers: readonly ExplainedReader[];
};

export type ExplainedChange = {
  readonly ts: string;
  readonly txid: number;
  readonly atMs: number;
  readonly op: string;
  readonly selector: string;
};

export type ExplainedReader = LivePlace & {
  readonly replica: string;
  readonly isWanted: boolean;
  /** It was sent the row's last change. */
  readonly isDelivered: boolean;
};

export type Verdict = {
  readonly kind: 'in' | 'out' | 'pending' | 'unknown';
  readonly sentences: readonly string[];
};
