/** Rights and publications that are taken away under a running server (F6, P20): it says so, and loses nothing. */
import { afterEach, expect, inject, test } from 'vitest';
import { DEFAULT_POLICY } from '../../src/engine/engine.ts';
import type { Replica } from '../../src/replica.ts';
import { type Role, useRole } from '../support/role.ts';
import { expectEqual, SCHEMA, TABLES } from '../support/small-world.ts';
import { Stack, until } from '../support/stack.ts';

let stack: Stack;
let role: Role;
let replica: Replica;
let resyncs: string[];

/** A server whose role is no superuser, so without event triggers, and a replica of two countries. */
async function begin(): Promise<void> {
  resyncs = [];
  stack = await Stack.prepare({
    ...{ postgresUrl: inject('postgresUrl'), schema: SCHEMA, tables: TABLES },
    engine: { measureMs: 100, policy: { ...DEFAULT_POLICY, reconnectMsMax: 300 } },
  });
  role = await useRole(stack, Object.keys(TABLES));
  await stack.start();
  replica = await stack.replica('r', ['FR', 'DE']);
  replica.on('resync', ({ reason }) => resyncs.push(reason));
}

afterEach(async () => {
  await stack.stop();
  await role.drop();
  await stack.close();
});

type Status = {
  readonly timeline: string | null;
  readonly source: { readonly state: string; readonly reason?: string; readonly attempts: number };
  readonly tables: readonly { name: string; state: string; reason?: string }[];
};

async function status(): Promise<Status> {
  return (await (await fetch(`${stack.server}/v1/status`)).json()) as Status;
}

async function cutStream(): Promise<void> {
  await stack.sql.query(
    'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1',
    [stack.name],
  );
}

async function expectAllThere(): Promise<void> {
  await stack.settle(replica);
  await expectEqual(stack, 'r', ['FR', 'DE']);
}

/** The stream asked for it. (The replica's own check of digests may be faster, and does not count.) */
async function copiedAgain(): Promise<void> {
  await until('the table was copied again', () =>
    resyncs.some((reason) => !reason.startsWith('the digest differs')),
  );
}

let nextId = 5000;
async function write(): Promise<void> {
  nextId += 1;
  await stack.sql.query(`INSERT INTO city VALUES (${nextId}, 'new', 'FR', 1)`);
}

test('P20, F6: SELECT revoked on a table: the stream goes on, the table says why it cannot be copied', async () => {
  await begin();
  await stack.sql.query(`REVOKE SELECT ON city FROM ${role.name}`);
  const cityState = async () => (await status()).tables.find(({ name }) => name === 'public.city');
  await until('the status says so', async () => (await cityState())?.state === 'unreadable');
  expect((await cityState())?.reason).toContain(
    `GRANT SELECT ON "public"."city" TO "${role.name}"`,
  );
  expect(stack.notices.join('\n')).toContain('GRANT SELECT ON "public"."city"');
  // Postgres' log has everything, whoever may read the table.
  await write();
  await expectAllThere();
  const copy = await fetch(`${stack.server}/v1/snapshot?selector=FR`);
  expect(copy.status).toBe(500);
  expect(await copy.json()).toMatchObject({
    error: { code: 'SOURCE_UNFIT', message: expect.stringContaining('city') },
  });
  await stack.sql.query(`GRANT SELECT ON city TO ${role.name}`);
  await until('the status is well', async () => (await cityState())?.state === 'live');
  const again = await fetch(`${stack.server}/v1/snapshot?selector=FR`);
  expect(again.status).toBe(200);
  await again.arrayBuffer();
  expect(resyncs).toEqual([]);
});

test('P20, F6: REPLICATION revoked: the stream that runs goes on, the next one waits with the statement to run', async () => {
  await begin();
  const { timeline } = await status();
  await stack.sql.query(`ALTER ROLE ${role.name} NOREPLICATION`);
  await write();
  await expectAllThere();
  await cutStream();
  await until('the status says so', async () => (await status()).source.state === 'unfit');
  expect((await status()).source.reason).toContain(`ALTER ROLE "${role.name}" REPLICATION`);
  await write();
  await stack.sql.query(`ALTER ROLE ${role.name} REPLICATION`);
  await expectAllThere();
  expect(await status()).toMatchObject({ timeline, source: { state: 'streaming' } });
  expect(resyncs).toEqual([]);
});

test('P20, F6: the publication given to somebody else: it streams, and says so when it must be changed', async () => {
  await begin();
  const { timeline } = await status();
  await stack.sql.query(`ALTER PUBLICATION ${stack.name} OWNER TO postgres`);
  await cutStream();
  await write();
  await expectAllThere();
  await stack.sql.query(`ALTER PUBLICATION ${stack.name} DROP TABLE kind`);
  await until('the status says so', async () => (await status()).source.state === 'unfit');
  expect((await status()).source.reason).toContain(
    `ALTER PUBLICATION "${stack.name}" OWNER TO "${role.name}"`,
  );
  await stack.sql.query(`INSERT INTO kind VALUES ('c', 'unseen')`);
  await stack.sql.query(`ALTER PUBLICATION ${stack.name} OWNER TO ${role.name}`);
  await copiedAgain();
  await expectAllThere();
  expect(await status()).toMatchObject({ timeline, source: { state: 'streaming' } });
});

test('P20, F6: a table taken out of the publication by hand is noticed, put back and copied again', async () => {
  await begin();
  const { timeline } = await status();
  await stack.sql.query(
    `ALTER PUBLICATION ${stack.name} DROP TABLE city; DELETE FROM city WHERE id = 3`,
  );
  await write();
  await copiedAgain();
  await write();
  await expectAllThere();
  expect(await status()).toMatchObject({ timeline, source: { state: 'streaming' } });
  expect(stack.notices.join('\n')).toContain('public.city was taken out of the publication');
});

test('P20, F6: a publication that publishes no more deletes is mended, and its tables are copied again', async () => {
  await begin();
  await stack.sql.query(
    `ALTER PUBLICATION ${stack.name} SET (publish = 'insert'); DELETE FROM city WHERE id = 3`,
  );
  await copiedAgain();
  await write();
  await expectAllThere();
});

test('P20, F6: a table filtered in the publication by hand is noticed and copied again', async () => {
  await begin();
  await stack.sql.query(
    `ALTER PUBLICATION ${stack.name} SET TABLE city WHERE (id > 100), account, kind; DELETE FROM city WHERE id = 3`,
  );
  await copiedAgain();
  await write();
  await expectAllThere();
});

test('P20, F6: the publication dropped, while nothing is written: a new history, and replicas follow by difference', async () => {
  await begin();
  const { timeline } = await status();
  const counts: number[] = [];
  replica.on('resync', ({ inserted, updated, deleted }) =>
    counts.push(inserted + updated + deleted),
  );
  await stack.sql.query(`INSERT INTO city VALUES (6000, 'seen', 'FR', 1)`);
  await stack.sql.query(`DROP PUBLICATION ${stack.name}`);
  await until('a new history', async () => {
    const now = await status();
    return now.source.state === 'streaming' && now.timeline !== timeline;
  });
  await until('the replica was re-synchronised', () => resyncs.length > 0);
  await expectAllThere();
  expect(counts[0]).toBeLessThan(5);
  expect(stack.notices.join('\n')).toContain('the publication was dropped');
});
