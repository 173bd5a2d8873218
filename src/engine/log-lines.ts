/** The lines of a stored group one by one, for people who look at the log: no caches, no promises about speed. */

import type { Ts } from '../core/lsn.ts';
import { EVERYONE } from '../core/selector.ts';
import {
  type GroupContent,
  SEGMENT_ALL,
  SEGMENT_COMMIT,
  SEGMENT_NONE,
  type StoredGroup,
} from '../log/group.ts';

const NEWLINE = 0x0a;
/** Operation, table and selector of a line stand at its front. */
const FRONT_BYTES = 800;
const FRONT = /^\{"type":"(\w+)","table":(?:("(?:[^"\\]|\\.)*")|\{"name":("(?:[^"\\]|\\.)*"))/;

export type StoredTransaction = { readonly ts: Ts; readonly txid: number; readonly micros: number };

export type StoredLine = {
  readonly transaction: StoredTransaction;
  readonly selector: string;
  readonly bytes: Buffer;
};

/** Lines that change something, in their order. What was rolled back is left out. */
export function* storedLines({ head, content }: StoredGroup): Iterable<StoredLine> {
  const { segments } = content;
  const body = Buffer.from(content.body.buffer, content.body.byteOffset, content.body.length);
  let [start, at] = [0, 0];
  for (let index = 0; index < segments.length; index += 2) {
    const id = segments[index] ?? SEGMENT_NONE;
    const end = segments[index + 1] ?? 0;
    if (id === SEGMENT_COMMIT) at += 1;
    else if (id !== SEGMENT_NONE) {
      const selector = id === SEGMENT_ALL ? EVERYONE : (head.selectors[id] ?? '');
      const transaction = transactionAt(content, at);
      for (const bytes of linesIn(body, start, end)) yield { transaction, selector, bytes };
    }
    start = end;
  }
}

/** Operation and table, without parsing the values. */
export function frontOf({ bytes }: StoredLine): { readonly op: string; readonly table: string } {
  const found = FRONT.exec(bytes.toString('utf8', 0, FRONT_BYTES));
  const name = found?.[2] ?? found?.[3];
  return { op: found?.[1] ?? '', table: name === undefined ? '' : (JSON.parse(name) as string) };
}

function transactionAt({ transactions }: GroupContent, at: number): StoredTransaction {
  return {
    ts: (transactions[at * 3] ?? 0) as Ts,
    txid: transactions[at * 3 + 1] ?? 0,
    micros: transactions[at * 3 + 2] ?? 0,
  };
}

function* linesIn(body: Buffer, start: number, end: number): Iterable<Buffer> {
  for (let from = start; from < end; ) {
    const found = body.indexOf(NEWLINE, from);
    const to = found < 0 || found >= end ? end : found;
    if (to > from) yield body.subarray(from, to);
    from = to + 1;
  }
}
