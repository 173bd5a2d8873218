import { DatabaseSync } from 'node:sqlite';
import { afterEach, expect, inject, test } from 'vitest';
import { Stack, type StackOptions, until } from '../support/stack.ts';

const SCHEMA = `
  CREATE TABLE city (id int PRIMARY KEY, name text, country text, people bigint);
  ALTER TABLE city REPLICA IDENTITY FULL;
  CREATE TABLE account (id int PRIMARY KEY, country text, balance int NOT NULL);
  ALTER TABLE account REPLICA IDENTITY FULL;
  CREATE TABLE kind (code text PRIMARY KEY, label text);
  INSERT INTO city SELECT g, 'city ' || g, (ARRAY['FR', 'DE', 'IT'])[1 + g % 3], g FROM generate_series(1, 300) g;
  INSERT INTO account SELECT g, 'FR', 100 FROM generate_series(1, 10) g;
  INSERT INTO kind VALUES ('a', 'first'), ('b', NULL);
`;
/** Transactions above 64 kB are streamed while they are open. */
const STREAMED = `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET logical_decoding_work_mem = ''64kB''', current_database()); END $$;`;
const TABLES = { 'public.city': 'country', 'public.account': 'country', 'public.kind': '*' };

const open: Stack[] = [];

async function newStack(options: Partial<StackOptions> = {}): Promise<Stack> {
  const stack = await Stack.open({
    postgresUrl: inject('postgresUrl'),
    schema: SCHEMA,
    tables: TABLES,
    ...options,
  });
  open.push(stack);
  return stack;
}

afterEach(async () => {
  for (const stack of open.splice(0)) await stack.close();
});

async function expectEqual(stack: Stack, name: string, countries: string[]): Promise<void> {
  const where = `country IN (${countries.map((country) => `'${country}'`).join(', ')})`;
  const file = stack.file(name);
  expect(await stack.differences(file, 'public.city', where)).toEqual([]);
  expect(await stack.differences(file, 'public.account', where)).toEqual([]);
  expect(await stack.differences(file, 'public.kind', 'true')).toEqual([]);
}

test('P1: inserts, updates, deletes, key changes and truncates reach the replicas that want them', async () => {
  const stack = await newStack();
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
  const stack = await newStack();
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
  const stack = await newStack();
  const fr = await stack.replica('fr', ['FR']);
  await stack.sql.query(`BEGIN; INSERT INTO city VALUES (2001, 'no', 'FR', 1); ROLLBACK`);
  await stack.sql.query(
    `BEGIN; INSERT INTO city VALUES (2002, 'yes', 'FR', 1); SAVEPOINT s; INSERT INTO city VALUES (2003, 'no', 'FR', 1); ROLLBACK TO s; COMMIT`,
  );
  await stack.settle(fr);
  await expectEqual(stack, 'fr', ['FR']);
});

test('P4: interleaved transactions arrive in commit order, the lower transaction id last', async () => {
  const stack = await newStack();
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
  const stack = await newStack();
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
  const stack = await newStack();
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
  const stack = await newStack();
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
  for (let round = 0; round < 5; round += 1) {
    await until(`replica ${round} is equal`, async () => {
      const position = await stack.position();
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
  const stack = await newStack({
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

test('P21: added columns and new tables flow without a new copy', async () => {
  const stack = await newStack();
  const fr = await stack.replica('fr', ['FR']);
  const resyncs: string[] = [];
  fr.on('resync', ({ reason }) => resyncs.push(reason));
  await stack.sql.query(`ALTER TABLE city ADD COLUMN mayor text`);
  await stack.sql.query(`ALTER TABLE city ADD COLUMN rank int DEFAULT 7`);
  await stack.sql.query(`UPDATE city SET mayor = 'm' WHERE id < 30`);
  await stack.sql.query(
    `CREATE TABLE note (id int PRIMARY KEY, _change_selector text, body text); ALTER TABLE note REPLICA IDENTITY FULL; INSERT INTO note VALUES (1, 'FR', 'first'), (2, 'DE', 'second')`,
  );
  await stack.sql.query(`INSERT INTO note VALUES (3, 'FR', 'third')`);
  await stack.settle(fr);
  await expectEqual(stack, 'fr', ['FR']);
  expect(
    await stack.differences(stack.file('fr'), 'public.note', `_change_selector = 'FR'`),
  ).toEqual([]);
  expect(resyncs).toEqual([]);
});

test('P21: a dropped column re-synchronises that table by difference', async () => {
  const stack = await newStack();
  const fr = await stack.replica('fr', ['FR']);
  const reasons: string[] = [];
  fr.on('resync', ({ reason }) => reasons.push(reason));
  await stack.sql.query(
    `ALTER TABLE city DROP COLUMN people; INSERT INTO city VALUES (6001, 'new', 'FR')`,
  );
  await stack.settle(fr);
  await until('the table was copied again', () => reasons.length > 0);
  await stack.sql.query(`INSERT INTO city VALUES (6002, 'newer', 'FR')`);
  await stack.settle(fr);
  await expectEqual(stack, 'fr', ['FR']);
});

test('P21: a schema change inside a large transaction counts only when it commits', async () => {
  const stack = await newStack({ schema: SCHEMA + STREAMED });
  const fr = await stack.replica('fr', ['FR']);
  for (const end of ['ROLLBACK', 'COMMIT']) {
    await stack.sql.query(
      `BEGIN; INSERT INTO city SELECT g, repeat('x', 100), 'FR', g FROM generate_series(100000, 110000) g; ALTER TABLE city ADD COLUMN ${end} text DEFAULT 'd'; UPDATE city SET people = 5 WHERE id < 20; ${end}`,
    );
    await stack.sql.query(
      `INSERT INTO city (id, country) VALUES (${end.length}, 'FR') ON CONFLICT (id) DO UPDATE SET people = 6`,
    );
    await stack.settle(fr);
    await expectEqual(stack, 'fr', ['FR']);
  }
  await expectStreamed(stack);
});

test('P21: without the right to install event triggers, schema changes are found in the stream', async () => {
  const role = `r_${Math.random().toString(36).slice(2, 10)}`;
  const admin = await Stack.open({
    postgresUrl: inject('postgresUrl'),
    schema: SCHEMA,
    tables: TABLES,
  });
  open.push(admin);
  await admin.stop();
  await admin.sql.query(
    `CREATE ROLE ${role} LOGIN REPLICATION PASSWORD 'x'; GRANT CREATE, CONNECT ON DATABASE ${admin.name} TO ${role}; ALTER TABLE city OWNER TO ${role}; ALTER TABLE account OWNER TO ${role}; ALTER TABLE kind OWNER TO ${role}; ALTER PUBLICATION ${admin.name} OWNER TO ${role}; DROP EVENT TRIGGER tidelock_ddl; DROP EVENT TRIGGER tidelock_drop; DROP EVENT TRIGGER tidelock_rewrite; DROP SCHEMA tidelock CASCADE`,
  );
  const url = new URL(admin.url);
  url.username = role;
  url.password = 'x';
  admin.useUrl(url.href);
  await admin.start();
  expect(admin.notices.join()).toContain('event triggers were refused');
  const fr = await admin.replica('fr', ['FR']);
  await admin.sql.query(
    `ALTER TABLE city ADD COLUMN a text; ALTER TABLE city ADD COLUMN b int DEFAULT 3; INSERT INTO city VALUES (9001, 'n', 'FR', 1, 'a', 2)`,
  );
  await admin.settle(fr);
  await expectEqual(admin, 'fr', ['FR']);
  await admin.sql.query(
    `ALTER TABLE city DROP COLUMN people; UPDATE city SET name = 'z' WHERE id = 9001`,
  );
  await admin.settle(fr);
  await until('the replica has the new layout', async () => {
    return (
      (
        await admin
          .differences(admin.file('fr'), 'public.city', `country = 'FR'`)
          .catch(() => [null])
      ).length === 0
    );
  });
  await expectEqual(admin, 'fr', ['FR']);
  await admin.stop();
  await admin.sql.query(
    `DROP PUBLICATION ${admin.name}; REASSIGN OWNED BY ${role} TO postgres; DROP OWNED BY ${role}; DROP ROLE ${role}`,
  );
});

test('P20: a lost slot becomes a new timeline, and replicas follow it by difference', async () => {
  const stack = await newStack();
  const fr = await stack.replica('fr', ['FR']);
  const before = fr.status.timeline;
  const resyncs: number[] = [];
  fr.on('resync', ({ inserted, updated, deleted }) => resyncs.push(inserted + updated + deleted));
  await stack.stop();
  await stack.sql.query(`SELECT pg_drop_replication_slot('${stack.name}')`);
  await stack.sql.query(
    `INSERT INTO city VALUES (7001, 'missed', 'FR', 1); DELETE FROM city WHERE id = 3`,
  );
  await stack.start();
  await until('the replica was re-synchronised', () => resyncs.length > 0);
  await stack.settle(fr);
  expect(fr.status.timeline).not.toBe(before);
  await expectEqual(stack, 'fr', ['FR']);
  expect(resyncs[0]).toBeLessThan(20);
});

test('P24: the position of an idle replica moves with traffic that is not its own', async () => {
  const stack = await newStack();
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

/** The case really happened: Postgres sent pieces of a transaction before its end. */
async function expectStreamed(stack: Stack): Promise<void> {
  await until('Postgres has streamed an open transaction', async () => {
    const { rows } = await stack.sql.query<{ n: string }>(
      'SELECT coalesce(sum(stream_txns), 0) AS n FROM pg_stat_replication_slots WHERE slot_name = $1',
      [stack.name],
    );
    return Number(rows[0]?.n) > 0;
  });
}

function lsn(text: string): number {
  const [high = '', low = ''] = text.split('/');
  return Number.parseInt(high, 16) * 2 ** 32 + Number.parseInt(low, 16);
}

test('P20: a table that somebody took out of the publication is copied again', async () => {
  const stack = await newStack();
  const fr = await stack.replica('fr', ['FR']);
  const reasons: string[] = [];
  fr.on('resync', ({ reason }) => reasons.push(reason));
  await stack.stop();
  await stack.sql.query(
    `DROP EVENT TRIGGER tidelock_ddl; DROP EVENT TRIGGER tidelock_drop; DROP EVENT TRIGGER tidelock_rewrite; ALTER PUBLICATION ${stack.name} DROP TABLE city; INSERT INTO city VALUES (9501, 'unseen', 'FR', 1)`,
  );
  await stack.start();
  await until('the table was copied again', () => reasons.length > 0);
  await stack.settle(fr);
  await expectEqual(stack, 'fr', ['FR']);
});

test('P20: a dropped publication starts a new history', async () => {
  const stack = await newStack();
  const fr = await stack.replica('fr', ['FR']);
  const timelines: string[] = [];
  fr.on('resync', ({ timeline }) => timelines.push(timeline));
  await stack.sql.query(
    `DROP PUBLICATION ${stack.name}; INSERT INTO city VALUES (9601, 'unseen', 'FR', 1)`,
  );
  await until('a new history was copied', () => timelines.length > 0, 40_000);
  await stack.settle(fr);
  await expectEqual(stack, 'fr', ['FR']);
});
