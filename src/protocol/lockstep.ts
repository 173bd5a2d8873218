/**
 * The lines of a Lockstep stream: one JSON object each, and each in an HTTP chunk of its own, because the original
 * client reads one object per chunk. docs/lockstep.md has the rules.
 */
import { TidelockError } from '../core/errors.ts';

/**
 * `lockstep`: rows as soon as they can be seen, at least once. `strict`: rows in the order of transaction ids, each
 * version once, as late as the oldest open transaction ends.
 */
export type LockstepMode = 'lockstep' | 'strict';

/** `control` is the form of gls, `lockstep` the one that the original client knows. */
export type HeartbeatFormat = 'control' | 'lockstep';

/** A position of a stream: everything below it has been delivered. A transaction id, 64 bits. */
export type LockstepSince = number;

/** What a line carries as `since`: a transaction id, or a place in the change log. Opaque to clients. */
export type SinceValue = LockstepSince | string;

export const SINCE_START: LockstepSince = 0;

const SINCE = /^\d{1,15}$/;

/** Reads `since`; absent or empty is the start. Throws `BAD_POSITION`. */
export function parseSince(text: string | undefined): LockstepSince {
  if (text === undefined || text === '') return SINCE_START;
  if (SINCE.test(text)) return Number(text);
  throw new TidelockError({
    code: 'BAD_POSITION',
    message: `since ${JSON.stringify(text.slice(0, 40))} is no position of a Lockstep stream`,
    hint: 'use the largest "since" of the rows that you have processed, or 0 to begin',
  });
}

export type RowFields = {
  /** As JSON: a number, or text beyond 2^53. */
  readonly txid: string;
  readonly currentXmin: LockstepSince;
  /** Where a reader resumes that has processed everything up to this row. */
  readonly since: SinceValue;
  readonly isDeleted: boolean;
  /** The other columns, as a JSON object. */
  readonly data: string;
};

export function rowLine(row: RowFields): string {
  return `{"txid":${row.txid},"current_xmin":${row.currentXmin},"since":${typeof row.since === 'number' ? row.since : JSON.stringify(row.since)},"deleted":${row.isDeleted},"data":${row.data}}\n`;
}

/** `timestamp` in seconds since 1970. */
export function controlLine(
  type: 'snapshot_completed' | 'heartbeat',
  timestamp: number,
  since: SinceValue,
): string {
  return `{"control":true,"type":"${type}","timestamp":${timestamp},"since":${JSON.stringify(since)}}\n`;
}

/** The heartbeat that the original client knows; nothing else may stand in it. */
export const LOCKSTEP_HEARTBEAT = '{"heartbeat":true}\n';

export function errorControlLine(error: TidelockError, timestamp: number): string {
  const { code, message, hint } = error;
  const told = hint === undefined ? { code, message } : { code, message, hint };
  return `${JSON.stringify({ control: true, type: 'error', timestamp, error: told })}\n`;
}
