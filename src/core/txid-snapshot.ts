/** Which transactions a reader of Postgres could see, as `pg_current_snapshot()` tells it. */

/** 64-bit transaction ids (with epoch) as numbers; Postgres needs millennia to pass 2^53. */
export type TxidSnapshot = {
  /** Every transaction below this has ended. */
  readonly xmin: number;
  /** No transaction at or above this had ended. */
  readonly xmax: number;
  /** Transactions between the two that were still open. */
  readonly xips: ReadonlySet<number>;
};

const SNAPSHOT = /^(\d{1,20}):(\d{1,20}):((?:\d{1,20}(?:,\d{1,20})*)?)$/;

/** Reads `xmin:xmax:xip,xip`. Null when it is something else. */
export function parseTxidSnapshot(text: string): TxidSnapshot | null {
  const match = SNAPSHOT.exec(text);
  if (match === null) return null;
  const [, xmin = '', xmax = '', xips = ''] = match;
  return {
    xmin: Number(xmin),
    xmax: Number(xmax),
    xips: new Set(xips === '' ? [] : xips.split(',').map(Number)),
  };
}

/** True when the snapshot has this *committed* top-level transaction. */
export function isInSnapshot(snapshot: TxidSnapshot, txid: number): boolean {
  if (txid < snapshot.xmin) return true;
  return txid < snapshot.xmax && !snapshot.xips.has(txid);
}
