import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import {
  expectEqual,
  expectStreamed,
  SCHEMA,
  STREAMED,
  smallStack,
} from '../support/small-world.ts';
import { until } from '../support/stack.ts';

test('P1: inserts, updates, deletes, key changes and truncates reach the replicas that want them', async () => {
  const stack = await smallStack();
  const fr = await stack.replica('fr', ['FR']);
  const both = await stack.replica('both', ['DE', 'IT']);
  await stack.sql.query(
    `INSERT INTO city VALUES (1001, 'Nantes', 'FR', 9223372036854775807), (1002, NULL, 'DE', NULL)`,
  );
  await stack.sql.query(`UPDATE city SET people = people + 1 WHERE id <= 100 AND country <> 'FR'`);
  await stack.sql.query(`DELETE FROM city WHERE id BETWEEN 50 AND 80`);
  await stack.sql.query(`UPDATE city SET id = id + 5000 WHERE id <= 20`);
  await stack.sql.query(
    `INSERT INTO city VALUES (150, 'x', 'FR', 1) ON CONFLICT (id) DO UPDATE SET name = excluded.name`,
  );
  await stack.sql.query(
    `UPDATE kind SET label = 'second' WHERE code = 'b'; DELETE FROM kind WHERE code = 'a'`,
  );
  await stack.settle(fr, both);
  await expectEqual(stack, 'fr', ['FR']);
  await expectEqual(stack, 'both', ['DE', 'IT']);
  await stack.sql.query('TRUNCATE city, kind');
  await stack.sql.query(`INSERT INTO city VALUES (1, 'again', 'FR', 1)`);
  await stack.settle(fr, both);
  await expectEqual(stack, 'fr', ['FR']);
  await expectEqual(stack, 'both', ['DE', 'IT']);
});

test('P17: a row that moves between selectors leaves one replica and enters the other', async () => {
  const stack = await smallStack();
  const fr = await stack.replica('fr', ['FR']);
  const de = await stack.replica('de', ['DE']);
  const union = await stack.replica('union', ['DE', 'FR']);
  await stack.sql.query(`UPDATE city SET country = 'DE' WHERE country = 'FR' AND id < 100`);
  await stack.sql.query(
    `UPDATE city SET country = NULL WHERE id = 200; UPDATE city SET country = 'FR' WHERE id = 201`,
  );
  await stack.settle(fr, de, union);
  await expectEqual(stack, 'fr', ['FR']);
  await expectEqual(stack, 'de', ['DE']);
  await expectEqual(stack, 'union', ['DE', 'FR']);
});

test('P3: rolled back transactions and savepoints never appear', async () => {
  const stack = await smallStack();
  const fr = await stack.replica('fr', ['FR']);
  await stack.sql.query(`BEGIN; INSERT INTO city VALUES (2001, 'no', 'FR', 1); ROLLBACK`);
  await stack.sql.query(
    `BEGIN; INSERT INTO city VALUES (2002, 'yes', 'FR', 1); SAVEPOINT s; INSERT INTO city VALUES (2003, 'no', 'FR', 1); ROLLBACK TO s; COMMIT`,
  );
  await stack.settle(fr);
  await expectEqual(stack, 'fr', ['FR']);
});

test('P4: interleaved transactions arrive in commit order, the lower transaction id last', async () => {
  const stack = await smallStack();
  const first = await stack.client();
  const second = await stack.client();
  const feed = stack.engine.openFeed({
    selectors: ['FR'],
    since: stack.engine.upper,
    timeline: undefined,
    replica: undefined,
    wantsDigests: false,
  });
  await first.query(`BEGIN; INSERT INTO city VALUES (3001, 'early', 'FR', 1)`);
  await second.query(`INSERT INTO city VALUES (3002, 'late', 'FR', 1)`);
  await first.query('COMMIT');
  const seen: string[] = [];
  await until('both commits are in the feed', () => {
    const frame = feed.read();
    if (frame !== null) seen.push(...Buffer.from(frame).toString().trim().split('\n'));
    return seen.filter((line) => line.includes('"commit"')).length === 2;
  });
  const commits = seen.map((line) => JSON.parse(line)).filter(({ type }) => type === 'commit');
  expect(Number(commits[0].txid)).toBeGreaterThan(Number(commits[1].txid));
  expect(seen.findIndex((line) => line.includes('late'))).toBeLessThan(
    seen.findIndex((line) => line.includes('early')),
  );
});

test('P5: another reader of the file only ever sees whole transactions', async () => {
  const stack = await smallStack();
  const fr = await stack.replica('fr', ['FR']);
  const reader = new DatabaseSync(stack.file('fr'), { readOnly: true });
  const sum = reader.prepare('SELECT sum(balance) AS sum, count(*) AS n FROM account');
  let reads = 0;
  let isDone = false;
  const watching = until('the writer has finished', () => {
    expect(sum.get()).toEqual({ sum: 1000, n: 10 });
    reads += 1;
    return isDone;
  });
  for (let turn = 0; turn < 200; turn += 1) {
    const [from, to] = [1 + (turn % 10), 1 + ((turn * 7 + 3) % 10)];
    await stack.sql.query(
      `BEGIN; UPDATE account SET balance = balance - 5 WHERE id = ${from}; UPDATE account SET balance = balance + 5 WHERE id = ${to}; COMMIT`,
    );
  }
  await stack.settle(fr);
  isDone = true;
  await watching;
  reader.close();
  expect(reads).toBeGreaterThan(5);
  await expectEqual(stack, 'fr', ['FR']);
});

test('P7: a snapshot and its stream meet exactly around transactions that are in flight', async () => {
  const stack = await smallStack();
  const commits = await stack.client();
  const aborts = await stack.client();
  const nested = await stack.client();
  await commits.query(
    `BEGIN; INSERT INTO city VALUES (4001, 'in flight', 'FR', 1); DELETE FROM city WHERE id = 3; UPDATE city SET name = 'changed' WHERE id = 6`,
  );
  await aborts.query(
    `BEGIN; INSERT INTO city VALUES (4002, 'never', 'FR', 1); DELETE FROM city WHERE id = 9`,
  );
  await nested.query(
    `BEGIN; SAVEPOINT a; INSERT INTO city VALUES (4003, 'sub', 'FR', 1); RELEASE a; SAVEPOINT b; INSERT INTO city VALUES (4004, 'gone', 'FR', 1); ROLLBACK TO b`,
  );
  const early = await stack.replica('early', ['FR']);
  await stack.sql.query(
    `UPDATE city SET people = 77 WHERE id = 12; INSERT INTO city VALUES (4005, 'between', 'FR', 1)`,
  );
  const middle = await stack.replica('middle', ['FR']);
  await commits.query('COMMIT');
  await aborts.query('ROLLBACK');
  await nested.query('COMMIT');
  const late = await stack.replica('late', ['FR']);
  await stack.settle(early, middle, late);
  for (const name of ['early', 'middle', 'late']) await expectEqual(stack, name, ['FR']);
});

test('P7: replicas that start under load are equal from their first position on', async () => {
  const stack = await smallStack();
  const writers = await Promise.all([stack.client(), stack.client(), stack.client()]);
  let isDone = false;
  const writing = writers.map(async (client, writer) => {
    for (let turn = 0; !isDone; turn += 1) {
      const id = 10_000 + writer * 10_000 + turn;
      await client.query(
        `BEGIN; INSERT INTO city VALUES (${id}, 'w', 'FR', ${turn}); UPDATE city SET people = people + 1 WHERE id = ${1 + ((turn * 13) % 300)}; DELETE FROM city WHERE id = ${id - 3}; ${turn % 5 === 0 ? 'ROLLBACK' : 'COMMIT'}`,
      );
    }
  });
  for (let round = 0; round < 5; round += 1) {
    const file = await stack.engine.snapshotFile({
      selectors: ['FR', 'DE', 'IT'],
      replica: undefined,
      signal: AbortSignal.timeout(20_000),
    });
    const digest = await stack.replica(`r${round}`, ['FR', 'DE', 'IT']);
    expect(file.sizeBytes).toBeGreaterThan(0);
    await file.release();
    expect(digest.position).not.toBe('0/0');
  }
  isDone = true;
  await Promise.all(writing);
  // Once: the cluster is shared, and others move its end on and on.
  const position = await stack.position();
  for (let round = 0; round < 5; round += 1) {
    await until(`replica ${round} is equal`, () => {
      const status = new DatabaseSync(stack.file(`r${round}`), { readOnly: true });
      const row = status.prepare('SELECT position FROM tidelock_replica').get() as {
        position: string;
      };
      status.close();
      return lsn(row.position) >= lsn(position);
    });
    await expectEqual(stack, `r${round}`, ['FR', 'DE', 'IT']);
  }
});

test('P26: a transaction much larger than a group arrives whole', async () => {
  const stack = await smallStack({
    schema: SCHEMA + STREAMED,
    engine: { limits: { partBytesMax: 32 * 1024, groupBytesMax: 32 * 1024 } },
  });
  const fr = await stack.replica('fr', ['FR']);
  await stack.sql.query(
    `BEGIN; INSERT INTO city SELECT g, repeat('x', 50), 'FR', g FROM generate_series(20000, 40000) g; SAVEPOINT s; INSERT INTO city SELECT g, 'no', 'FR', g FROM generate_series(50000, 51000) g; ROLLBACK TO s; UPDATE city SET people = 0 WHERE id BETWEEN 20000 AND 21000; COMMIT`,
  );
  await stack.settle(fr);
  await expectEqual(stack, 'fr', ['FR']);
  await expectStreamed(stack);
});

test('P24: the position of an idle replica moves with traffic that is not its own', async () => {
  const stack = await smallStack();
  const it = await stack.replica('it', ['IT']);
  for (let turn = 0; turn < 20; turn += 1) {
    await stack.sql.query(`INSERT INTO city VALUES (${8000 + turn}, 'x', 'FR', 1)`);
  }
  await stack.settle(it);
  await stack.sql.query(
    'CREATE TABLE unpublished (id int); INSERT INTO unpublished SELECT generate_series(1, 1000)',
  );
  await stack.settle(it);
  await until('the slot is confirmed past it', async () => {
    const position = await stack.position();
    const { rows } = await stack.sql.query<{ lag: string }>(
      `SELECT $2::pg_lsn - confirmed_flush_lsn AS lag FROM pg_replication_slots WHERE slot_name = $1`,
      [stack.name, position],
    );
    return Number(rows[0]?.lag) < 10_000;
  });
});

function lsn(text: string): number {
  const [high = '', low = ''] = text.split('/');
  return Number.parseInt(high, 16) * 2 ** 32 + Number.parseInt(low, 16);
}

test('P24: digests in the feed tell a replica that its file is wrong, and it fetches the difference', async () => {
  const stack = await smallStack({ engine: { digestEveryMs: 200 } });
  const first = await stack.replica('fr', ['FR']);
  await new Promise((resolve) => first.on('verified', resolve));
  await first.close();
  const file = new DatabaseSync(stack.file('fr'));
  const zeros = '0'.repeat(32);
  file.exec(`UPDATE city SET name = 'tampered' WHERE id = 3`);
  file.exec(`UPDATE tidelock_digests SET digest = '${zeros}' WHERE table_name = 'public.city'`);
  file.close();
  const second = await stack.replica('fr', ['FR']);
  await new Promise((resolve) => second.on('resync', resolve));
  await stack.settle(second);
  await expectEqual(stack, 'fr', ['FR']);
});
