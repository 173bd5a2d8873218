/** The simulated write-ahead log: what stands in it, and who may take the place of the server that writes it. */
import type { Lsn } from '../core/lsn.ts';
import type { TableDef } from '../core/table.ts';
import type { RowChange } from './database.ts';

export type Committed = {
  readonly xid: number;
  readonly ts: Lsn;
  readonly commitLsn: Lsn;
  readonly timeMicros: number;
  readonly changes: readonly RowChange[];
  readonly isLarge: boolean;
  /** Tables that are said to be so from there on, in the stream and nowhere else. */
  readonly announced: readonly TableDef[];
};

/** What decoding the log brings, in its order. */
export type WalRecord =
  | { readonly kind: 'piece'; readonly open: OpenLarge; readonly piece: Piece }
  | { readonly kind: 'lost'; readonly open: OpenLarge; readonly subxid: number }
  | { readonly kind: 'rollback'; readonly open: OpenLarge }
  | { readonly kind: 'commit'; readonly committed: Committed };

export type Piece = { readonly subxid: number; readonly changes: readonly RowChange[] };
/** `end`: its commit's position; null while it is open, or was rolled back. */
export type OpenLarge = { readonly xid: number; end: Lsn | null; isFirst: boolean };

/** `stored` is what survives a crash. */
export type Slot = { confirmed: Lsn; stored: Lsn; isLost: boolean; isActive: boolean };

/** Who takes Postgres' place, and what it has. */
export type Successor = {
  /** It has what was committed by then, microseconds since 1970; null: everything. */
  readonly asOf: number | null;
  /** `copy`: the database was put back. `standby`: it was promoted. `cluster`: rows were loaded into another cluster. */
  readonly kind: 'copy' | 'standby' | 'cluster';
  readonly hasSlot: boolean;
  /** Where the log of another cluster begins. */
  readonly walStart: Lsn;
};

/** It takes the lock of the whole table. */
export function isOfTable({ kind }: RowChange): boolean {
  return kind === 'truncate' || kind === 'alter';
}

/** The highest transaction id that it speaks of. */
export function xidOf(record: WalRecord): number {
  if (record.kind === 'commit') return record.committed.xid;
  return record.kind === 'rollback'
    ? record.open.xid
    : Math.max(record.open.xid, 'subxid' in record ? record.subxid : record.piece.subxid);
}
