/** Everything that a run needs in Postgres, from nothing: database, table, policies, two-way sync. */
import { hasCode, messageOf } from '../../core/errors.ts';
import { quoteName } from '../../core/table.ts';
import { PgSession } from '../../postgres/session.ts';
import { disableTwoway, enableTwoway } from '../../postgres/twoway/enable.ts';
import { userId } from './options.ts';
import { stampOf } from './rows.ts';
import { describeTable, quoted, type RunTable, tableNameOf } from './table.ts';

export type SetUpOptions = {
  readonly url: string;
  readonly schema: string;
  readonly isRls: boolean;
  readonly users: readonly number[];
  /** Unique in the run. */
  readonly nonce: string;
};

const APPLICATION = 'tidelock stress set-up';
/** Rows of each user that are there from the start, and that others try to take. */
export const TREASURES = 3;
/** The write that they are of. */
export const SET_UP_WRITE = 0;

const POLICIES = [
  ['select', 'SELECT USING (tidelock.auth_userid() = user_id)'],
  ['insert', 'INSERT WITH CHECK (tidelock.auth_userid() = user_id)'],
  [
    'update',
    'UPDATE USING (tidelock.auth_userid() = user_id) WITH CHECK (tidelock.auth_userid() = user_id)',
  ],
  ['delete', 'DELETE USING (tidelock.auth_userid() = user_id)'],
] as const;

/** Connects, and makes the database when there is none. */
export async function connectOrCreate(url: string): Promise<PgSession> {
  try {
    return await PgSession.connect({ url, applicationName: APPLICATION });
  } catch (error) {
    const database = decodeURIComponent(new URL(url).pathname.slice(1));
    if (!hasCode(error, 'SOURCE_DOWN') && !/does not exist/.test(messageOf(error))) throw error;
    if (!/database ".*" does not exist/.test(messageOf(error))) throw error;
    const other = new URL(url);
    other.pathname = '/postgres';
    const session = await PgSession.connect({ url: other.href, applicationName: APPLICATION });
    await session.query(`CREATE DATABASE ${quoteName(database)}`).finally(() => session.end());
    return PgSession.connect({ url, applicationName: APPLICATION });
  }
}

/**
 * Switches two-way sync off where an earlier run left it, drops the table and makes it anew, with the four policies when
 * rows have owners; then switches it on. Throws `BAD_CONFIG` for a table that a run cannot use.
 */
export async function setUp(options: SetUpOptions, session: PgSession): Promise<RunTable> {
  const { schema, isRls } = options;
  const name = tableNameOf(schema);
  if (await hasRegistry(session)) await disableTwoway(session, { table: name });
  await session.query(`DROP TABLE IF EXISTS ${quoted(name)} CASCADE`);
  // Our sessions look nowhere but into the catalog; a person's statement means `public`.
  await session.query("SELECT set_config('search_path', 'public', false)");
  await session.query(schema);
  await session.query("SELECT set_config('search_path', 'pg_catalog', false)");
  const table = await describeTable(session, name, isRls);
  // Policies name a function that comes with the first table.
  await enableTwoway(session, { table: name });
  if (!isRls) return table;
  await session.query(`ALTER TABLE ${quoted(name)} ENABLE ROW LEVEL SECURITY`);
  for (const [verb, rule] of POLICIES) {
    await session.query(`CREATE POLICY ${table.local}_${verb} ON ${quoted(name)} FOR ${rule}`);
  }
  await enableTwoway(session, { table: name });
  await bury(session, table, options);
  return table;
}

async function hasRegistry(session: PgSession): Promise<boolean> {
  const { found } = await session.queryOne(
    "SELECT to_regclass('tidelock.twoway_tables') IS NOT NULL AS found",
  );
  return found === 't';
}

/** Rows that each user has, for the others to try and take. */
async function bury(
  session: PgSession,
  table: RunTable,
  { users, nonce }: SetUpOptions,
): Promise<void> {
  const columns = [table.key, table.user ?? '', table.text].map(quoteName).join(', ');
  for (const user of users) {
    for (let place = 0; place < TREASURES; place++) {
      await session.query(`INSERT INTO ${quoted(table.name)} (${columns}) VALUES ($1, $2, $3)`, [
        ...[treasureOf(user, place), userId(user)],
        stampOf(SET_UP_WRITE, canaryOf(user, nonce)),
      ]);
    }
  }
}

export function treasureOf(user: number, place: number): string {
  return `treasure${user}_${place}`;
}

/** Stands in every row of a user, and must reach nobody else. */
export function canaryOf(user: number, nonce: string): string {
  return `canary-u${user}-${nonce}`;
}
