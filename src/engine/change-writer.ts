/** hot path: files each change of the stream under its selector, as the lines that subscribers get. */
import { assert } from '../core/assert.ts';
import { EVERYONE } from '../core/selector.ts';
import { type OldTuple, type RawTuple, TUPLE_TEXT, TUPLE_UNCHANGED } from '../core/source.ts';
import { SEGMENT_ALL } from '../log/group.ts';
import type { LineBuffer } from '../log/line-buffer.ts';
import { writeValues } from './row-encoder.ts';
import type { TablePlan } from './table-plan.ts';

const ROW_END = Buffer.from(']}\n');
const KEY_OPEN = Buffer.from('"key":[');
const KEY_CLOSE = Buffer.from('],');
const ROW_OPEN = Buffer.from('"row":[');
const OLD_OPEN = Buffer.from('"old":[');
const OLD_AFTER_KEY = Buffer.from('],"old":[');

export type Target = {
  readonly plan: TablePlan;
  readonly out: LineBuffer;
  readonly subxid: number;
};

export function writeInsert({ plan, out, subxid }: Target, row: RawTuple): void {
  const selector = plan.selectorOf(row);
  if (selector === null) return;
  out.append(plan.prefixes(selector).insert);
  writeValues(out, { row, fallback: null, kinds: plan.kinds, columns: plan.columns });
  finish({ plan, out, subxid }, selector);
}

/**
 * An update inside one selector is one line; a move is a delete in the old and an insert in the new one.
 * Returns false when a moved row cannot be written whole (an unchanged out-of-line value that the
 * identity does not carry): the table must be copied again.
 */
export function writeUpdate(target: Target, old: OldTuple | null, row: RawTuple): boolean {
  const { plan, out, subxid } = target;
  const whole = old?.isWholeRow === true ? old.tuple : null;
  const next = selectorAfter(plan, row, whole);
  const previous = old === null ? next : plan.selectorOf(old.tuple);
  if (previous === next) {
    if (next !== null) writeUpdateLine(target, { old, whole, row, selector: next });
    return true;
  }
  if (previous !== null && old !== null) writeDelete(target, old);
  if (next === null) return true;
  if (hasGaps(row, whole)) return false;
  out.append(plan.prefixes(next).insert);
  writeValues(out, { row, fallback: whole, kinds: plan.kinds, columns: plan.columns });
  finish({ plan, out, subxid }, next);
  return true;
}

/** Writes the delete of the row that `old` identifies. */
export function writeDelete({ plan, out, subxid }: Target, old: OldTuple): void {
  const row = old.tuple;
  const selector = plan.selectorOf(row);
  if (selector === null) return;
  out.append(plan.prefixes(selector).delete);
  writeValues(out, { row, fallback: null, kinds: plan.kinds, columns: plan.key });
  if (plan.keepsOldRows && old.isWholeRow) {
    out.append(OLD_AFTER_KEY);
    writeValues(out, { row, fallback: null, kinds: plan.kinds, columns: plan.columns });
  }
  finish({ plan, out, subxid }, selector);
}

/** A line for everybody, from a message object. */
export function writeForAll(out: LineBuffer, subxid: number, line: object): void {
  out.append(Buffer.from(`${JSON.stringify(line)}\n`));
  out.endLine(SEGMENT_ALL, subxid);
}

function writeUpdateLine(
  { plan, out, subxid }: Target,
  change: { old: OldTuple | null; whole: RawTuple | null; row: RawTuple; selector: string },
): void {
  const { old, whole, row, selector } = change;
  out.append(plan.prefixes(selector).update);
  if (old !== null && keyChanged(plan, old.tuple, row)) {
    out.append(KEY_OPEN);
    writeValues(out, { row: old.tuple, fallback: null, kinds: plan.kinds, columns: plan.key });
    out.append(KEY_CLOSE);
  }
  let columns = plan.columns;
  if (hasGaps(row, whole)) {
    columns = columns.filter((column) => row.state[column] !== TUPLE_UNCHANGED);
    out.append(Buffer.from(`"cols":[${columns.join(',')}],`));
  }
  if (plan.keepsOldRows && whole !== null) {
    out.append(OLD_OPEN);
    writeValues(out, { row: whole, fallback: null, kinds: plan.kinds, columns: plan.columns });
    out.append(KEY_CLOSE);
  }
  out.append(ROW_OPEN);
  writeValues(out, { row, fallback: whole, kinds: plan.kinds, columns });
  finish({ plan, out, subxid }, selector);
}

function finish({ plan, out, subxid }: Target, selector: string): void {
  out.append(ROW_END);
  const isForAll = plan.mayBeEveryone && selector === EVERYONE;
  out.endLine(isForAll ? SEGMENT_ALL : out.selectorId(selector), subxid);
}

/** The new selector; an unchanged out-of-line selector column has its old value. */
function selectorAfter(plan: TablePlan, row: RawTuple, whole: RawTuple | null): string | null {
  if (whole !== null && hasUnchanged(row)) return plan.selectorOf(mergedView(row, whole));
  return plan.selectorOf(row);
}

function hasUnchanged(row: RawTuple): boolean {
  for (let column = 0; column < row.count; column += 1) {
    if (row.state[column] === TUPLE_UNCHANGED) return true;
  }
  return false;
}

/** Only for rows with unchanged values: both versions in one buffer of their own. */
function mergedView(row: RawTuple, whole: RawTuple): RawTuple {
  assert(row.count === whole.count, 'old and new row have the same columns');
  const buffer = Buffer.concat([row.buffer, whole.buffer]);
  const shift = row.buffer.length;
  const state = row.state.slice(0, row.count);
  const start = row.start.slice(0, row.count);
  const end = row.end.slice(0, row.count);
  for (let column = 0; column < row.count; column += 1) {
    if (state[column] !== TUPLE_UNCHANGED) continue;
    state[column] = whole.state[column] ?? 0;
    start[column] = (whole.start[column] ?? 0) + shift;
    end[column] = (whole.end[column] ?? 0) + shift;
  }
  return { buffer, count: row.count, state, start, end };
}

function hasGaps(row: RawTuple, whole: RawTuple | null): boolean {
  for (let column = 0; column < row.count; column += 1) {
    if (row.state[column] !== TUPLE_UNCHANGED) continue;
    if (whole === null || whole.state[column] === TUPLE_UNCHANGED) return true;
  }
  return false;
}

function keyChanged(plan: TablePlan, old: RawTuple, row: RawTuple): boolean {
  for (const column of plan.key) {
    if (row.state[column] !== TUPLE_UNCHANGED && !sameText(old, row, column)) return true;
  }
  return false;
}

function sameText(old: RawTuple, row: RawTuple, column: number): boolean {
  if (old.state[column] !== TUPLE_TEXT || row.state[column] !== TUPLE_TEXT) return false;
  let a = old.start[column] ?? 0;
  let b = row.start[column] ?? 0;
  const size = (old.end[column] ?? 0) - a;
  if (size !== (row.end[column] ?? 0) - b) return false;
  for (const end = a + size; a < end; a += 1, b += 1) {
    if (old.buffer[a] !== row.buffer[b]) return false;
  }
  return true;
}
