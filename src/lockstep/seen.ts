/**
 * One reader of a relation and what it has. Decides only.
 *
 *   lockstep: everything that its last snapshot shows has been sent; next come the rows that this one does not show
 *   strict: everything below `settled` has been sent; next come the rows from there up to the oldest open transaction
 */
import { isInSnapshot, type TxidSnapshot } from '../core/txid-snapshot.ts';
import type { LockstepMode, LockstepSince } from '../protocol/lockstep.ts';

/** What a reader has been sent. Readers that took part in the same round share one object. */
export type Seen = { readonly mode: LockstepMode; readonly snapshot: TxidSnapshot };

/** The lowest transaction id of which something may be missing. Also where a reader may resume. */
export function resumeAt({ snapshot }: Seen): LockstepSince {
  return snapshot.xmin;
}

/** Which rows of a read under `next` a reader with `seen` has to get. */
export function isDue(seen: Seen, next: TxidSnapshot, txid: number): boolean {
  if (seen.mode === 'strict') return txid >= seen.snapshot.xmin && txid < next.xmin;
  return !isInSnapshot(seen.snapshot, txid) && isInSnapshot(next, txid);
}
