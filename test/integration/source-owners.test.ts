/** Tables of other owners (F6, P20): Postgres lets only an owner publish a table. The others must not wait for it. */
import { randomUUID } from 'node:crypto';
import { afterEach, expect, inject, test } from 'vitest';
import { DEFAULT_POLICY } from '../../src/engine/engine.ts';
import type { Replica } from '../../src/replica.ts';
import { type Role, useRole } from '../support/role.ts';
import { expectEqual, SCHEMA, TABLES } from '../support/small-world.ts';
import { Stack, until } from '../support/stack.ts';

let stack: Stack;
let role: Role;
let owner: string;
let replica: Replica;

/** The server's role owns `city` and `account`; `kind` is the owner's. */
async function begin(schema = (_role: string): string => ''): Promise<void> {
  owner = `o_${randomUUID().slice(0, 8)}`;
  stack = await Stack.prepare({
    ...{ postgresUrl: inject('postgresUrl'), schema: SCHEMA, tables: TABLES },
    engine: { measureMs: 100, policy: { ...DEFAULT_POLICY, reconnectMsMax: 300 } },
  });
  role = await useRole(stack, ['city', 'account']);
  await stack.sql.query(
    `CREATE ROLE ${owner}; ALTER TABLE kind OWNER TO ${owner}; ${schema(role.name)}`,
  );
  await stack.start();
  replica = await stack.replica('r', ['FR', 'DE']);
}

afterEach(async () => {
  await stack.stop();
  await role.drop();
  await stack.sql.query(
    `REASSIGN OWNED BY ${owner} TO postgres; DROP OWNED BY ${owner}; DROP ROLE ${owner}`,
  );
  await stack.close();
});

type Status = {
  readonly timeline: string | null;
  readonly source: { readonly state: string; readonly attempts: number };
  readonly tables: readonly { name: string; state: string; reason?: string }[];
};

async function status(): Promise<Status> {
  return (await (await fetch(`${stack.server}/v1/status`)).json()) as Status;
}

async function kindState(): Promise<Status['tables'][number] | undefined> {
  return (await status()).tables.find(({ name }) => name === 'public.kind');
}

/** The other tables flow, and the reason has all statements that mend it. */
async function expectOnlyKindUnfit(): Promise<void> {
  await stack.sql.query(`INSERT INTO city VALUES (7000, 'new', 'FR', 1)`);
  await stack.settle(replica);
  const where = `country IN ('FR', 'DE')`;
  expect(await stack.differences(stack.file('r'), 'public.city', where)).toEqual([]);
  const now = await status();
  expect(now.source.state).toBe('streaming');
  const states = Object.fromEntries(now.tables.map(({ name, state }) => [name, state]));
  expect(states).toEqual({
    'public.city': 'live',
    'public.account': 'live',
    'public.kind': 'unfit',
  });
  const reason = (await kindState())?.reason ?? '';
  expect(reason).toContain(`it belongs to role "${owner}"`);
  expect(reason).toContain(`GRANT "${owner}" TO "${role.name}"`);
  expect(reason).toContain(`ALTER TABLE "public"."kind" OWNER TO "${role.name}"`);
  expect(reason).toContain(`ALTER PUBLICATION "${stack.name}" ADD TABLE ONLY "public"."kind"`);
  expect(stack.notices.join('\n')).toContain('table public.kind is not replicated: it belongs');
}

/** Without a restart, in the same history. */
async function expectMended(mend: string): Promise<void> {
  const { timeline } = await status();
  await stack.sql.query(mend);
  await until('kind is replicated', async () => (await kindState())?.state === 'live');
  await stack.sql.query(`INSERT INTO kind VALUES ('n', 'new')`);
  await stack.settle(replica);
  await expectEqual(stack, 'r', ['FR', 'DE']);
  expect((await status()).timeline).toBe(timeline);
}

test('P20, F6: a table of another owner is unfit alone, and is replicated when its owner is granted', async () => {
  await begin();
  await expectOnlyKindUnfit();
  await expectMended(`GRANT ${owner} TO ${role.name}`);
});

test('P20, F6: a table of another owner is replicated when it changes hands', async () => {
  await begin();
  await expectMended(`ALTER TABLE kind OWNER TO ${role.name}`);
});

test('P20, F6: a table of another owner is replicated when a superuser publishes it', async () => {
  await begin();
  await stack.sql.query(`ALTER PUBLICATION ${stack.name} ADD TABLE ONLY kind`);
  await until('the other right is named', async () =>
    ((await kindState())?.reason ?? '').includes(`GRANT SELECT ON "public"."kind"`),
  );
  await expectMended(`GRANT SELECT ON kind TO ${role.name}`);
});

test('P20, F6: a table in a schema that may not be entered is unfit alone', async () => {
  await begin(
    (
      name,
    ) => `CREATE SCHEMA hidden; CREATE TABLE hidden.thing (id int PRIMARY KEY, _change_selector text);
     ALTER TABLE hidden.thing REPLICA IDENTITY FULL; INSERT INTO hidden.thing VALUES (1, 'FR');
     ALTER TABLE hidden.thing OWNER TO ${name}; GRANT ${owner} TO ${name}`,
  );
  const thing = async () => (await status()).tables.find(({ name }) => name === 'hidden.thing');
  expect(await thing()).toMatchObject({
    state: 'unfit',
    reason: expect.stringContaining(`GRANT USAGE ON SCHEMA "hidden" TO "${role.name}"`),
  });
  await stack.sql.query(`GRANT USAGE ON SCHEMA hidden TO ${role.name}`);
  await until('it is replicated', async () => (await thing())?.state === 'live');
  await stack.settle(replica);
  await expectEqual(stack, 'r', ['FR', 'DE']);
});
