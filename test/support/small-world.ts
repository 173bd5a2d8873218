/** Three small tables with a selector, two and everyone: the world of the end-to-end tests. */
import { expect, inject, onTestFinished } from 'vitest';
import { Stack, type StackOptions, until } from './stack.ts';

export const SCHEMA = `
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
export const STREAMED = `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET logical_decoding_work_mem = ''64kB''', current_database()); END $$;`;
export const TABLES = { 'public.city': 'country', 'public.account': 'country', 'public.kind': '*' };

/** The small world, running, until the end of the test that asks. */
export async function smallStack(options: Partial<StackOptions> = {}): Promise<Stack> {
  const postgresUrl = inject('postgresUrl');
  const stack = await Stack.open({ postgresUrl, schema: SCHEMA, tables: TABLES, ...options });
  onTestFinished(() => stack.close());
  return stack;
}

/** The replica's file has the rows of these countries, and nothing else. */
export async function expectEqual(stack: Stack, name: string, countries: string[]): Promise<void> {
  const where = `country IN (${countries.map((country) => `'${country}'`).join(', ')})`;
  const file = stack.file(name);
  expect(await stack.differences(file, 'public.city', where)).toEqual([]);
  expect(await stack.differences(file, 'public.account', where)).toEqual([]);
  expect(await stack.differences(file, 'public.kind', 'true')).toEqual([]);
}

/** The case really happened: Postgres sent pieces of a transaction before its end. */
export async function expectStreamed(stack: Stack): Promise<void> {
  await until('Postgres has streamed an open transaction', async () => {
    const { rows } = await stack.sql.query<{ n: string }>(
      'SELECT coalesce(sum(stream_txns), 0) AS n FROM pg_stat_replication_slots WHERE slot_name = $1',
      [stack.name],
    );
    return Number(rows[0]?.n) > 0;
  });
}
