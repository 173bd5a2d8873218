/** The search for bytes of other users. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { LeakSearch } from '../../../../src/bench/twoway/leaks.ts';
import { until } from '../../../../src/bench/until.ts';

const HEAD = { method: 'GET', path: '/v1/feed?x', status: 200, encoding: 'identity' };
const WAIT = { limitMs: 5000, signal: new AbortController().signal };

/** Databases 1 and 2 are of user 1, 3 and 4 of user 2. */
function given(chunks: readonly string[]): LeakSearch {
  const search = new LeakSearch(1);
  const write = search.capture(HEAD);
  for (const chunk of chunks) write(Buffer.from(chunk));
  write(null);
  return search;
}

test('one’s own canaries and keys are no leak, and show that the search sees', () => {
  const { own, foreign, bytes } = given(['w1~canary-u1-x ["db2_r1_5"]']).result('a');
  expect({ own, foreign, bytes }).toEqual({ own: 2, foreign: [], bytes: 27 });
});

test('P15: a canary of another user is found, also across two chunks, and once', () => {
  const { foreign } = given(['padding canary', '-u2-abc', ' and more']).result('a');
  expect(foreign).toEqual([expect.stringContaining('GET /v1/feed 200')]);
});

test('P15: a key of another user is enough', () => {
  expect(given(['{"type":"delete","key":["db3_r1_7"]}']).result('a').foreign).toHaveLength(1);
  expect(given(['u2k_17']).result('a').foreign).toHaveLength(1);
});

test.each([
  ['gzip', gzipSync],
  ['zstd', zstdCompressSync],
] as const)(
  'P15: what is compressed (%s) is looked into, also when it was cut off',
  async (encoding, pack) => {
    const search = new LeakSearch(1);
    const write = search.capture({ ...HEAD, encoding });
    write(pack(Buffer.from('canary-u2-abc')));
    write(null);
    await until('it is decoded', () => search.result('a').foreign.length === 1, WAIT);
  },
);

test('P15: files are searched whole, with what stands beside them', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'tidelock-leaks-'));
  try {
    writeFileSync(join(dir, 'a.sqlite'), 'canary-u1-x');
    writeFileSync(join(dir, 'a.sqlite-wal'), '\u0000\u0001canary-u2-y\u0000');
    const search = new LeakSearch(1);
    await search.file(join(dir, 'a.sqlite'));
    expect(search.result('a').own).toBe(1);
    expect(search.result('a').foreign).toEqual([expect.stringContaining('a.sqlite-wal')]);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
