import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { isInSnapshot, parseTxidSnapshot } from '../../../src/core/txid-snapshot.ts';

test('P7: a transaction is in a snapshot when it had ended: below xmax and not among the open ones', () => {
  const txid = fc.integer({ min: 1, max: 2 ** 40 });
  fc.assert(
    fc.property(txid, fc.uniqueArray(fc.nat(30)), fc.nat(40), (xmin, open, size) => {
      const xips = open.map((offset) => xmin + offset);
      const snapshot = parseTxidSnapshot(`${xmin}:${xmin + size}:${xips.join(',')}`);
      if (snapshot === null) throw new Error('the text is a snapshot');
      for (let id = xmin - 2; id <= xmin + size + 2; id += 1) {
        const isOpen = id >= xmin + size || (id >= xmin && xips.includes(id));
        expect([id, isInSnapshot(snapshot, id)]).toEqual([id, !isOpen]);
      }
    }),
  );
});

test('open transactions may be none, with the colon', () => {
  expect(parseTxidSnapshot('780:783:')).toEqual({ xmin: 780, xmax: 783, xips: new Set() });
  expect(parseTxidSnapshot('780:783:780,782')?.xips).toEqual(new Set([780, 782]));
});

test('anything else is refused', () => {
  for (const text of [
    '',
    '1',
    '1:2',
    '1:2:3,',
    '1:2:,3',
    '1:2:x',
    'a1:2:',
    '1:2:3:4',
    '1:-2:',
    '1: 2:',
  ]) {
    expect([text, parseTxidSnapshot(text)]).toEqual([text, null]);
  }
});
