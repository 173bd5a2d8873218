/**
 * The final comparison: every column of every row of both databases, read with plain SQL when nothing is
 * written any more.
 */
import type { PgSession } from '../../postgres/session.ts';
import { openSql } from '../../sqlite/sql.ts';
import { fromPostgres, lineOf } from './canonical.ts';
import type { EvidenceRow, EvidenceTable } from './evidence.ts';
import { rowOf, selectOf } from './replica-scan.ts';

const BUSY_WAIT_MS = 5000;
/** Differences that are named, per replica. */
const NAMED_MAX = 20;

export type Comparison = {
  readonly replica: string;
  readonly rows: number;
  readonly differences: readonly string[];
};

export type CompareWork = {
  readonly session: PgSession;
  readonly tables: readonly EvidenceTable[];
  readonly replica: string;
  readonly selectors: readonly string[];
  readonly file: string;
};

export async function compare(work: CompareWork): Promise<Comparison> {
  const { session, tables, replica, selectors, file } = work;
  const differences: string[] = [];
  let rows = 0;
  const sql = openSql(file, { timeoutMs: BUSY_WAIT_MS, isReadOnly: true });
  try {
    for (const table of tables) {
      const theirs = await readPostgres(session, table, selectors);
      const found = sql.prepare(selectOf(table)).all();
      const ours = byKey(
        table,
        found.map((row) => rowOf(table, row)),
      );
      rows += theirs.size;
      differences.push(...differencesOf(table, theirs, ours));
    }
  } finally {
    sql.close();
  }
  return { replica, rows, differences: shortened(differences) };
}

type Lines = ReadonlyMap<string, string>;

async function readPostgres(
  session: PgSession,
  table: EvidenceTable,
  selectors: readonly string[],
): Promise<Lines> {
  const columns = table.columns.map(({ name }) => `"${name}"`).join(', ');
  const all = `SELECT ${columns} FROM ${table.name}`;
  const rows =
    table.selector === null
      ? await session.query(all)
      : await session.query(`${all} WHERE "${table.selector}" = ANY ($1::text[])`, [
          `{${selectors.map((selector) => JSON.stringify(selector)).join()}}`,
        ]);
  const canonical = rows.map((row) =>
    Object.fromEntries(
      table.columns.map(({ name, kind }) => {
        const text = row[name] ?? null;
        return [name, text === null ? null : fromPostgres(kind, text)];
      }),
    ),
  );
  return byKey(table, canonical);
}

function byKey(table: EvidenceTable, rows: readonly EvidenceRow[]): Lines {
  return new Map(
    rows.map((row) => [
      JSON.stringify(table.key.map((column) => row[column])),
      lineOf(table.name, row),
    ]),
  );
}

function differencesOf({ name }: EvidenceTable, theirs: Lines, ours: Lines): readonly string[] {
  const keys = new Set([...theirs.keys(), ...ours.keys()]);
  return [...keys]
    .filter((key) => theirs.get(key) !== ours.get(key))
    .map((key) => {
      const [postgres, replica] = [theirs.get(key) ?? 'no row', ours.get(key) ?? 'no row'];
      return `${name} ${key}: Postgres has ${postgres}, the replica ${replica}`;
    });
}

function shortened(differences: readonly string[]): readonly string[] {
  if (differences.length <= NAMED_MAX) return differences;
  return [
    ...differences.slice(0, NAMED_MAX),
    `and ${differences.length - NAMED_MAX} more differences`,
  ];
}
