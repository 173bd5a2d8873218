/**
 * Positions as Transicator clients see them: `hi.lo.index`, three hexadecimal numbers.
 *
 * `hi` and `lo` are the upper and lower half of the commit's position, `index` counts the changes of one
 * transaction from 0. Postgres' positions stay below 2^53 here, so the upper bits of `hi` are free: they say in
 * which history of the log the position was told. After a new slot every older sequence compares as older than the
 * log's beginning, and its bearer is sent to a new snapshot by Transicator's own rule.
 */
import type { Ts } from '../../core/lsn.ts';

export type Sequence = {
  /** 0 for the log's first history; saturates at `HISTORY_MAX`. */
  readonly history: number;
  readonly ts: Ts;
  readonly index: number;
};

export const HISTORY_MAX = 2047;
/** The highest number of a change. */
export const INDEX_MAX = 0xffff_ffff;
/** Before everything: what an empty log answers, and `since` of a client that has nothing. */
export const NO_SEQUENCE: Sequence = { history: 0, ts: 0 as Ts, index: 0 };

const HALF = 0x1_0000_0000;
/** Bits of `hi` that belong to the position. */
const HISTORY_SHIFT = 21;
const HIGH_MASK = 2 ** HISTORY_SHIFT - 1;
const SEQUENCE = /^([0-9a-f]{1,8})\.([0-9a-f]{1,8})\.([0-9a-f]{1,8})$/i;

/** Null when the text is no sequence. */
export function parseSequence(text: string): Sequence | null {
  const match = SEQUENCE.exec(text);
  if (match === null) return null;
  const [high = 0, low = 0, index = 0] = match.slice(1).map((part) => Number.parseInt(part, 16));
  return {
    history: high >>> HISTORY_SHIFT,
    ts: ((high & HIGH_MASK) * HALF + low) as Ts,
    index,
  };
}

export function formatSequence({ history, ts, index }: Sequence): string {
  const high = Math.floor(ts / HALF) + history * 2 ** HISTORY_SHIFT;
  return `${high.toString(16)}.${(ts % HALF).toString(16)}.${index.toString(16)}`;
}

/** Negative when `a` is older. */
export function compareSequences(a: Sequence, b: Sequence): number {
  return a.history - b.history || a.ts - b.ts || a.index - b.index;
}
