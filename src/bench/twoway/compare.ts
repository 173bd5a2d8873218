/** Every column of every row: Postgres as a user sees it, against that user's file, by plain SQL on both sides. */

import { quoteName } from '../../core/table.ts';
import type { PgSession } from '../../postgres/session.ts';
import { openSql } from '../../sqlite/sql.ts';
import { fromPostgres, hashOf, lineOf, RowSum } from '../stress/canonical.ts';
import type { EvidenceRow } from '../stress/evidence.ts';
import { rowOf, selectOf } from '../stress/replica-scan.ts';
import type { Comparison } from './evidence.ts';
import { Gathering, NOBODY, type Segment, writeOf } from './rows.ts';
import { evidenceOf, quoted, type RunTable } from './table.ts';

const BUSY_WAIT_MS = 5000;
const NAMED_MAX = 8;
/** As whom two-way writes and reads are done. */
const USER_ROLE = 'tidelock_user';

type Rows = ReadonlyMap<string, EvidenceRow>;

/** The rows that a user sees; all rows without one. */
export async function rowsInPostgres(
  session: PgSession,
  table: RunTable,
  user: string | null,
): Promise<Rows> {
  const columns = table.columns.map(({ name }) => quoteName(name)).join(', ');
  await session.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  try {
    if (user !== null) {
      await session.query(
        "SELECT set_config('tidelock.userid', $1, true), set_config('row_security', 'on', true)",
        [user],
      );
      await session.query(`SET LOCAL ROLE ${USER_ROLE}`);
    }
    const rows = await session.query(`SELECT ${columns} FROM ${quoted(table.name)}`);
    return new Map(
      rows.map((row) => {
        const canonical = Object.fromEntries(
          table.columns.map(({ name, kind }) => {
            const text = row[name] ?? null;
            return [name, text === null ? null : fromPostgres(kind, text)];
          }),
        );
        return [canonical[table.key] ?? '', canonical];
      }),
    );
  } finally {
    await session.query('ROLLBACK');
  }
}

export function rowsInFile(file: string, table: RunTable): Rows {
  const evidence = evidenceOf(table);
  const sql = openSql(file, { timeoutMs: BUSY_WAIT_MS, isReadOnly: true });
  try {
    const rows = new Map<string, EvidenceRow>();
    for (const values of sql.prepare(selectOf(evidence)).iterate()) {
      const row = rowOf(evidence, values as Readonly<Record<string, unknown>>);
      rows.set(row[table.key] ?? '', row);
    }
    return rows;
  } finally {
    sql.close();
  }
}

export function compareRows(
  database: number,
  table: RunTable,
  { postgres, file }: { readonly postgres: Rows; readonly file: Rows },
): Comparison {
  const line = (row: EvidenceRow | undefined): string =>
    row === undefined ? 'no row' : lineOf(table.name, row);
  const differences: string[] = [];
  let count = 0;
  for (const key of new Set([...postgres.keys(), ...file.keys()])) {
    const [theirs, ours] = [line(postgres.get(key)), line(file.get(key))];
    if (theirs === ours) continue;
    count += 1;
    if (count <= NAMED_MAX)
      differences.push(`${key}: Postgres has ${theirs}, database ${database} has ${ours}`);
  }
  if (count > NAMED_MAX) differences.push(`and ${count - NAMED_MAX} more differences`);
  return {
    ...{ database, rows: file.size, differences },
    digests: [digestOf(table, postgres), digestOf(table, file)],
  };
}

function digestOf(table: RunTable, rows: Rows): string {
  const sum = new RowSum();
  for (const row of rows.values()) sum.add(hashOf(table.name, row));
  return `${sum.digest} ${sum.rows}`;
}

/** What the judge needs of the end: whose writes the cells are. */
export function shownBy(table: RunTable, rows: Rows): Readonly<Record<string, readonly Segment[]>> {
  const gathering = new Gathering();
  for (const [key, row] of rows) {
    const number = table.number === null ? null : row[table.number];
    gathering.add(key, writeOf(row[table.text]), number == null ? NOBODY : Number(number));
  }
  return Object.fromEntries(gathering.shown);
}

/** Rows of a user, by their owner column: what a trespass must not have changed. */
export function ownersOf(table: RunTable, rows: Rows): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const row of rows.values()) {
    const owner = table.user === null ? '' : (row[table.user] ?? '');
    counts[owner] = (counts[owner] ?? 0) + 1;
  }
  return counts;
}
