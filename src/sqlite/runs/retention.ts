/**
 * How long events stay. They go from the oldest on, as rows that are removed: every copy and every reader of changes hears
 * of it like of any other change.
 */

import { asNumber } from '../sql.ts';
import type { RunTransaction } from './run-transaction.ts';

/** A run of 100,000 executions has some 600,000. */
export const EVENTS_MAX = 1_000_000;
export const EVENTS_AGE_MS_MAX = 90 * 86_400_000;
/** Of one transaction: nobody waits long for it, and a copy takes it at once. */
export const PRUNED_AT_ONCE = 1000;

export type Retention = {
  /** Younger ones stay: what the durable database does not have yet. */
  readonly upTo: number;
  readonly eventsMax: number;
  readonly ageMsMax: number;
};

/** Gives how many went; `PRUNED_AT_ONCE`: there may be more. */
export function pruneEvents(tx: RunTransaction, { upTo, eventsMax, ageMsMax }: Retention): number {
  const text = `SELECT seq, at FROM events WHERE seq <= ? ORDER BY seq LIMIT ${PRUNED_AT_ONCE}`;
  const oldest = tx.statements.all(text, upTo);
  const first = asNumber(oldest[0]?.[0] ?? tx.seq);
  // Events are counted only when there can be too many: each has a number of its own.
  const count = tx.seq - first < eventsMax ? 0 : countOf(tx);
  const tooMany = Math.max(0, count - eventsMax);
  const young = oldest.findIndex(([, at], index) => {
    return index >= tooMany && asNumber(at) >= tx.at - ageMsMax;
  });
  const gone = young < 0 ? oldest : oldest.slice(0, young);
  for (const [seq] of gone) tx.remove('events', asNumber(seq));
  return gone.length;
}

function countOf(tx: RunTransaction): number {
  return asNumber(tx.statements.first('SELECT count(*) FROM events')?.[0]);
}
