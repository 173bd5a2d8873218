import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { FeedApplier } from '../../../src/client/applier.ts';
import { DigestHistory } from '../../../src/client/digest-history.ts';
import { SpoolFile } from '../../../src/sqlite/spool-file.ts';
import { commit, hello, insert, table } from '../client/feed-lines.ts';
import { MemoryStore } from '../client/memory-store.ts';

function spool(): { spool: SpoolFile; folder: string } {
  const folder = mkdtempSync(join(tmpdir(), 'tidelock-spool-'));
  const made = new SpoolFile(join(folder, 'r.db'));
  onTestFinished(() => {
    made.clear();
    rmSync(folder, { recursive: true });
  });
  return { spool: made, folder };
}

test('a spool gives back what was written, in order, as often as it is filled', () => {
  const { spool: file, folder } = spool();
  for (let turn = 0; turn < 2; turn += 1) {
    const portions = [
      [{ type: 'insert', row: [turn, -0, 'text', null] }],
      [{ type: 'delete', key: [1] }, { type: 'x' }],
    ];
    for (const portion of portions) file.write(portion);
    expect([...file.read()]).toEqual(portions);
    file.clear();
    expect([...file.read()]).toEqual([]);
  }
  expect(readdirSync(folder)).toEqual([]);
});

test('P28: while a large transaction arrives the store stays free for others, and then has all of it', () => {
  const store = new MemoryStore();
  const begins: number[] = [];
  const begin = store.begin.bind(store);
  let lines = 0;
  store.begin = () => {
    begins.push(lines);
    return begin();
  };
  const applier = new FeedApplier({
    ...{ store, spool: spool().spool, openBytesMax: 1 },
    history: new DigestHistory(store.identity.position, store.digests()),
    onNews: () => undefined,
    crashPoint: () => undefined,
  });
  applier.take([hello(), table()], 100);
  for (lines = 1; lines <= 50; lines += 1) applier.take([insert(lines, `n${lines}`)], 100);
  applier.take([commit(110)], 100);
  expect(begins).toEqual([51]);
  expect(store.dump()).toHaveLength(50);
  applier.take([insert(51, 'left'), insert(52, 'open')], 100);
  applier.abandon();
  expect(store.dump()).toHaveLength(50);
});
