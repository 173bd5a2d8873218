/** A role that owns the tables and may replicate, and no more: what a careful operator gives us. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { Stack } from './stack.ts';

export type Role = {
  readonly name: string;
  /** The stack's database, as this role. */
  readonly url: string;
  /** Takes the role away with everything that is its own; the stack must be stopped. */
  drop(): Promise<void>;
};

/** Makes the role, hands it the tables, and lets the stack's engine connect as it from its next start on. */
export async function useRole(stack: Stack, tables: readonly string[]): Promise<Role> {
  const name = `r_${randomUUID().slice(0, 8)}`;
  await stack.sql.query(
    `CREATE ROLE ${name} LOGIN REPLICATION PASSWORD 'x'; GRANT CREATE, CONNECT ON DATABASE ${stack.name} TO ${name}`,
  );
  for (const table of tables) await stack.sql.query(`ALTER TABLE ${table} OWNER TO ${name}`);
  const url = new URL(stack.url);
  url.username = name;
  url.password = 'x';
  stack.useUrl(url.href);
  const drop = async (): Promise<void> => {
    const client = new pg.Client(stack.url);
    await client.connect();
    await client.query(
      `DROP PUBLICATION IF EXISTS ${stack.name}; REASSIGN OWNED BY ${name} TO postgres; DROP OWNED BY ${name}; DROP ROLE ${name}`,
    );
    await client.end();
  };
  return { name, url: url.href, drop };
}
