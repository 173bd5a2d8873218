/** What a person wants to know of two-way tables: who sees and writes them, what is kept for them, what has to be mended. */
import { loadPgParser } from '../../sql/pg-parser.ts';
import { readFacts } from '../catalog.ts';
import { OWN_SCHEMA } from '../names.ts';
import type { PgSession } from '../session.ts';
import type { Refusal } from '../table-fitness.ts';
import { ruleOf } from './declaration.ts';
import { readTwowayTables, type TwowayTable } from './registry.ts';

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
  /** Why nobody reads it, and writes of replicas wait; null when nothing is wrong. */
  readonly held: Refusal | null;
  readonly state: 'ok' | 'held' | 'stale' | 'dropped';
};

/** In the order of their names. Counts are exact, so a large companion takes its time. */
export async function readTwowayStatus(session: PgSession): Promise<readonly TwowayStatus[]> {
  const found: TwowayStatus[] = [];
  const tables = await readTwowayTables(session);
  const held = await readHeld(session, tables);
  for (const table of tables) {
    found.push(await statusOf(session, table, held.get(table.oid) ?? null));
  }
  return found;
}

/** By table: why its rule cannot be told. Nothing of tables that somebody is changing just now. */
async function readHeld(
  session: PgSession,
  tables: readonly TwowayTable[],
): Promise<ReadonlyMap<number, Refusal>> {
  const present = tables.filter(({ isPresent }) => isPresent);
  if (present.some(({ ruleKind }) => ruleKind === 'policy')) await loadPgParser();
  const names = present.map(({ name }) => name);
  const facts = new Map((await readFacts(session, names)).map((one) => [one.oid, one]));
  const held = new Map<number, Refusal>();
  for (const table of present) {
    const known = facts.get(table.oid);
    if (known?.rowSecurity === undefined) continue;
    const rule = ruleOf(known, table);
    if ('reason' in rule) held.set(table.oid, rule);
  }
  return held;
}

async function statusOf(
  session: PgSession,
  table: TwowayTable,
  held: Refusal | null,
): Promise<TwowayStatus> {
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
    ...{ table: name, rule, ruleKind, role, versionsTable, missing, held },
    columns: table.columns.filter((column) => column !== ''),
    versions: Number(counts.versions ?? 0),
    tombstones: Number(counts.tombstones ?? 0),
    state: stateOf(table, held, missing),
  };
}

function stateOf(
  { isPresent }: TwowayTable,
  held: Refusal | null,
  missing: readonly string[],
): TwowayStatus['state'] {
  if (!isPresent) return 'dropped';
  if (held !== null) return 'held';
  return missing.length > 0 ? 'stale' : 'ok';
}

async function missingOf(session: PgSession, oid: number): Promise<readonly string[]> {
  const { missing } = await session.queryOne(
    `SELECT pg_catalog.to_json(${OWN_SCHEMA}.twoway_refresh(${oid}, true))::text AS missing`,
  );
  return JSON.parse(missing ?? '[]') as string[];
}
