import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { enableTwoway } from '../../src/postgres/twoway/enable.ts';
import { openReplicaWith } from '../../src/replica.ts';
import { until } from '../support/stack.ts';
import { TwowayWorld } from '../support/twoway-world.ts';

const SCHEMA = `
  CREATE TABLE note (id text PRIMARY KEY, user_id text NOT NULL DEFAULT '', body text, shared bool NOT NULL DEFAULT false);
  ALTER TABLE note ENABLE ROW LEVEL SECURITY;
  CREATE POLICY own ON note USING (shared OR user_id = (SELECT tidelock.auth_userid()));
  INSERT INTO note (id, user_id, body) VALUES ('SECRET-k0', 'ann', 'SECRET-b0'), ('n1', 'ann', 'SECRET-b1'), ('n2', 'bob', 'mine'),
    ('n3', 'bob', 'given'), ('SECRET-k5', 'ann', 'SECRET-b5'), ('n6', 'ann', 'SECRET-b6');
  INSERT INTO note VALUES ('n4', 'ann', 'told', true);`;

/** Each of them writes what only ann may see; together they are every way in which a row is written. */
const WRITES = [
  "UPDATE note SET body = 'SECRET-b0-new' WHERE id = 'SECRET-k0'",
  "UPDATE note SET id = 'SECRET-k0-moved' WHERE id = 'SECRET-k0'",
  "DELETE FROM note WHERE id = 'SECRET-k0-moved'",
  "INSERT INTO note VALUES ('SECRET-k7', 'ann', 'SECRET-b7')",
  // Bob gets this one as it is when it becomes his, and nothing of what it was.
  "UPDATE note SET user_id = 'bob', body = 'handed over' WHERE id = 'n1'",
  "UPDATE note SET shared = true, body = 'published' WHERE id = 'n6'",
  // These leave his view; what happens to them afterwards is not his business.
  "UPDATE note SET user_id = 'ann', body = 'SECRET-b3' WHERE id = 'n3'",
  "UPDATE note SET shared = false, body = 'SECRET-b4' WHERE id = 'n4'",
  "UPDATE note SET id = 'SECRET-k3', body = 'SECRET-b3-new' WHERE id = 'n3'",
  "DELETE FROM note WHERE id = 'SECRET-k3'",
  "BEGIN; INSERT INTO note VALUES ('SECRET-k8', 'ann', 'SECRET-b8'); DELETE FROM note WHERE id = 'SECRET-k8'; COMMIT",
  "BEGIN; INSERT INTO note VALUES ('SECRET-k9', 'ann', 'SECRET-b9'); ROLLBACK",
];

const SECRET = /SECRET-[a-z0-9]+/g;

/** Counted where ann is asked too: a scan that finds nothing anywhere would prove nothing. */
function secretsIn(bytes: Buffer): readonly string[] {
  return [...new Set(bytes.toString('latin1').match(SECRET) ?? [])].toSorted();
}

test('P15: nothing that a user receives has a byte of a row that the user may not see', async () => {
  const world = await TwowayWorld.open({ schema: SCHEMA, tables: ['note'] });
  const { stack } = world;
  const start = await world.logged();
  const [ann, bob] = [await world.token('ann'), await world.token('bob', { role: 'ann' })];
  const replicas = [await world.replica('ann', ann), await world.replica('bob', bob)];
  for (const write of WRITES) await stack.sql.query(write);
  await stack.settle(...replicas);
  for (const [asked, bytes] of await world.received(bob, start)) {
    expect(secretsIn(bytes), asked).toEqual([]);
    expect(bytes.length, asked).toBeGreaterThan(0);
  }
  expect(secretsIn(world.fileBytes('bob'))).toEqual([]);
  // Bob did get what is his: the rest of the test would be as true of silence.
  const bodies = world.fileBytes('bob').toString('latin1');
  for (const own of ['mine', 'handed over', 'published']) expect(bodies).toContain(own);
  expect(await stack.differences(stack.file('bob'), 'public.note', 'false')).not.toEqual([]);
  // And ann everything, by the same ways.
  const hers = await world.received(ann, start);
  const feed = [...hers].find(([asked]) => asked.startsWith('/v1/feed?selector=user%3Aann'));
  expect(secretsIn(feed?.[1] ?? Buffer.alloc(0)).length).toBeGreaterThan(7);
  expect(secretsIn(world.fileBytes('ann')).length).toBeGreaterThan(5);
  // Tombstones and versions of her rows are hers too.
  expect(world.fileBytes('ann').toString('latin1')).toContain('tidelock.versions_public_note');
  await stack.sql.query('TRUNCATE note');
  await stack.settle(...replicas);
  for (const [asked, bytes] of await world.received(bob, start)) {
    expect(secretsIn(bytes), asked).toEqual([]);
  }
  expect(secretsIn(world.fileBytes('bob'))).toEqual([]);
});

test('P15: policies that change while readers follow count from their place in the stream', async () => {
  const world = await TwowayWorld.open({
    schema: `CREATE TABLE note (id text PRIMARY KEY, user_id text, team text, body text);
      ALTER TABLE note ENABLE ROW LEVEL SECURITY;
      CREATE POLICY own ON note USING (user_id = tidelock.auth_userid());
      INSERT INTO note VALUES ('a1', 'ann', 'red', 'x'), ('b1', 'bob', 'red', 'y'), ('b2', 'bob', 'blue', 'z');
      DELETE FROM note WHERE id = 'none';`,
    tables: ['note'],
  });
  const { stack } = world;
  const ann = await world.token('ann', { team: 'red' });
  let replica = await world.replica('ann', ann);
  /** A copy of what changed comes soon after the change. */
  const expectIds = (ids: string): Promise<void> =>
    until(`ann reads ${ids}`, async () => {
      await stack.settle(replica);
      const rows = await stack.differences(stack.file('ann'), 'public.note', 'false');
      const found = rows.map((row) => row.replica.split('|')[0]);
      return found.toSorted().join() === ids;
    });
  const stateOf = (name: string) => stack.engine.status().tables.find((one) => one.name === name);
  await expectIds('a1');

  // Wider and narrower, each in the transaction that also writes: before it the old policy, behind it the new one.
  await stack.sql.query(`BEGIN; INSERT INTO note VALUES ('b3', 'bob', 'red', 'before');
    CREATE POLICY open ON note FOR SELECT USING (body = 'everybody');
    INSERT INTO note VALUES ('b4', 'bob', 'red', 'everybody'); COMMIT`);
  await expectIds('a1,b4');
  await stack.sql.query(
    "ALTER POLICY open ON note USING (body = 'y'); UPDATE note SET body = 'c' WHERE id = 'b2'",
  );
  await expectIds('a1,b1');
  await stack.sql.query('DROP POLICY open ON note');
  await expectIds('a1');

  // Another claim, over a column that the companion does not have yet.
  await stack.sql.query("ALTER POLICY own ON note USING (team = tidelock.claim('team'))");
  await stack.sql.query("DELETE FROM note WHERE id = 'b3'");
  await world.logged();
  await until(
    'the companion follows',
    () => stateOf('tidelock.versions_public_note')?.state === 'live',
  );
  expect(await world.selectorsOf(ann)).toEqual(['claim.team:red', 'user:ann']);
  await replica.close();
  replica = await world.replica('ann', ann);
  await expectIds('a1,b1,b4');

  // What cannot be compiled is read by nobody, and says why; so is a table whose policies are all gone.
  await stack.sql.query('ALTER POLICY own ON note USING (user_id = lower(tidelock.auth_userid()))');
  await world.logged();
  expect(stateOf('public.note')).toMatchObject({
    state: 'held',
    reason: expect.stringContaining('policy own: the function lower()') as string,
  });
  await stack.settle(replica);
  await expectIds('');
  const db = new DatabaseSync(stack.file('ann'), { readOnly: true });
  expect(db.prepare('SELECT * FROM "tidelock.versions_public_note"').all()).toEqual([]);
  db.close();
  await stack.sql.query('ALTER POLICY own ON note USING (user_id = tidelock.auth_userid())');
  await until('it is read again', () => stateOf('public.note')?.state === 'live');
  await expectIds('a1');
  await stack.sql.query('DROP POLICY own ON note');
  await expectIds('');

  // Without row-level security everybody reads everything, as in Postgres.
  await stack.sql.query('ALTER TABLE note DISABLE ROW LEVEL SECURITY');
  await expectIds('a1,b1,b2,b4');
  await stack.sql.query('ALTER TABLE note ENABLE ROW LEVEL SECURITY');
  await expectIds('');
});

test('a change of policies that waits for a reader does not hold up the stream, and counts when it is done', async () => {
  const world = await TwowayWorld.open({
    schema: `CREATE TABLE note (id text PRIMARY KEY, user_id text); ALTER TABLE note ENABLE ROW LEVEL SECURITY;
      CREATE POLICY own ON note USING (user_id = tidelock.auth_userid());`,
    tables: ['note'],
  });
  const { stack } = world;
  const ruleOf = () => stack.engine.status().tables.find(({ name }) => name === 'public.note');
  const [reader, owner] = [await stack.client(), await stack.client()];
  await reader.query('BEGIN; SELECT * FROM note');
  const dropped = owner.query('DROP POLICY own ON note');
  await until('the owner waits', async () => {
    const { rows } = await stack.sql.query(
      'SELECT FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())',
    );
    return rows.length > 0;
  });
  await stack.stop();
  await stack.start();
  expect(ruleOf()).toMatchObject({ state: 'live', selector: `('user:' || "user_id")` });
  await reader.query('COMMIT');
  await dropped;
  await world.logged();
  expect(ruleOf()).toMatchObject({ state: 'live', selector: "CASE WHEN FALSE THEN '*' END" });
});

test('a replica that writes holds what new rules give its user, without another connection', async () => {
  const world = await TwowayWorld.open({
    schema: `CREATE TABLE note (id text PRIMARY KEY, user_id text, team text);
      ALTER TABLE note ENABLE ROW LEVEL SECURITY;
      CREATE POLICY own ON note USING (user_id = tidelock.auth_userid());
      CREATE TABLE plan (id text PRIMARY KEY, team text);
      ALTER TABLE plan ENABLE ROW LEVEL SECURITY;
      CREATE POLICY team ON plan USING (team = tidelock.claim('team'));
      INSERT INTO note VALUES ('a1', 'ann', 'red'), ('b1', 'bob', 'red'), ('b2', 'bob', 'blue');
      INSERT INTO plan VALUES ('p1', 'red'), ('p2', 'blue')`,
    tables: ['note'],
  });
  const { stack } = world;
  const token = await world.token('ann', { team: 'red' });
  const file = stack.file('ann');
  const options = { server: stack.server, file, token, write: true } as const;
  const replica = await openReplicaWith(options, { heartbeatS: 1 });
  onTestFinished(() => replica.close());
  const ends: string[] = [];
  replica.on('error', ({ error }) => ends.push(error.code));
  expect(replica.status.selectors).toEqual(['user:ann']);
  const db = new DatabaseSync(file, { readOnly: true });
  onTestFinished(() => db.close());
  const idsOf = (table: string): string =>
    db
      .prepare(`SELECT group_concat(id) AS ids FROM (SELECT id FROM ${table} ORDER BY id)`)
      .get()
      ?.ids?.toString() ?? '';
  expect(idsOf('note')).toBe('a1');
  await enableTwoway(world.session, { table: 'plan' });
  await until('her team is asked for', () => replica.status.selectors.includes('claim.team:red'));
  await until('its plan is there', () => {
    try {
      return idsOf('plan') === 'p1';
    } catch {
      return false; // the table comes with the definition
    }
  });
  await stack.sql.query("ALTER POLICY own ON note USING (team = tidelock.claim('team'))");
  await until('the rows of her team are there', () => idsOf('note') === 'a1,b1');
  expect(ends).toEqual([]);
});
