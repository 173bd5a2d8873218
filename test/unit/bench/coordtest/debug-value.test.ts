import { expect, test } from 'vitest';
import { debugResponse } from '../../../../src/bench/coordtest/debug-response.ts';
import { debugText, struct, tuple, word } from '../../../../src/bench/coordtest/debug-value.ts';
import type { Response } from '../../../../src/coordinator/sql/types.ts';

test('parts stand on lines of their own, four spaces deeper, each with a comma', () => {
  const value = struct('Outer', { inner: tuple('Pair', word(1), { kind: 'string', text: 'x' }) });
  expect(debugText(value)).toBe('Outer {\n    inner: Pair(\n        1,\n        "x",\n    ),\n}');
});

test('what is empty stands on one line', () => {
  expect(debugText(tuple('Rows', { kind: 'list', values: [] }))).toBe('Rows(\n    [],\n)');
});

test('strings are escaped as Rust does', () => {
  const text = 'a"b\\c\nd\te\u0001f\0gé';
  expect(debugText({ kind: 'string', text })).toBe('"a\\"b\\\\c\\nd\\te\\u{1}f\\0gé"');
});

test('rows have the form that was written by hand, and values the names of their types', () => {
  const columns = (['bool', 'int2', 'int4', 'int8', 'text', 'bytea'] as const).map((type) => ({
    name: type,
    type,
    isNullable: true,
  }));
  const row = [false, 1, 2, 3n, 'x', new Uint8Array([7])];
  const response: Response = { kind: 'rows', what: 'select', columns, rows: [row, []], time: 1 };
  const lines = debugText(debugResponse({ ...response, rows: [row] })).split('\n');
  expect(lines.map((line) => line.trim())).toEqual(
    `Rows( [ Row{[ False, Int16( 1, ), Int32( 2, ), Int64( 3, ), String( "x", ), Bytes( [ 7, ], ), ]}, ], )`.split(
      ' ',
    ),
  );
});

test.each<[Response, string]>([
  [{ kind: 'canceled', what: 'read' }, 'Canceled'],
  [{ kind: 'canceled', what: 'write' }, 'Cancelled'],
  [{ kind: 'altered', object: 'index' }, 'AlteredObject(\n    Index,\n)'],
  [{ kind: 'dropped', object: 'view' }, 'DroppedView'],
  [{ kind: 'created', object: 'sink', existed: true }, 'CreatedSink {\n    existed: true,\n}'],
  [{ kind: 'started', duplicated: false }, 'StartedTransaction {\n    duplicated: false,\n}'],
  [
    { kind: 'ended', tag: 'COMMIT', wasImplicit: false },
    'TransactionExited {\n    was_implicit: false,\n    tag: "COMMIT",\n}',
  ],
])('%o is printed by its historic name', (response, text) => {
  expect(debugText(debugResponse(response))).toBe(text);
});
