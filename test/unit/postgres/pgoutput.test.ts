import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PgoutputDecoder } from '../../../src/postgres/pgoutput.ts';
import { Recorder, UNCHANGED } from '../../support/source-recorder.ts';
import * as wire from './pgoutput-messages.ts';

const CITY = { oid: 7, name: 'city', columns: ['id', 'name'] };

function decode(messages: readonly Buffer[]): Recorder {
  const recorder = new Recorder();
  const decoder = new PgoutputDecoder(recorder);
  for (const message of messages) decoder.message(message, 0, message.length);
  return recorder;
}

test('rows, old keys, old rows, NULL, empty and unchanged values are told apart', () => {
  const recorder = decode([
    wire.begin(5),
    wire.relation(CITY),
    wire.insert(7, ['1', '']),
    wire.update({ oid: 7, row: ['1', undefined] }),
    wire.update({ oid: 7, key: ['1', null], row: ['2', 'b'] }),
    wire.update({ oid: 7, old: ['2', 'b'], row: ['2', null] }),
    wire.remove(7, ['2', null]),
    wire.truncate([7]),
    wire.message('note', 'hello'),
    wire.commit(0x1_0000_0010, 0x1_0000_0040, 1_000_000),
  ]);
  expect(recorder.committed).toEqual([
    {
      xid: 5,
      commitLsn: 0x1_0000_0010,
      ts: 0x1_0000_0040,
      timeMicros: 946_684_801_000_000,
      changes: [
        { kind: 'insert', table: 'public.city', row: ['1', ''] },
        { kind: 'update', table: 'public.city', old: null, row: ['1', UNCHANGED] },
        {
          kind: 'update',
          table: 'public.city',
          old: { whole: false, row: ['1', null] },
          row: ['2', 'b'],
        },
        {
          kind: 'update',
          table: 'public.city',
          old: { whole: true, row: ['2', 'b'] },
          row: ['2', null],
        },
        { kind: 'delete', table: 'public.city', old: { whole: false, row: ['2', null] } },
        { kind: 'truncate', tables: ['public.city'] },
        { kind: 'message', prefix: 'note', content: 'hello' },
      ],
    },
  ]);
});

test('P3: a subtransaction that is rolled back inside an open transaction leaves nothing', () => {
  const recorder = decode([
    wire.streamStart(10, true),
    wire.relation({ ...CITY, subxid: 10 }),
    wire.insert(7, ['1', 'kept'], 10),
    wire.insert(7, ['2', 'lost'], 11),
    wire.streamStop(),
    wire.streamAbort(10, 11),
    wire.begin(12),
    wire.relation(CITY),
    wire.insert(7, ['3', 'other']),
    wire.commit(1, 2),
    wire.streamStart(10, false),
    wire.insert(7, ['4', 'kept'], 12),
    wire.message('note', 'x', 10),
    wire.streamStop(),
    wire.streamCommit(10, 3, 4),
    wire.streamStart(20, true),
    wire.insert(7, ['5', 'lost'], 20),
    wire.streamStop(),
    wire.streamAbort(20, 20),
  ]);
  expect(recorder.committed.map(({ xid, ts }) => [xid, ts])).toEqual([
    [12, 2],
    [10, 4],
  ]);
  expect(recorder.inserted('public.city').map(([id]) => id)).toEqual(['3', '1', '4']);
});

test('a relation announced by an open transaction counts for others only after its commit', () => {
  const wider = { ...CITY, columns: ['id', 'name', 'people'] };
  const messages = [
    wire.begin(1),
    wire.relation(CITY),
    wire.commit(1, 2),
    wire.streamStart(10, true),
    wire.relation({ ...wider, subxid: 10 }),
    wire.streamStop(),
    wire.begin(11),
    wire.insert(7, ['1', 'a']),
    wire.commit(3, 4),
    wire.streamCommit(10, 5, 6),
    wire.begin(12),
    wire.insert(7, ['2', 'b', '3']),
    wire.commit(7, 8),
  ];
  const seen: number[] = [];
  const recorder = new Recorder();
  const insert = recorder.insert.bind(recorder);
  recorder.insert = (relation, row, change) => {
    seen.push(relation.columns.length);
    insert(relation, row, change);
  };
  const decoder = new PgoutputDecoder(recorder);
  for (const message of messages) decoder.message(message, 0, message.length);
  expect(seen).toEqual([2, 3]);
});

test('a relation announced again without a change stays the same object', () => {
  const recorder = decode([
    wire.begin(1),
    wire.relation(CITY),
    wire.relation(CITY),
    wire.relation({ ...CITY, identity: 'f' }),
    wire.commit(1, 2),
  ]);
  expect(recorder.relations[1]).toBe(recorder.relations[0]);
  expect(recorder.relations[2]).not.toBe(recorder.relations[0]);
});

test('a position is complete only between transactions and between pieces', () => {
  const decoder = new PgoutputDecoder(new Recorder());
  const states = [
    wire.begin(1),
    wire.commit(1, 2),
    wire.streamStart(2, true),
    wire.streamStop(),
    wire.streamCommit(2, 3, 4),
  ].map((message) => {
    decoder.message(message, 0, message.length);
    return decoder.isBetween;
  });
  expect(states).toEqual([false, true, false, true, true]);
});

const WHOLE = [
  wire.begin(5),
  wire.relation(CITY),
  wire.insert(7, ['1', 'name']),
  wire.update({ oid: 7, key: ['1', null], row: ['2', 'b'] }),
  wire.remove(7, ['2', null]),
  wire.truncate([7, 7]),
  wire.message('note', 'hello'),
  wire.commit(1, 2),
];

test('a message cut short anywhere is refused, whatever bytes follow it in the buffer', () => {
  for (const [index, message] of WHOLE.entries()) {
    for (let length = 0; length < message.length; length += 1) {
      const decoder = new PgoutputDecoder(new Recorder());
      for (const before of WHOLE.slice(0, index)) decoder.message(before, 0, before.length);
      for (const filler of [0, 0x74, 0xff]) {
        const padded = Buffer.concat([message.subarray(0, length), Buffer.alloc(64, filler)]);
        expect(
          () => decoder.message(padded, 0, length),
          `message ${index} cut to ${length}`,
        ).toThrowError(expect.objectContaining({ code: 'PROTOCOL' }));
      }
    }
  }
});

test('arbitrary bytes are decoded or refused, never anything else', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 80 }),
      fc.constantFrom(...'IUDRTMSEcABCYO?'),
      (bytes, type) => {
        const decoder = new PgoutputDecoder(new Recorder());
        decoder.message(wire.begin(1), 0, 21);
        const message = Buffer.concat([Buffer.from(type), bytes]);
        try {
          decoder.message(message, 0, message.length);
        } catch (error) {
          expect(error).toMatchObject({ code: 'PROTOCOL' });
        }
      },
    ),
  );
});

test.each([
  ['a change outside a transaction', [wire.insert(7, ['1'])]],
  ['a row of a relation nobody announced', [wire.begin(1), wire.insert(9, ['1'])]],
  ['a commit without a begin', [wire.commit(1, 2)]],
  ['a begin inside a transaction', [wire.begin(1), wire.begin(2)]],
  ['an unknown message', [Buffer.from('z')]],
])('%s is refused', (_, messages) => {
  expect(() => decode(messages)).toThrowError(expect.objectContaining({ code: 'PROTOCOL' }));
});
