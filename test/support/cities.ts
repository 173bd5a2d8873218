/** The schema of the command line's tests: cities by country, accounts whose sum never changes, kinds for all. */
import { expect, inject, onTestFinished } from 'vitest';
import { Stack, type StackOptions } from './stack.ts';

const SCHEMA = `
  CREATE TABLE city (id int PRIMARY KEY, name text, country text, people bigint);
  ALTER TABLE city REPLICA IDENTITY FULL;
  CREATE TABLE account (id int PRIMARY KEY, country text, balance int NOT NULL, moves int NOT NULL);
  ALTER TABLE account REPLICA IDENTITY FULL;
  CREATE TABLE kind (code text PRIMARY KEY, label text);
  INSERT INTO city SELECT g, 'city ' || g, (ARRAY['FR', 'DE', 'IT'])[1 + g % 3], g FROM generate_series(1, 300) g;
  INSERT INTO account SELECT g, 'FR', 100, 0 FROM generate_series(1, 10) g;
  INSERT INTO kind VALUES ('a', 'first'), ('b', NULL);
`;
const TABLES = { 'public.city': 'country', 'public.account': 'country', 'public.kind': '*' };

export async function cities(options: Partial<StackOptions> = {}): Promise<Stack> {
  const postgresUrl = inject('postgresUrl');
  const stack = await Stack.open({ postgresUrl, schema: SCHEMA, tables: TABLES, ...options });
  onTestFinished(() => stack.close());
  return stack;
}

export async function expectEqual(stack: Stack, file: string, countries: string[]): Promise<void> {
  const where = `country IN (${countries.map((country) => `'${country}'`).join(', ')})`;
  expect(await stack.differences(file, 'public.city', where)).toEqual([]);
  expect(await stack.differences(file, 'public.account', where)).toEqual([]);
  expect(await stack.differences(file, 'public.kind', 'true')).toEqual([]);
}

/** Moves 5 from one account to another: two rows that change together or not at all. */
export function transfer(turn: number): string {
  const [from, to] = [1 + (turn % 10), 1 + ((turn * 7 + 3) % 10)];
  if (from === to) return 'SELECT 1';
  return `BEGIN;
    UPDATE account SET balance = balance - 5, moves = moves + 1 WHERE id = ${from};
    UPDATE account SET balance = balance + 5, moves = moves + 1 WHERE id = ${to};
    COMMIT`;
}

export const ACCOUNTS = 10;
export const SUM = 1000;
