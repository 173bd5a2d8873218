import { expect, test } from 'vitest';
import { DigestHistory } from '../../../src/client/digest-history.ts';
import type { DigestEntry } from '../../../src/protocol/feed.ts';
import { lsn } from './memory-store.ts';

const entry = (digest: string, rows: number, table = 't'): DigestEntry => ({
  table,
  selector: 'FR',
  digest: digest.padStart(32, '0'),
  rows,
});

function history(): DigestHistory {
  const digests = new DigestHistory(lsn(100), [entry('a', 1)]);
  digests.note(lsn(110), lsn(110), [entry('b', 2)]);
  digests.note(lsn(120), lsn(130), [entry('c', 3)]);
  return digests;
}

test.each([
  [99, 'a', 1, 'unknown'],
  [100, 'a', 1, 'same'],
  [109, 'a', 1, 'same'],
  [109, 'b', 2, 'different'],
  [110, 'b', 2, 'same'],
  [119, 'b', 2, 'same'],
  [119, 'a', 1, 'different'],
  [120, 'b', 2, 'unknown'],
  [129, 'c', 3, 'unknown'],
  [130, 'c', 3, 'same'],
  [999, 'c', 3, 'same'],
  [999, 'c', 4, 'different'],
])('at %i the digest %s of %i rows is %s', (ts, digest, rows, expected) => {
  expect(history().compare(lsn(ts), [entry(digest, rows)]).kind).toBe(expected);
});

test('an entry that one side lacks has no rows', () => {
  const digests = history();
  expect(digests.compare(lsn(130), [entry('c', 3), entry('0', 0, 'u')]).kind).toBe('same');
  expect(digests.compare(lsn(130), [entry('c', 3), entry('d', 1, 'u')]).kind).toBe('different');
  expect(digests.compare(lsn(130), [])).toMatchObject({ kind: 'different' });
});

test('a difference in one table shows although another is unknown', () => {
  const digests = new DigestHistory(lsn(100), []);
  digests.note(lsn(120), lsn(130), [entry('c', 3)]);
  const result = digests.compare(lsn(125), [entry('9', 9), entry('d', 1, 'u')]);
  expect(result).toMatchObject({ kind: 'different', differences: [{ table: 'u' }] });
});

test('the history is bounded: older positions become unknown, newer ones stay exact', () => {
  const digests = new DigestHistory(lsn(0), [], 10);
  for (let ts = 1; ts <= 100; ts += 1) {
    digests.note(lsn(ts), lsn(ts), [entry(ts.toString(16), ts)]);
  }
  expect(digests.compare(lsn(5), [entry('5', 5)]).kind).toBe('unknown');
  for (let ts = 91; ts <= 100; ts += 1) {
    expect(digests.compare(lsn(ts), [entry(ts.toString(16), ts)]).kind).toBe('same');
  }
});
