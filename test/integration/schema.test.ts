import { expect, test } from 'vitest';
import {
  expectEqual,
  expectStreamed,
  SCHEMA,
  STREAMED,
  smallStack,
} from '../support/small-world.ts';
import { until } from '../support/stack.ts';

test('P21: added columns and new tables flow without a new copy', async () => {
  const stack = await smallStack();
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
  const stack = await smallStack();
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
  const stack = await smallStack({ schema: SCHEMA + STREAMED });
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
  const admin = await smallStack();
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
  const stack = await smallStack();
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

test('P20: a table that somebody took out of the publication is copied again', async () => {
  const stack = await smallStack();
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
  const stack = await smallStack();
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
