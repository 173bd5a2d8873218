/** W1-W5, W8, W9, W13, W22: where the original Transicator loses or tears committed rows, nothing is lost here. */
import { execFileSync } from 'node:child_process';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { SeededRandom } from '../../src/bench/random.ts';
import { loadSnapshot, RefusedError } from '../../src/bench/transicator/api.ts';
import { DELETE, INSERT, UPDATE } from '../../src/bench/transicator/schema.ts';
import { until } from '../support/stack.ts';
import { OldReceiver } from '../support/transicator/old-receiver.ts';
import { Served } from '../support/transicator/served.ts';

const ITEM = `CREATE TABLE item (id int PRIMARY KEY, note text, body text, _change_selector text NOT NULL);`;
const rows = (from: number, to: number, selector = 'foo'): string =>
  `INSERT INTO item SELECT g, 'note ' || g, repeat('x', 60), '${selector}' FROM generate_series(${from}, ${to}) g`;
/** Incompressible, so it is stored out of line. */
const LARGE = `(SELECT string_agg(md5(g::text), '') FROM generate_series(1, 400) g)`;

test('W1: snapshots taken while rows are written are one state, and fit the feed exactly', async () => {
  const served = await Served.open({
    schema: `CREATE TABLE debit (id int PRIMARY KEY, n int, _change_selector text);
      CREATE TABLE credit (id int PRIMARY KEY, n int, _change_selector text);`,
    flags: ['--transicator-naming', 'both'],
  });
  let isDone = false;
  const writer = await served.stack.client();
  const writing = (async () => {
    for (let id = 1; !isDone; id += 1) {
      await writer.query(`BEGIN; INSERT INTO debit VALUES (${id}, -${id}, 'foo');
        INSERT INTO credit VALUES (${id}, ${id}, 'foo'); COMMIT`);
    }
  })();
  const old = Array.from({ length: 3 }, (_, index) => {
    const file = served.stack.file(`old-${index}`);
    return new OldReceiver({ server: served.url, selector: 'foo', file, onLast: () => undefined });
  });
  for (const receiver of old) receiver.start();
  for (let round = 0; round < 5; round += 1) {
    const file = served.stack.file(`snapshot-${round}`);
    await loadSnapshot({ server: served.url, scopes: ['foo'] }, file);
    expect(sumsOf(file)).toMatchObject({ difference: 0 });
  }
  const clients = await Promise.all(['a', 'b', 'c'].map((name) => served.client(name, ['foo'])));
  isDone = true;
  await writing;
  await served.settle(...clients);
  for (const receiver of old) {
    await receiver.end();
    expect(receiver.printed).toEqual([]);
  }
  for (const name of ['a', 'b', 'c']) await served.expectSame(name, 'debit', 'id, n', 'foo');
  for (const name of ['a', 'b', 'c']) await served.expectSame(name, 'credit', 'id, n', 'foo');
});

function sumsOf(file: string): unknown {
  const db = new DatabaseSync(file, { readOnly: true });
  const listed = db.prepare('SELECT DISTINCT tableName AS name FROM _transicator_tables').all();
  const nameOf = (end: string): string =>
    `"${listed.map(({ name }) => String(name)).find((name) => name.endsWith(end))}"`;
  const sql = `SELECT (SELECT coalesce(sum(n), 0) FROM ${nameOf('debit')})
    + (SELECT coalesce(sum(n), 0) FROM ${nameOf('credit')}) AS difference`;
  const row = db.prepare(sql).get();
  db.close();
  return row;
}

test('W2: a server killed while it stores a large transaction delivers all of it afterwards', async () => {
  const served = await Served.open({ schema: ITEM });
  const client = await served.client('foo');
  const random = new SeededRandom(2);
  for (let round = 0; round < 3; round += 1) {
    const from = 1 + round * 40_000;
    await served.sql(`BEGIN; ${rows(from, from + 29_999)}; COMMIT`);
    const killAt = performance.now() + random.between(0, 400);
    await until('a random moment', () => performance.now() >= killAt);
    await served.kill();
    await served.sql(rows(from + 30_000, from + 30_009));
    await served.start();
  }
  await served.settle(client);
  expect(await served.expectSame('foo', 'item', 'id, note, body')).toBe(90_030);
  expect(client.resyncs).toBe(0);
}, 120_000);

test('W22: rows of a killed server are not taken for seen, while the log is purged', async () => {
  const served = await Served.open({ schema: ITEM, flags: ['--keep', '0', '--lease', '1'] });
  const first = await served.changes(['foo']);
  const client = await served.client('foo');
  for (let round = 0; round < 3; round += 1) {
    const from = 1 + round * 20_000;
    await served.sql(`BEGIN; ${rows(from, from + 14_999)}; COMMIT`);
    await served.killAndStart();
    await served.sql(rows(from + 15_000, from + 15_001));
  }
  await served.settle(client);
  expect(await served.expectSame('foo', 'item', 'id, note, body')).toBe(45_006);
  await until('the log was purged', async () => {
    const { firstSequence } = await served.changes(['foo'], { limit: 0 });
    return firstSequence !== first.firstSequence;
  });
}, 120_000);

test('W3: a snapshot whose changes were purged is refused, never answered with nothing', async () => {
  const served = await Served.open({ schema: ITEM, flags: ['--keep', '0', '--lease', '1'] });
  const file = served.stack.file('early');
  const headers = await loadSnapshot({ server: served.url, scopes: ['foo'] }, file);
  const snapshot = headers.get('transicator-snapshot-txid') ?? '';
  expect(snapshot).toMatch(/^\d+:\d+:/);
  await served.sql(rows(1, 5));
  let count = 0;
  await until('the snapshot is too old', async () => {
    count += 1;
    await served.sql(
      `UPDATE marker SET at = ${count}; INSERT INTO marker (_change_selector) VALUES ('m')`,
    );
    try {
      const { changes } = await served.changes(['foo'], { snapshot });
      if (changes.length > 0) expect(changes).toHaveLength(5);
      return false;
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      expect([error.status, error.code]).toEqual([400, 'SNAPSHOT_TOO_OLD']);
      return true;
    }
  });
  const client = await served.client('foo');
  await served.settle(client);
  expect(await served.expectSame('foo', 'item', 'id, note')).toBe(5);
});

test('W4: a snapshot from before the slot is refused, because changes may lie between', async () => {
  const served = await Served.open({ schema: `${ITEM} ${rows(1, 1)}`, isStarted: false });
  const { rows: taken } = await served.stack.sql.query<{ text: string }>(
    'SELECT txid_current_snapshot()::text AS text',
  );
  await served.sql(rows(2, 3));
  await served.start();
  await served.sql(rows(4, 4));
  const request = served.changes(['foo'], { snapshot: taken[0]?.text ?? '' });
  await expect(request).rejects.toMatchObject({ status: 400, code: 'SNAPSHOT_TOO_OLD' });
});

test('W5: a transaction is there whole or not at all, and no limit cuts it', async () => {
  const served = await Served.open({ schema: ITEM });
  const { lastSequence } = await served.changes(['foo']);
  const seen = new Set<number>();
  const writing = served.sql(`BEGIN; ${rows(1, 40_000)}; COMMIT`);
  await until('the transaction is there', async () => {
    const { changes } = await served.changes(['foo'], { since: lastSequence });
    seen.add(changes.length);
    return changes.length > 0;
  });
  await writing;
  expect([...seen].filter((count) => count !== 0)).toEqual([40_000]);
  await served.sql(rows(40_001, 40_001));
  const short = await served.changesUntil(['foo'], ({ changes }) => changes.length > 0);
  const cut = await served.changes(['foo'], { limit: 10 });
  expect(cut.changes).toHaveLength(40_000);
  expect(cut.lastSequence).toBe(short.changes[39_999]?.sequence);
  const next = await served.changes(['foo'], { limit: 10, since: cut.lastSequence });
  expect(next.changes.map(({ newColumns }) => newColumns[0]?.value)).toEqual([40_001n]);
});

test('W8: a row that moves is deleted for its old readers and inserted for its new ones', async () => {
  const served = await Served.open({ schema: `${ITEM} ${rows(1, 2)}` });
  const clients = await Promise.all(['foo', 'bar'].map((name) => served.client(name)));
  const since = (await served.changes(['foo'])).lastSequence;
  await served.sql(`UPDATE item SET _change_selector = 'bar' WHERE id = 1`);
  await served.settle(...clients);
  const [left] = (await served.changes(['foo'], { since })).changes;
  expect(left).toMatchObject({ operation: DELETE, table: 'public.item', newColumns: [] });
  expect(left?.oldColumns).toContainEqual({ name: '_change_selector', type: 25, value: 'foo' });
  const [came] = (await served.changes(['bar'], { since })).changes;
  expect(came).toMatchObject({ operation: INSERT, table: 'public.item' });
  expect(came?.newColumns).toContainEqual({ name: '_change_selector', type: 25, value: 'bar' });
  for (const name of ['foo', 'bar'])
    expect(await served.expectSame(name, 'item', 'id, body')).toBe(1);
});

test('W9: a large value that an update leaves alone is sent whole, never as a placeholder', async () => {
  const served = await Served.open({
    schema: `${ITEM} INSERT INTO item SELECT 1, 'n', ${LARGE}, 'foo'`,
  });
  const client = await served.client('foo');
  const since = (await served.changes(['foo'])).lastSequence;
  await served.sql(`UPDATE item SET note = 'm' WHERE id = 1`);
  await served.settle(client);
  const [update] = (await served.changes(['foo'], { since })).changes;
  expect(update?.operation).toBe(UPDATE);
  const body = update?.newColumns.find(({ name }) => name === 'body')?.value;
  expect(String(body)).toMatch(/^[0-9a-f]{12800}$/);
  await served.expectSame('foo', 'item', 'id, note, body');
});

/** Lets a running process write no file beyond so many bytes; Linux only. */
function limitFiles(pid: number | undefined, bytes: string): void {
  execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:unlimited`]);
}

test.runIf(process.platform === 'linux')(
  'W13: a log that cannot be written confirms nothing, says so, and loses nothing',
  async () => {
    const served = await Served.open({ schema: ITEM });
    const client = await served.client('foo');
    await served.sql(rows(1, 10));
    await served.settle(client);
    limitFiles(served.process.process.pid, '20000');
    await served.sql(rows(11, 20_000));
    const committed = await served.stack.position();
    await until('the server says so', async () => {
      const { body } = await served.json('/v1/status');
      return JSON.stringify(body).includes('the change log could not be written');
    });
    const { rows: slots } = await served.stack.sql.query<{ is_behind: boolean }>(
      `SELECT confirmed_flush_lsn < '${committed}'::pg_lsn AS is_behind FROM pg_replication_slots
       WHERE slot_name = '${served.stack.name}'`,
    );
    expect(slots).toEqual([{ is_behind: true }]);
    limitFiles(served.process.process.pid, 'unlimited');
    await served.settle(client);
    expect(await served.expectSame('foo', 'item', 'id, note, body')).toBe(20_000);
  },
);
