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
