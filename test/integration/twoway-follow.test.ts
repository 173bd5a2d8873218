import { DatabaseSync } from 'node:sqlite';
import { expect, inject, onTestFinished, test } from 'vitest';
import { PgSession } from '../../src/postgres/session.ts';
import { disableTwoway, enableTwoway } from '../../src/postgres/twoway/enable.ts';
import { Stack, until } from '../support/stack.ts';

const SCHEMA = `
  CREATE TABLE note (id text PRIMARY KEY, user_id text NOT NULL DEFAULT '', body text, done int NOT NULL DEFAULT 0);
  CREATE TABLE place (id text PRIMARY KEY, name text);
  INSERT INTO note SELECT 'n' || g, (ARRAY['ann', 'bob'])[1 + g % 2], 'body ' || g FROM generate_series(1, 20) g;
  INSERT INTO place SELECT 'p' || g, 'place ' || g FROM generate_series(1, 5) g;`;

type World = { readonly stack: Stack; readonly session: PgSession };

/** Nothing is configured: what is two-way is read from Postgres. */
async function world(schema = SCHEMA): Promise<World> {
  const stack = await Stack.prepare({ postgresUrl: inject('postgresUrl'), schema, tables: {} });
  onTestFinished(() => stack.close());
  const session = await PgSession.connect({ url: stack.url });
  onTestFinished(() => session.end());
  return { stack, session };
}

function rowsOf(stack: Stack, name: string, sql: string): readonly unknown[] {
  const db = new DatabaseSync(stack.file(name), { readOnly: true });
  try {
    return db
      .prepare(sql)
      .all()
      .map((row) => Object.values(row).join('|'));
  } finally {
    db.close();
  }
}

function live(stack: Stack, table: string): boolean {
  return stack.engine.status().tables.some(({ name, state }) => name === table && state === 'live');
}

const VERSIONS = 'SELECT id, tidelock_cl FROM "tidelock.versions_public_note" ORDER BY id';

test('two-way tables are followed with their companions, and nothing needs to be configured', async () => {
  const { stack, session } = await world();
  await enableTwoway(session, { table: 'note', rule: 'user_id' });
  await stack.sql.query("DELETE FROM note WHERE id = 'n2'");
  await stack.start();
  const replica = await stack.replica('ann', ['ann']);
  await stack.sql.query("UPDATE note SET body = 'new' WHERE id = 'n4'");
  await stack.sql.query("DELETE FROM note WHERE id IN ('n6', 'n7')");
  await stack.settle(replica);
  expect(await stack.differences(stack.file('ann'), 'public.note', "user_id = 'ann'")).toEqual([]);
  // On a slow machine the server has collected tombstones by now, which nobody needs any more.
  const versions = 'tidelock.versions_public_note';
  expect(await stack.differences(stack.file('ann'), versions, "user_id = 'ann'")).toEqual([]);
  const { tombstones } = stack.engine.status().counters;
  if (tombstones === 0) expect(rowsOf(stack, 'ann', VERSIONS)).toEqual(['n2|2', 'n4|1', 'n6|2']);
  expect(rowsOf(stack, 'ann', VERSIONS)).toContain('n4|1');
  expect(stack.engine.tables.find(({ name }) => name === 'public.note')?.twoway).toEqual({
    versions: 'tidelock.versions_public_note',
    columns: ['user_id', 'body', 'done'],
  });
});

test('a running server follows what becomes two-way, and stops following what no longer is', async () => {
  const { stack, session } = await world();
  await stack.start();
  const replica = await stack.replica('r', ['bob']);
  await enableTwoway(session, { table: 'place' });
  await until('the place is followed', () => live(stack, 'public.place'));
  await enableTwoway(session, { table: 'note', rule: 'user_id' });
  await until('the note is followed', () => live(stack, 'tidelock.versions_public_note'));
  await stack.sql.query("DELETE FROM note WHERE id IN ('n1', 'n2')");
  await stack.settle(replica);
  expect(await stack.differences(stack.file('r'), 'public.place', 'true')).toEqual([]);
  expect(await stack.differences(stack.file('r'), 'public.note', "user_id = 'bob'")).toEqual([]);
  expect(rowsOf(stack, 'r', VERSIONS)).toEqual(['n1|2']);
  await disableTwoway(session, { table: 'note' });
  await until('the note is gone', () => !live(stack, 'public.note'));
  await stack.sql.query("INSERT INTO place VALUES ('p9', 'last')");
  await stack.settle(replica);
  expect(rowsOf(stack, 'r', "SELECT name FROM sqlite_schema WHERE name LIKE '%note%'")).toEqual([]);
  expect(rowsOf(stack, 'r', 'SELECT count(*) FROM place')).toEqual(['6']);
});

test('a column that is added gets a place, and the companion of a renamed table goes on', async () => {
  const { stack, session } = await world();
  await enableTwoway(session, { table: 'note', rule: 'user_id' });
  await stack.start();
  const replica = await stack.replica('r', ['bob']);
  await stack.sql.query('ALTER TABLE note DROP COLUMN body; ALTER TABLE note ADD COLUMN stars int');
  await stack.sql.query("UPDATE note SET stars = 5 WHERE id = 'n1'");
  await stack.settle(replica);
  const twoway = () => stack.engine.tables.find(({ name }) => name === 'public.note')?.twoway;
  expect(twoway()?.columns).toEqual(['user_id', '', 'done', 'stars']);
  expect(await stack.differences(stack.file('r'), 'public.note', "user_id = 'bob'")).toEqual([]);
  expect(
    rowsOf(stack, 'r', 'SELECT id, tidelock_versions FROM "tidelock.versions_public_note"'),
  ).toEqual(['n1|{1,1,1,2}']);
  await stack.sql.query('ALTER TABLE note RENAME TO memo');
  await until('the renamed table is followed', () => live(stack, 'public.memo'));
  await stack.sql.query("UPDATE memo SET stars = 6 WHERE id = 'n1'");
  await stack.settle(replica);
  expect(await stack.differences(stack.file('r'), 'public.memo', "user_id = 'bob'")).toEqual([]);
});

test('a two-way table that the configuration files otherwise is not read by anybody, and says why', async () => {
  const other = await Stack.prepare({
    ...{ postgresUrl: inject('postgresUrl'), schema: SCHEMA },
    tables: { 'public.note': 'id', 'public.place': '*' },
  });
  onTestFinished(() => other.close());
  const elsewhere = await PgSession.connect({ url: other.url });
  onTestFinished(() => elsewhere.end());
  await enableTwoway(elsewhere, { table: 'note', rule: 'user_id' });
  await other.start();
  const states = other.engine.status().tables;
  expect(states.find(({ name }) => name === 'public.note')).toMatchObject({
    state: 'unfit',
    reason: expect.stringContaining('take public.note out of the configuration') as string,
  });
  expect(states.find(({ name }) => name === 'tidelock.versions_public_note')?.state).toBe('unfit');
  expect(live(other, 'public.place')).toBe(true);
});
