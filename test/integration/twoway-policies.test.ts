import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { readableSelectors, type SelectorRule } from '../../src/core/selector.ts';
import { classesOf, selectorsOfClaims } from '../../src/core/selector-class.ts';
import { describeTables, readFacts } from '../../src/postgres/catalog.ts';
import { copyRows } from '../../src/postgres/copy.ts';
import { sqlStateOf } from '../../src/postgres/pg-errors.ts';
import { policyRule } from '../../src/postgres/twoway/declaration.ts';
import { grantSql, roleSql, twowaySchemaSql } from '../../src/postgres/twoway/schema-sql.ts';
import { loadPgParser } from '../../src/sql/pg-parser.ts';
import {
  type HeldRow,
  heldRow,
  POLICY_TABLE_SQL,
  POLICY_USERS,
  policiesSql,
  type User,
} from '../support/policies.ts';
import { TestDatabase } from '../support/source-recorder.ts';

const NAME = 'public.held';
const ROLE = 'tidelock_user';

let db: TestDatabase;

beforeAll(async () => {
  db = await TestDatabase.create(inject('postgresUrl'));
  await loadPgParser();
  const setUp = [POLICY_TABLE_SQL, ...twowaySchemaSql(), ...roleSql(ROLE), grantSql(NAME, ROLE)];
  await db.sql.query(setUp.join(';\n'));
});

afterAll(() => db.close());

const ROWS_SQL = `INSERT INTO public.held SELECT (r ->> 0)::int, r ->> 1, r ->> 2, (r ->> 3)::uuid, (r ->> 4)::int,
  (r ->> 5)::bigint, (r ->> 6)::bool, (r ->> 7)::bool, r ->> 8 FROM json_array_elements($1::json) r`;

async function prepare(policies: readonly string[], rows: readonly HeldRow[]): Promise<void> {
  const old = await db.sql.query(
    "SELECT polname FROM pg_policy WHERE polrelid = 'public.held'::regclass",
  );
  const drops = old.map(({ polname }) => `DROP POLICY ${polname} ON ${NAME}`);
  await db.sql.query([...drops, 'TRUNCATE public.held', ...policies].join(';\n'));
  await db.sql.query(ROWS_SQL, [JSON.stringify(rows.map((row, id) => [id, ...row]))]);
}

/** The rows that Postgres itself shows to a user; null when it shows an error instead. */
async function shown({ userid, claims }: User): Promise<readonly number[] | null> {
  await db.sql.query(`BEGIN; SET LOCAL row_security = on; SET LOCAL ROLE ${ROLE}`);
  try {
    await db.sql.query(
      'SELECT pg_catalog.set_config($1, $2, true), pg_catalog.set_config($3, $4, true)',
      [...['tidelock.userid', userid, 'tidelock.claims', JSON.stringify(claims)]],
    );
    const rows = await db.sql.query('SELECT id FROM public.held ORDER BY id');
    return rows.map(({ id }) => Number(id));
  } catch (error) {
    // A claim that cannot be cast to the type of its column.
    if (sqlStateOf(error)?.startsWith('22') !== true) throw error;
    return null;
  } finally {
    await db.sql.query('ROLLBACK');
  }
}

/** The rows that a snapshot for this user would have. */
async function given(rule: SelectorRule, { userid, claims }: User): Promise<readonly number[]> {
  const described = await describeTables(db.sql, [{ name: NAME, selector: rule }]);
  const table = described.find(({ name }) => name === NAME);
  if (table?.kind !== 'table') throw new Error(JSON.stringify(table));
  const selectors = selectorsOfClaims(classesOf([rule]), { userid, claims });
  const ids: number[] = [];
  for await (const chunk of copyRows({ session: db.sql, table: table.table, selectors })) {
    ids.push(...chunk.rows.map((row) => Number(row[0])));
    for (const one of chunk.selectors) expect(readableSelectors(rule, selectors)).toContain(one);
  }
  return ids.toSorted((a, b) => a - b);
}

test('P15: what a user may read is what Postgres shows to the user, for every policy that compiles', async () => {
  const count = { compiled: 0, refused: 0, rows: 0, hidden: 0, failed: 0 };
  const rows = fc.array(heldRow, { minLength: 15, maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(policiesSql, rows, async (policies, held) => {
      await prepare(policies, held);
      const [facts] = await readFacts(db.sql, [NAME]);
      if (facts === undefined) throw new Error('the table is gone');
      const rule = policyRule(facts, { name: NAME, role: ROLE });
      if ('reason' in rule) {
        count.refused += 1;
        return;
      }
      count.compiled += 1;
      for (const user of POLICY_USERS) {
        const [inPostgres, ours] = [await shown(user), await given(rule, user)];
        if (inPostgres !== null) expect(ours, JSON.stringify({ user, rule })).toEqual(inPostgres);
        else count.failed += 1;
        count.rows += ours.length;
        count.hidden += held.length - ours.length;
      }
    }),
    { numRuns: 50 },
  );
  // The test is worth something only when much of it is neither refused nor trivial.
  expect(count.compiled).toBeGreaterThan(20);
  expect(count.rows).toBeGreaterThan(300);
  expect(count.hidden).toBeGreaterThan(300);
}, 60_000);
