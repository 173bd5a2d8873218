/** What a server of SQL counts since its start. */
export type SqlCounts = {
  /** Open now. */
  readonly sessions: number;
  /** Streams of changes that run now. */
  readonly subscriptions: number;
  /** Handed out. */
  readonly rows: number;
  readonly bytesOut: number;
  /** By kind (`select`, `insert`, ...) and result (`ok`, `error`, `canceled`). */
  readonly statements: readonly {
    readonly kind: string;
    readonly result: string;
    readonly count: number;
    readonly seconds: number;
  }[];
};
