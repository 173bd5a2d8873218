/** The `snapshot=` of a request: which transactions its bearer has already. */

export type TxidSnapshot = {
  /** Every transaction below this has ended. */
  readonly xmin: number;
  /** No transaction at or above this had ended. */
  readonly xmax: number;
  /** Those between the two that were still open. */
  readonly xips: ReadonlySet<number>;
};

const SNAPSHOT = /^(\d{1,20}):(\d{1,20}):((?:\d{1,20}(?:,\d{1,20})*)?)$/;

/** Reads `xmin:xmax:xip,xip`, as `pg_current_snapshot()` prints it. Null when it is something else. */
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

/** True when the snapshot shows what this committed top-level transaction (64-bit id) did. */
export function isInSnapshot(snapshot: TxidSnapshot, txid: number): boolean {
  if (txid < snapshot.xmin) return true;
  return txid < snapshot.xmax && !snapshot.xips.has(txid);
}
