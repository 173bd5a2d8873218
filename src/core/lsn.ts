import { assert } from './assert.ts';
import { TidelockError } from './errors.ts';

/**
 * A position in Postgres' write-ahead log: a byte count since the cluster began.
 * A number in memory (asserted below 2^53, which is 8 PiB of WAL), `hi/lo` text in hexadecimal on the wire.
 */
export type Lsn = number & { readonly __brand: 'Lsn' };

/**
 * The time of a committed transaction: the *end* LSN of its commit record. Total order = commit order.
 * Comparable only inside one timeline.
 */
export type Ts = Lsn;

/** The position before everything. */
export const LSN_ZERO = 0 as Lsn;

const LSN_TEXT = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/;

/** Brands a number read from Postgres. Throws on values that a double cannot hold exactly. */
export function toLsn(value: number): Lsn {
  const isExact = Number.isSafeInteger(value) && value >= 0;
  if (!isExact) assert(isExact, `LSN ${value} is a safe integer`); // the text costs more than the check
  return value as Lsn;
}

/** Builds an LSN from its two unsigned 32-bit halves, as the replication protocol sends them. */
export function lsnFromHalves(high: number, low: number): Lsn {
  return toLsn(high * 0x1_0000_0000 + low);
}

/** Parses `16/B374D848`. `field` names the input in the error. Throws `BAD_POSITION`. */
export function parseLsn(text: string, field: string): Lsn {
  const match = LSN_TEXT.exec(text);
  if (match === null || match[1] === undefined || match[2] === undefined) {
    throw new TidelockError({
      code: 'BAD_POSITION',
      message: `${field} is not a position: ${JSON.stringify(text.slice(0, 40))}`,
      hint: 'use a position as the feed prints it, for example 0/16B3748',
    });
  }
  const value = Number.parseInt(match[1], 16) * 0x1_0000_0000 + Number.parseInt(match[2], 16);
  if (!Number.isSafeInteger(value)) {
    throw new TidelockError({
      code: 'BAD_POSITION',
      message: `${field} is beyond 2^53`,
      hint: 'use a position as the feed prints it, for example 0/16B3748',
    });
  }
  return value as Lsn;
}

/** The text that Postgres itself prints for this position. */
export function formatLsn(lsn: Lsn): string {
  const high = Math.floor(lsn / 0x1_0000_0000);
  const low = lsn % 0x1_0000_0000;
  return `${high.toString(16).toUpperCase()}/${low.toString(16).toUpperCase()}`;
}
