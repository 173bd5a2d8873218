/** Tables as applications make them, with the default replica identity, under `replicaIdentity: 'full'`. */
import { afterEach, describe, expect, inject, test } from 'vitest';
import type { Replica } from '../../src/replica.ts';
import { useRole } from '../support/role.ts';
import { Stack, type StackOptions, until } from '../support/stack.ts';

/** As Transicator's stress program makes it. */
const CREATE = `CREATE TABLE stress_table (id integer PRIMARY KEY, grp integer NOT NULL, sequence integer NOT NULL,
  content bytea, last bool, _change_selector varchar NOT NULL)`;
const STRESS = 'public.stress_table';
const row = (id: number, selector: string): string =>
  `INSERT INTO stress_table VALUES (${id}, 1, ${id}, NULL, NULL, '${selector}')`;

const open: Stack[] = [];

afterEach(async () => {
  for (const stack of open.splice(0)) await stack.close();
});

async function newStack(schema = '', options: Partial<StackOptions> = {}): Promise<Stack> {
  const stack = await Stack.open({
    ...{ postgresUrl: inject('postgresUrl'), tables: {}, schema },
    engine: { replicaIdentity: 'full' },
    ...options,
  });
  open.push(stack);
  return stack;
}

async function expectSame(
  stack: Stack,
  names: readonly string[],
  table: string = STRESS,
): Promise<void> {
  for (const name of names) {
    const where = `_change_selector = '${name}'`;
    expect(await stack.differences(stack.file(name), table, where), name).toEqual([]);
  }
}

async function replicas(stack: Stack, names: readonly string[]): Promise<Replica[]> {
  return await Promise.all(names.map((name) => stack.replica(name, [name])));
}

const identityOf = async (stack: Stack, table: string): Promise<string> => {
  const { rows } = await stack.sql.query<{ i: string }>(
    'SELECT relreplident AS i FROM pg_class WHERE oid = $1::regclass',
    [table],
  );
  return rows[0]?.i ?? '';
};

/** Incompressible, so it is stored out of line. */
const LARGE = `(SELECT string_agg(md5(g::text), '') FROM generate_series(1, 400) g)`;

describe('a table with the default replica identity', () => {
  test('W8, W11: deletes, moves and changed keys reach those who held the row', async () => {
    const stack = await newStack(
      `${CREATE}; ${[1, 2, 3, 4].map((id) => row(id, 'foo')).join(';')}`,
    );
    expect(await identityOf(stack, STRESS)).toBe('f');
    const both = await replicas(stack, ['foo', 'bar']);
    await stack.sql.query(`DELETE FROM stress_table WHERE id = 1;
      UPDATE stress_table SET _change_selector = 'bar' WHERE id = 2;
      UPDATE stress_table SET id = 30 WHERE id = 3;
      UPDATE stress_table SET id = 40, _change_selector = 'bar' WHERE id = 4`);
    await stack.settle(...both);
    await expectSame(stack, ['foo', 'bar']);
    expect(stack.notices).toContain(
      'REPLICA IDENTITY FULL was set on public.stress_table: updates and deletes bring the whole old row',
    );
  });

  test('W9: a large value that an update leaves alone arrives whole, also with a move', async () => {
    const stack =
      await newStack(`CREATE TABLE doc (id int PRIMARY KEY, note text, body text, _change_selector text);
      INSERT INTO doc SELECT g, 'n', ${LARGE}, 'foo' FROM generate_series(1, 3) g`);
    const both = await replicas(stack, ['foo', 'bar']);
    await stack.sql.query(`UPDATE doc SET note = 'm' WHERE id = 1;
      UPDATE doc SET _change_selector = 'bar' WHERE id = 2; UPDATE doc SET id = 4 WHERE id = 3`);
    await stack.settle(...both);
    await expectSame(stack, ['foo', 'bar'], 'public.doc');
  });

  test('W11: a table made in mid-stream is followed from its first row, in the same transaction too', async () => {
    const stack = await newStack();
    const both = await replicas(stack, ['foo', 'bar']);
    const resyncs: string[] = [];
    for (const one of both) one.on('resync', ({ reason }) => resyncs.push(reason));
    await stack.sql.query(`BEGIN; ${CREATE}; ${row(1, 'foo')}; ${row(2, 'foo')}; ${row(3, 'foo')};
      DELETE FROM stress_table WHERE id = 1; UPDATE stress_table SET _change_selector = 'bar' WHERE id = 2; COMMIT`);
    await stack.sql.query(`UPDATE stress_table SET _change_selector = 'bar' WHERE id = 3`);
    await stack.settle(...both);
    await expectSame(stack, ['foo', 'bar']);
    expect(resyncs).toEqual([]);
    expect(stack.notices.filter((notice) => notice.includes('was set on'))).toHaveLength(1);
  });

  test('W11: a table that is dropped and made again is followed as a new one', async () => {
    const stack = await newStack(`${CREATE}; ${row(1, 'foo')}; ${row(2, 'bar')}`);
    const both = await replicas(stack, ['foo', 'bar']);
    await stack.sql.query('DROP TABLE stress_table');
    await stack.sql.query(CREATE);
    await stack.sql.query(row(3, 'foo'));
    await stack.settle(...both);
    await expectSame(stack, ['foo', 'bar']);
    await stack.sql.query(`BEGIN; DROP TABLE stress_table; ${CREATE}; ${row(4, 'foo')};
      ${row(5, 'foo')}; DELETE FROM stress_table WHERE id = 4; COMMIT`);
    await stack.sql.query(`UPDATE stress_table SET _change_selector = 'bar' WHERE id = 5`);
    await stack.settle(...both);
    await expectSame(stack, ['foo', 'bar']);
  });

  test('W11: an identity that somebody takes away again is set again', async () => {
    const stack = await newStack(`${CREATE}; ${row(1, 'foo')}`);
    const both = await replicas(stack, ['foo', 'bar']);
    await stack.sql.query(`ALTER TABLE stress_table REPLICA IDENTITY DEFAULT`);
    expect(await identityOf(stack, STRESS)).toBe('f');
    await stack.sql.query(`ALTER TABLE stress_table REPLICA IDENTITY NOTHING`);
    await stack.sql.query(`UPDATE stress_table SET _change_selector = 'bar'`);
    await stack.settle(...both);
    await expectSame(stack, ['foo', 'bar']);
  });

  test('W11: the partitions of a partitioned table count, the new ones too', async () => {
    const stack =
      await newStack(`CREATE TABLE part (id int PRIMARY KEY, _change_selector text) PARTITION BY RANGE (id);
      CREATE TABLE low PARTITION OF part FOR VALUES FROM (0) TO (100);
      INSERT INTO part VALUES (1, 'foo'), (2, 'foo')`);
    expect(await identityOf(stack, 'public.low')).toBe('f');
    const both = await replicas(stack, ['foo', 'bar']);
    await stack.sql.query(`CREATE TABLE high PARTITION OF part FOR VALUES FROM (100) TO (200);
      CREATE TABLE other (id int PRIMARY KEY, _change_selector text);
      ALTER TABLE part ATTACH PARTITION other FOR VALUES FROM (200) TO (300);
      INSERT INTO part VALUES (101, 'foo'), (102, 'foo'), (201, 'foo'), (202, 'foo')`);
    await stack.sql.query(`DELETE FROM part WHERE id IN (1, 101, 201);
      UPDATE part SET _change_selector = 'bar' WHERE id IN (2, 102, 202)`);
    await stack.settle(...both);
    await expectSame(stack, ['foo', 'bar'], 'public.part');
  });
});

describe('where it may not be set', () => {
  test('W11: with `leave` the table is refused, with reason and statement', async () => {
    const stack = await newStack(CREATE, { engine: { replicaIdentity: 'leave' } });
    expect(await identityOf(stack, STRESS)).toBe('d');
    expect(stack.engine.status().tables).toEqual([
      {
        ...{ name: STRESS, state: 'unfit' },
        reason:
          'its replica identity lacks column _change_selector: a delete would not say whose row it was; ALTER TABLE "public"."stress_table" REPLICA IDENTITY FULL',
      },
    ]);
  });

  test('W11: partitions that log less than their table promises are refused', async () => {
    const stack = await newStack(
      `CREATE TABLE part (id int PRIMARY KEY, _change_selector text) PARTITION BY RANGE (id);
       CREATE TABLE low PARTITION OF part FOR VALUES FROM (0) TO (100);
       ALTER TABLE part REPLICA IDENTITY FULL`,
      { engine: { replicaIdentity: 'leave' } },
    );
    expect(stack.engine.status().tables).toMatchObject([
      {
        state: 'unfit',
        reason: expect.stringMatching(
          /partition public\.low .*; ALTER TABLE "public"\."low" REPLICA IDENTITY FULL$/,
        ),
      },
    ]);
    await stack.sql.query('ALTER TABLE low REPLICA IDENTITY FULL');
    await until('it is live', () => stack.engine.status().tables[0]?.state === 'live');
  });

  test('W11: a table of another role is refused; others are followed', async () => {
    const stack = await Stack.prepare({
      ...{ postgresUrl: inject('postgresUrl'), tables: {}, engine: { replicaIdentity: 'full' } },
      schema: `${CREATE}; CREATE TABLE ours (id int PRIMARY KEY, _change_selector text)`,
    });
    open.push(stack);
    const role = await useRole(stack, ['ours']);
    try {
      await stack.start();
      expect(stack.engine.status().tables).toMatchObject([
        { name: 'public.ours', state: 'live' },
        { name: STRESS, state: 'unfit', reason: expect.stringContaining('REPLICA IDENTITY FULL') },
      ]);
      expect(stack.notices.join()).toContain(
        'public.stress_table belongs to another role: its owner must set REPLICA IDENTITY FULL',
      );
      const answer = await fetch(`${stack.server}/ready`);
      expect(await answer.json()).toEqual({
        status: 'ready',
        detail: 'tables that are not replicated: 1; /v1/status has the reasons',
      });
    } finally {
      await stack.stop();
      await role.drop();
    }
  });

  test('W11: a locked table waits without holding up the others', async () => {
    const stack = await newStack();
    await stack.stop();
    // As if the event triggers were not there.
    await stack.sql.query(`SET tidelock.is_busy = 'on'; ${CREATE};
      CREATE TABLE free (id int PRIMARY KEY, _change_selector text); RESET tidelock.is_busy`);
    const locker = await stack.client();
    await locker.query('BEGIN; SELECT * FROM stress_table');
    await stack.start();
    const states = (): string[] =>
      stack.engine.status().tables.map(({ name, state }) => `${name} ${state}`);
    await until('the other one is live', () => states().includes('public.free live'));
    expect(states()).toContain('public.stress_table unfit');
    await stack.sql.query('CREATE INDEX ON stress_table (grp)'); // the trigger may not wait for the lock
    await locker.query('COMMIT');
    await until('it is live', () => states().includes('public.stress_table live'));
  });
});
