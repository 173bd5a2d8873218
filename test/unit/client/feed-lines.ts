/** Writes feed lines for tests. Positions are small numbers. */

import { formatLsn, toLsn } from '../../../src/core/lsn.ts';
import type { RawLine } from '../../../src/protocol/lines.ts';
import { CITIES } from './memory-store.ts';

export const at = (ts: number): string => formatLsn(toLsn(ts));

export const hello = (since = 100, timeline = 'T1', tables = 0): RawLine => ({
  type: 'hello',
  protocol: 2,
  timeline,
  selectors: ['FR'],
  since: at(since),
  tables,
});
export const table = (definition = CITIES): RawLine => ({ type: 'table', table: definition });
export const insert = (id: number, name: string, selector = 'FR'): RawLine => ({
  type: 'insert',
  table: CITIES.name,
  selector,
  row: [id, name, selector],
});
export const update = (id: number, name: string, selector = 'FR'): RawLine => ({
  ...insert(id, name, selector),
  type: 'update',
});
export const remove = (id: number, selector = 'FR'): RawLine => ({
  type: 'delete',
  table: CITIES.name,
  selector,
  key: [id],
});
export const commit = (ts: number): RawLine => ({
  type: 'commit',
  ts: at(ts),
  txid: String(ts),
  micros: ts * 1000,
});
export const progress = (ts: number, digests?: unknown): RawLine => ({
  type: 'progress',
  ts: at(ts),
  ...(digests === undefined ? {} : { digests }),
});
export const heartbeat = (ts: number): RawLine => ({ type: 'heartbeat', ts: at(ts), micros: 1 });
export const failure = (code: string, message = 'because'): RawLine => ({
  type: 'error',
  error: { code, message },
});

/** The bytes of these lines. */
export function bytesOf(lines: readonly RawLine[]): Uint8Array {
  return new TextEncoder().encode(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}
