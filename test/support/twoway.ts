/** Reads what the companion of a two-way table says, in the words of the tests. */
import type { PgSession } from '../../src/postgres/session.ts';
import { readTwowayTables } from '../../src/postgres/twoway/registry.ts';

/** `k1: 1 {1,2}` for each row of the companion, by key; audience columns follow. */
export async function versionsOf(session: PgSession, table: string): Promise<readonly string[]> {
  const entry = (await readTwowayTables(session)).find(({ name }) => name === `public.${table}`);
  if (entry === undefined) throw new Error(`${table} is not two-way`);
  const rows = await session.query(`SELECT * FROM ${entry.versionsTable}`);
  return rows
    .map((row) => {
      const key = entry.key.map((name) => row[name]).join('/');
      const audience = entry.audience.map((name) => ` ${name}=${row[name]}`).join('');
      return `${key}: ${row.tidelock_cl} ${row.tidelock_versions ?? '-'}${audience}`;
    })
    .sort();
}
