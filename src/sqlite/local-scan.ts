/**
 * The base of a table that is written to locally, as SQL: what Postgres has, without what this file added. For
 * readers that look from outside of the follower's transaction, also while writes are not sealed yet.
 */
import { hasTable, OP_DELETED, OP_INSERTED, OP_NOTED, OP_UPDATED } from './local-schema.ts';
import { baseTableName } from './local-table.ts';
import type { ReplicaTable } from './replica-table.ts';
import { asNumber, type Sql } from './sql.ts';

/** Selects every row of the base, see `ReplicaTable.cellsSql`. */
export function baseSelectSql(sql: Sql, table: ReplicaTable): string {
  const number = numberOf(sql, table);
  if (number === null) return table.selectSql;
  const isLogged = sql
    .prepare('SELECT EXISTS (SELECT 1 FROM tidelock_log WHERE table_number = ?) AS found')
    .get(number)?.found;
  const images = imagesSql(table, number, isLogged === 1);
  const key = table.keyColumns.join(', ');
  return `WITH tidelock_images AS (${images})
    SELECT ${table.cellsSql} FROM ${table.quoted}
    WHERE (${key}) NOT IN (SELECT ${key} FROM tidelock_images)
    UNION ALL SELECT ${table.cellsSql} FROM tidelock_images WHERE tidelock_present = 1`;
}

function numberOf(sql: Sql, table: ReplicaTable): number | null {
  if (table.definition.twoway === undefined || !hasTable(sql, 'tidelock_local')) return null;
  const row = sql
    .prepare('SELECT number FROM tidelock_local_tables WHERE name = ?')
    .get(table.name);
  return row === undefined ? null : asNumber(row.number);
}

/** Images of all keys that were written to: those sealed, and of others the row before the first entry. */
function imagesSql(table: ReplicaTable, number: number, isLogged: boolean): string {
  const names = table.columns.join(', ');
  const stored = `SELECT tidelock_present, ${names} FROM ${baseTableName(number)}`;
  if (!isLogged) return stored;
  const count = table.columns.length;
  const cells = (start: number): string =>
    table.columns.map((name, index) => `c${start + index} AS ${name}`).join(', ');
  const entries = (present: number, start: number, ops: string): string =>
    `SELECT id AS tidelock_id, ${present} AS tidelock_present, ${cells(start)} FROM tidelock_log
     WHERE table_number = ${number} AND op IN (${ops})`;
  const key = table.keyColumns.join(', ');
  // With min(), SQLite takes the other columns from the row that has the least id. Of an update, the new key counts
  // only where nothing was known of it before: the old row is listed first.
  return `${stored} UNION ALL
    SELECT tidelock_present, ${names} FROM (
      SELECT min(tidelock_id * 2 + 1 - tidelock_present), tidelock_present, ${names} FROM (
        ${entries(1, 0, `${OP_NOTED}, ${OP_DELETED}`)}
        UNION ALL ${entries(1, count, `${OP_UPDATED}`)}
        UNION ALL ${entries(0, 0, `${OP_INSERTED}, ${OP_UPDATED}`)})
      GROUP BY ${key})
    WHERE (${key}) NOT IN (SELECT ${key} FROM ${baseTableName(number)})`;
}
