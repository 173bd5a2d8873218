/** What a person wants to know of two-way tables: who sees and writes them, what is kept for them, what has to be mended. */
import { OWN_SCHEMA } from './names.ts';
import type { PgSession } from './session.ts';
import { readTwowayTables, type TwowayTable } from './twoway-registry.ts';

export type TwowayStatus = {
  readonly table: string;
  readonly rule: string;
  readonly ruleKind: TwowayTable['ruleKind'];
  readonly role: string;
  readonly versionsTable: string;
  /** Non-key columns that are versioned, without those that were dropped. */
  readonly columns: readonly string[];
  /** Rows of the companion: rows that were changed since they were inserted, and tombstones. */
  readonly versions: number;
  readonly tombstones: number;
  /** Statements that `twoway enable` would run. */
  readonly missing: readonly string[];
  readonly state: 'ok' | 'stale' | 'dropped';
};

/** In the order of their names. Counts are exact, so a large companion takes its time. */
export async function readTwowayStatus(session: PgSession): Promise<readonly TwowayStatus[]> {
  const found: TwowayStatus[] = [];
  for (const table of await readTwowayTables(session)) found.push(await statusOf(session, table));
  return found;
}

async function statusOf(session: PgSession, table: TwowayTable): Promise<TwowayStatus> {
  const { name, rule, ruleKind, role, versionsTable } = table;
  const { there } = await session.queryOne(
    `SELECT pg_catalog.to_regclass('${versionsTable}') IS NOT NULL AS there`,
  );
  const counts =
    there === 't'
      ? await session.queryOne(
          `SELECT count(*) AS versions, count(*) FILTER (WHERE tidelock_cl % 2 = 0) AS tombstones FROM ${versionsTable}`,
        )
      : {};
  const missing = table.isPresent ? await missingOf(session, table.oid) : [];
  return {
    ...{ table: name, rule, ruleKind, role, versionsTable, missing },
    columns: table.columns.filter((column) => column !== ''),
    versions: Number(counts.versions ?? 0),
    tombstones: Number(counts.tombstones ?? 0),
    state: !table.isPresent ? 'dropped' : missing.length > 0 ? 'stale' : 'ok',
  };
}

async function missingOf(session: PgSession, oid: number): Promise<readonly string[]> {
  const { missing } = await session.queryOne(
    `SELECT pg_catalog.to_json(${OWN_SCHEMA}.twoway_refresh(${oid}, true))::text AS missing`,
  );
  return JSON.parse(missing ?? '[]') as string[];
}
