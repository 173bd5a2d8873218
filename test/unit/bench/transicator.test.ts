/** The bench's own reader of Transicator, on bytes written by hand. */
import { expect, test } from 'vitest';
import { changesUrl } from '../../../src/bench/transicator/api.ts';
import { decodeChanges, decodeSnapshot } from '../../../src/bench/transicator/schema.ts';
import {
  compareSequences,
  positionOf,
  sequenceOf,
} from '../../../src/bench/transicator/sequence.ts';

/** A field of bytes: tag, length, content. */
function field(number: number, content: string | readonly number[]): number[] {
  const bytes = typeof content === 'string' ? [...Buffer.from(content)] : [...content];
  return [(number << 3) | 2, bytes.length, ...bytes];
}

const column = (name: string, type: number, value: readonly number[] | null): number[] => [
  ...field(1, name),
  ...(value === null ? [] : field(2, value)),
  ...[3 << 3, type],
];

test('a list of changes is read: absent and empty values are NULL, zeros are not', () => {
  const change = [
    ...[1 << 3, 2],
    ...field(2, 'public.city'),
    ...field(3, '0.a.1'),
    ...[4 << 3, 10, 6 << 3, 1, 11 << 3, 0x80, 0x80, 0x80, 0x80, 0x10],
    ...field(8, column('id', 23, [2 << 3, 0])),
    ...field(8, column('last', 16, [6 << 3, 1])),
    ...field(8, column('content', 17, field(5, [0xff, 0]))),
    ...field(8, column('none', 25, null)),
    ...field(8, column('empty', 25, [])),
    ...field(9, column('name', 25, field(1, 'é'))),
  ];
  const bytes = Uint8Array.from([...field(3, change), ...field(1, '0.b.0'), ...field(2, '0.a.0')]);
  expect(decodeChanges(bytes)).toEqual({
    ...{ lastSequence: '0.b.0', firstSequence: '0.a.0' },
    changes: [
      {
        ...{ operation: 2, table: 'public.city', sequence: '0.a.1' },
        ...{ commitSequence: 10n, commitIndex: 1, txid: 2n ** 32n },
        newColumns: [
          { name: 'id', type: 23, value: 0n },
          { name: 'last', type: 16, value: true },
          { name: 'content', type: 17, value: Uint8Array.of(0xff, 0) },
          { name: 'none', type: 25, value: null },
          { name: 'empty', type: 25, value: null },
        ],
        oldColumns: [{ name: 'name', type: 25, value: 'é' }],
      },
    ],
  });
});

test('a snapshot in frames is read, and one that ends inside a frame is refused', () => {
  const frame = (content: readonly number[]): number[] => [0, 0, 0, content.length, ...content];
  const header = frame([...field(1, 'now'), ...field(2, '1:2:')]);
  const table = frame(field(1, [...field(1, 'public.t'), ...field(2, column('id', 23, null))]));
  const row = frame(field(2, field(1, [2 << 3, 7])));
  const bytes = Uint8Array.from([...header, ...table, ...row]);
  expect(decodeSnapshot(bytes)).toEqual([
    { kind: 'header', snapshot: '1:2:', timestamp: 'now' },
    { kind: 'table', name: 'public.t', columns: [{ name: 'id', type: 23, value: null }] },
    { kind: 'row', values: [7n] },
  ]);
  expect(() => decodeSnapshot(bytes.subarray(0, -1))).toThrow('inside a frame');
});

test('sequences are ordered as numbers and name positions', () => {
  const sorted = ['', '0.0.1', '0.9.0', '0.9.a', '0.10.0', '1.0.0', 'a.0.0'];
  expect([...sorted].reverse().sort(compareSequences)).toEqual(sorted);
  expect(positionOf('a.1ba5de8.2')).toBe('A/1BA5DE8');
  expect(compareSequences(sequenceOf('A/1BA5DE8'), 'a.1ba5de8.0')).toBe(0);
  expect(() => compareSequences('0/1', '0.0.0')).toThrow('no sequence');
});

test('a poll says what the reader has: an empty `since` at first', () => {
  expect(
    changesUrl({
      ...{ server: 'http://x/p', scopes: ['a', 'b'], snapshot: '1:2:' },
      ...{ blockS: 5, since: '' },
    }),
  ).toBe('http://x/p/changes?scope=a&scope=b&snapshot=1%3A2%3A&block=5&since=');
});
