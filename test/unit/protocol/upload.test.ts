import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hasCode, messageOf } from '../../../src/core/errors.ts';
import { toLsn } from '../../../src/core/lsn.ts';
import type { TableDef } from '../../../src/core/table.ts';
import {
  type Cell,
  cellFromJson,
  type JsonCell,
  sameCell,
  type ValueKind,
} from '../../../src/core/value.ts';
import { deleteChange, insertChange, updateChange } from '../../../src/merge/local-change.ts';
import { deadRow, type RowState, UNKNOWN_ROW } from '../../../src/merge/row-state.ts';
import {
  encodeChange,
  encodeHead,
  encodeTransaction,
  encodeUploadAnswer,
  encodeValue,
  readUploadAnswer,
} from '../../../src/protocol/upload.ts';
import { readUpload } from '../../../src/protocol/upload-reader.ts';

const SITE = '01890a5d-ac96-774b-bcce-b302099a8057';
const HEAD = { site: SITE, timeline: 't1', position: toLsn(0x16b3748), settled: 6 };

const TABLE = {
  name: 'public.item',
  columns: [
    { name: 'note', type: 'text', kind: 'text' },
    { name: 'id', type: 'text', kind: 'text' },
    { name: 'n', type: 'bigint', kind: 'bigint' },
    { name: 'raw', type: 'bytea', kind: 'bytes' },
  ],
  key: ['id'],
  indexes: [],
  selector: { kind: 'everyone' },
  twoway: { versions: 'tidelock.versions_public_item', columns: ['note', 'gone', 'n', 'raw'] },
} as const satisfies TableDef;

const ROW = new Map<string, Cell>([
  ['note', 'a'],
  ['n', 2n ** 60n],
  ['raw', new Uint8Array([1, 2])],
]);

const insert = insertChange(UNKNOWN_ROW, ROW);

function linesOf(changes: readonly RowState[]): string[] {
  return changes.map((change) => encodeChange(TABLE, ['k"1'], change));
}

function bodyOf(lines: readonly string[]): string {
  return `${[encodeHead(HEAD), ...lines].join('\n')}\n`;
}

function refusal(body: string): string {
  try {
    readUpload(body);
  } catch (error) {
    expect(hasCode(error, 'BAD_REQUEST') || hasCode(error, 'BAD_POSITION')).toBe(true);
    return messageOf(error);
  }
  return 'it was read';
}

describe('an upload', () => {
  test('is read as it was written: head, transactions in order, columns by place', () => {
    const update = updateChange(insert, new Map<string, Cell>([['n', 7]])) ?? insert;
    const lines = [
      encodeTransaction(7, 'abcdef01'),
      ...linesOf([insert, update]),
      encodeTransaction(8, 'abcdef02'),
      ...linesOf([deleteChange(insert) ?? insert, deadRow(4)]),
      encodeTransaction(9, 'abcdef03'),
    ];
    expect(readUpload(bodyOf(lines))).toEqual({
      head: HEAD,
      transactions: [
        {
          number: 7,
          nonce: 'abcdef01',
          changes: [
            ['i', 'public.item', 1, ['k"1'], ['a', null, '1152921504606846976', 'AQI=']],
            ['u', 'public.item', 1, ['k"1'], [[2, 2, 7]]],
          ],
        },
        {
          number: 8,
          nonce: 'abcdef02',
          changes: [
            ['d', 'public.item', 2, ['k"1']],
            ['d', 'public.item', 4, ['k"1']],
          ],
        },
        { number: 9, nonce: 'abcdef03', changes: [] },
      ],
    });
  });

  test('may have no transactions: the writer asks what is known of it', () => {
    expect(readUpload(encodeHead(HEAD)).transactions).toEqual([]);
  });

  test('of a table that is all key has inserts without values', () => {
    const table = { ...TABLE, twoway: { ...TABLE.twoway, columns: [] } };
    const line = encodeChange(table, ['k'], insertChange(UNKNOWN_ROW, new Map()));
    expect(line).toBe('["i","public.item",1,["k"],[]]');
  });
});

describe('values', () => {
  const cells: readonly (readonly [ValueKind, Cell, string])[] = [
    ['int', 5, '5'],
    ['int', 'five', '"five"'],
    ['int', 1.5, '"1.5"'],
    ['int', 2n ** 62n, '"4611686018427387904"'],
    ['bigint', 2n ** 62n, '"4611686018427387904"'],
    ['bigint', 1.5, '"1.5"'],
    ['float', -0, '-0'],
    ['float', 'NaN', '"NaN"'],
    ['float', -Infinity, '"-Infinity"'],
    ['bool', 1, 'true'],
    ['bool', 2, '"2"'],
    ['text', 'x', '"x"'],
    ['text', 3, '"3"'],
    ['text', new Uint8Array([255]), '{"bytes":"/w=="}'],
    ['int', new Uint8Array(), '{"bytes":""}'],
    ['bytes', new Uint8Array([255]), '"/w=="'],
    ['bytes', 'text', '{"text":"text"}'],
    ['timestamptz', '2026-01-01', '"2026-01-01"'],
    ['text', null, 'null'],
  ];

  test.each(cells)('a cell in a column of kind %s: %o is sent as %s', (kind, cell, json) => {
    expect(encodeValue(kind, cell)).toBe(json);
  });

  test('what fits its column is read as the same cell', () => {
    const fitting = fc.oneof(
      fc.tuple(
        fc.constant<ValueKind>('bigint'),
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      ),
      fc.tuple(fc.constant<ValueKind>('float'), fc.double({ noNaN: true })),
      fc.tuple(fc.constant<ValueKind>('text'), fc.string({ unit: 'binary' })),
      fc.tuple(fc.constant<ValueKind>('bytes'), fc.uint8Array()),
    );
    fc.assert(
      fc.property(fitting, ([kind, cell]) => {
        const read = cellFromJson(kind, JSON.parse(encodeValue(kind, cell)) as JsonCell);
        expect(sameCell(read, cell)).toBe(true);
      }),
    );
  });
});

describe('hostile input', () => {
  const T = '["t",7,"abcdef01"]';
  const WRONG: readonly (readonly [string, string, string])[] = [
    ['no head', T, 'line 1'],
    ['an empty body', '', 'line 1'],
    ['a site that is no uuid', '["site","x",{}]', 'line 1'],
    ['another protocol', encodeHead(HEAD).replace('"protocol":1', '"protocol":2'), 'protocol 1'],
    ['a head without a timeline', encodeHead(HEAD).replace('"t1"', '1'), 'timeline'],
    ['a negative settled', encodeHead(HEAD).replace(':6', ':-6'), 'settled'],
    ['a position that is none', encodeHead(HEAD).replace('0/16B3748', 'x'), 'position'],
    ['a change before a transaction', bodyOf(['["d","t",2,["k"]]']), 'line 2'],
    ['a gap between transactions', bodyOf([T, '["t",9,"abcdef02"]']), 'line 3'],
    ['a repeated number', bodyOf([T, T]), 'line 3'],
    ['transaction 0', bodyOf(['["t",0,"abcdef01"]']), 'line 2'],
    ['a huge number', bodyOf(['["t",1e300,"abcdef01"]']), 'line 2'],
    ['a short nonce', bodyOf(['["t",7,"ab"]']), 'line 2'],
    ['an object', bodyOf([T, '{"type":"insert"}']), 'line 3'],
    ['an unknown line', bodyOf([T, '["x","t",1,["k"]]']), 'line 3'],
    ['a line that is no JSON', bodyOf([T, '["d","t",2,["k"]']), 'line 3'],
    ['two values in a line', bodyOf([T, '["d","t",2,["k"]],["d","t",2,["k"]]']), 'line 3'],
    ['a blank line in the middle', bodyOf([T, '', T]), 'line 3'],
    ['a cl that is text', bodyOf([T, '["d","t","2",["k"]]']), 'line 3'],
    ['a key that is no list', bodyOf([T, '["d","t",2,"k"]']), 'line 3'],
    ['a nested key', bodyOf([T, '["d","t",2,[["k"]]]']), 'line 3'],
    ['a key of 33 columns', bodyOf([T, `["d","t",2,[${'1,'.repeat(32)}1]]`]), 'line 3'],
    ['values that are objects', bodyOf([T, '["i","t",1,["k"],[{"text":1}]]']), 'line 3'],
    ['an object with more', bodyOf([T, '["i","t",1,["k"],[{"text":"","x":1}]]']), 'line 3'],
    ['an object of nothing', bodyOf([T, '["i","t",1,["k"],[{}]]']), 'line 3'],
    ['a write without a version', bodyOf([T, '["u","t",1,["k"],[[0,"v"]]]']), 'line 3'],
    ['a negative place', bodyOf([T, '["u","t",1,["k"],[[-1,2,"v"]]]']), 'line 3'],
    ['an insert with more parts', bodyOf([T, '["i","t",1,["k"],[],[]]']), 'line 3'],
    ['an endless nesting', bodyOf([T, '['.repeat(100_000)]), 'line 3'],
  ];

  test.each(WRONG)('%s is refused, with its line', (_what, body, place) => {
    expect(refusal(body)).toContain(place);
  });

  test('no text at all makes the reader fail otherwise', () => {
    const lines = fc.array(
      fc.oneof(fc.json(), fc.constantFrom(encodeHead(HEAD), T, '["d","t",2,["k"]]'), fc.string()),
    );
    fc.assert(
      fc.property(lines, (some) => {
        refusal(some.join('\n'));
        refusal(bodyOf(some));
      }),
    );
  });
});

describe('an answer', () => {
  const answer = {
    ...{ accepted: 8, timeline: 't1', position: toLsn(0x16b3748) },
    rejected: [
      { number: 7, code: 'DENIED', message: 'no', table: 'public.item', key: ['k', 1, null] },
    ],
  } as const;

  test('is read as it was written', () => {
    expect(readUploadAnswer(JSON.parse(encodeUploadAnswer(answer)))).toEqual(answer);
  });

  test.each([
    null,
    {},
    { ...answer, accepted: '8' },
    { ...answer, position: 8 },
    { ...answer, position: '0/0', rejected: [{ number: 7 }] },
  ])('%o is refused', (broken) => {
    expect(() => readUploadAnswer(broken)).toThrow('cannot be read');
  });
});
