import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openReplicaStore } from '../../src/sqlite/replica-store.ts';
import { createSnapshotFile } from '../../src/sqlite/snapshot-file.ts';
import { companionOf, twowayOf } from '../unit/sqlite/local-bed.ts';
import { brokenInvariants } from '../unit/sqlite/local-inspector.ts';
import { temporaryFolder, ts } from '../unit/sqlite/replicas.ts';

const WRITER = fileURLToPath(new URL('../support/local-writer.ts', import.meta.url));
const ITEM = twowayOf('public.item', ['id', 'name', 'n|int'], ['id']);

test('P9 P19: a kill -9 while writes are sealed, applied and settled loses none of them', async () => {
  using folder = temporaryFolder();
  const file = join(folder.path, 'r.db');
  const snapshot = createSnapshotFile({ file, tables: [ITEM, companionOf(ITEM)] });
  snapshot.row(ITEM.name, '*', ['shared', 'first', 0]);
  snapshot.finish({ timeline: 't1', position: ts(100), selectors: [] });
  for (const moment of [1, 20, 120]) {
    const promised = await killedAfter(file, moment);
    const store = openReplicaStore({ file, isWritten: true });
    store.local?.seal();
    expect(await brokenInvariants(store)).toEqual([]);
    const { rows, n } = contentsOf(file);
    // The write of a round, and all of it, is there or not: the last round may have been on its way.
    expect(rows).toBe(n);
    expect(n).toBeGreaterThanOrEqual(promised);
    expect(n).toBeLessThanOrEqual(promised + 1);
    store.close();
  }
});

/** The last round that the process told of before it was killed. */
async function killedAfter(file: string, moment: number): Promise<number> {
  const writer = spawn(process.execPath, [WRITER, file], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = once(writer, 'exit');
  let promised = 0;
  let count = 0;
  for await (const line of createInterface({ input: writer.stdout })) {
    promised = Number(line);
    count += 1;
    if (count === moment) writer.kill('SIGKILL');
  }
  await exit;
  return promised;
}

function contentsOf(file: string): { readonly rows: number; readonly n: number } {
  const db = new DatabaseSync(file, { readOnly: true });
  const row = db
    .prepare(
      `SELECT (SELECT count(*) FROM item WHERE id <> 'shared') AS count,
              (SELECT n FROM item WHERE id = 'shared') AS n`,
    )
    .get();
  db.close();
  return { rows: Number(row?.count), n: Number(row?.n) };
}
