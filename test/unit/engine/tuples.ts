import {
  type RawTuple,
  TUPLE_NULL,
  TUPLE_TEXT,
  TUPLE_UNCHANGED,
} from '../../../src/core/source.ts';

/** A tuple as the slot reader hands it over; undefined = unchanged out-of-line value. */
export function tupleOf(values: readonly (string | null | undefined)[]): RawTuple {
  const parts = values.map((value) => Buffer.from(value ?? ''));
  const start = new Int32Array(values.length);
  const end = new Int32Array(values.length);
  let at = 7; // not at the buffer's start, as in a socket's buffer
  parts.forEach((part, index) => {
    start[index] = at;
    at += part.length;
    end[index] = at;
  });
  const state = Uint8Array.from(values, (value) => {
    if (value === undefined) return TUPLE_UNCHANGED;
    return value === null ? TUPLE_NULL : TUPLE_TEXT;
  });
  return {
    buffer: Buffer.concat([Buffer.alloc(7), ...parts]),
    count: values.length,
    state,
    start,
    end,
  };
}
