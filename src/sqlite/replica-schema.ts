/**
 * A replica's file: the application's tables, and three of ours that say what they are. The format is
 * documented in docs/replica-file.md; everything here changes in the same transaction as the rows.
 */
import { TidelockError } from '../core/errors.ts';
import { formatLsn, parseLsn, type Ts } from '../core/lsn.ts';
import type { TableDef } from '../core/table.ts';
import { ReplicaTable } from './replica-table.ts';
import { asNumber, asText, type Sql } from './sql.ts';

/**
 * Raised when an older program could not follow into the file any more. Format 2: the digests are those of
 * protocol 2; nothing else is different from format 1.
 */
const REPLICA_FORMAT = 2;
/** The same with local writes: an older program would take its own changes for those of others. */
const WRITTEN_FORMAT = 3;
/** Files of this format are brought up to date by the process that writes them. */
const OLD_FORMAT = 1;
/** `TLRF` in the file's header. */
const APPLICATION_ID = 0x544c5246;

const TABLES = [
  `CREATE TABLE tidelock_replica (
     format INTEGER NOT NULL, replica TEXT NOT NULL, server TEXT NOT NULL, timeline TEXT NOT NULL,
     position TEXT NOT NULL, selectors TEXT NOT NULL, schema_version INTEGER NOT NULL,
     applied_at TEXT NOT NULL, state TEXT NOT NULL)`,
  `CREATE TABLE tidelock_tables (
     name TEXT PRIMARY KEY, local_name TEXT NOT NULL, definition TEXT NOT NULL, selector_sql TEXT NOT NULL,
     state TEXT NOT NULL)`,
  `CREATE TABLE tidelock_digests (
     table_name TEXT NOT NULL, selector TEXT NOT NULL, digest TEXT NOT NULL, rows INTEGER NOT NULL,
     PRIMARY KEY (table_name, selector)) WITHOUT ROWID`,
] as const;

export type ReplicaState = 'copying' | 'live' | 'resyncing';

/** The one row of `tidelock_replica`. */
export type ReplicaMeta = {
  /** Names this replica to the server; empty in a file that no client has taken over yet. */
  readonly replica: string;
  readonly server: string;
  readonly timeline: string;
  readonly position: Ts;
  readonly selectors: readonly string[];
  /** Number of table-definition changes so far. */
  readonly schemaVersion: number;
  /** UTC, ISO. */
  readonly appliedAt: string;
  readonly state: ReplicaState;
};

export type TableState = 'live' | 'resyncing';

export type StoredTable = { readonly table: ReplicaTable; readonly state: TableState };

/** Creates our tables in an empty file. */
export function createReplicaSchema(sql: Sql): void {
  for (const table of TABLES) sql.exec(table);
  sql.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
  sql.exec(`PRAGMA user_version = ${REPLICA_FORMAT}`);
}

/** Throws `REPLICA_UNFIT` when the file is not a replica, or not of this program's format. */
export function checkReplicaFormat(sql: Sql, file: string): void {
  const { id, format } = readFormat(sql);
  if (id !== APPLICATION_ID) {
    throw new TidelockError({
      code: 'REPLICA_UNFIT',
      message: `${file} is not a Tidelock replica`,
      hint: 'give the replica a file of its own',
    });
  }
  if (format !== REPLICA_FORMAT && format !== WRITTEN_FORMAT) {
    throw new TidelockError({
      code: 'REPLICA_UNFIT',
      message: `${file} has replica format ${format}, this program knows format ${WRITTEN_FORMAT}`,
      hint:
        format === OLD_FORMAT
          ? 'follow into it once with this program: that brings it up to date'
          : 'use a newer program, or remove the file: it is copied again',
    });
  }
}

/** True for a replica whose digests are those of an older protocol. */
export function isOldFormat(sql: Sql): boolean {
  const { id, format } = readFormat(sql);
  return id === APPLICATION_ID && format === OLD_FORMAT;
}

/** Inside the transaction that made the file one of the present format. */
export function writeFormat(sql: Sql): void {
  sql.exec(`PRAGMA user_version = ${REPLICA_FORMAT}`);
  sql.exec(`UPDATE tidelock_replica SET format = ${REPLICA_FORMAT}`);
}

/** Inside the transaction that made the file capture local writes. */
export function writeWrittenFormat(sql: Sql): void {
  sql.exec(`PRAGMA user_version = ${WRITTEN_FORMAT}`);
  sql.exec(`UPDATE tidelock_replica SET format = ${WRITTEN_FORMAT}`);
}

function readFormat(sql: Sql): { readonly id: number; readonly format: number } {
  const id = asNumber(sql.prepare('PRAGMA application_id').get()?.application_id);
  const format = asNumber(sql.prepare('PRAGMA user_version').get()?.user_version);
  return { id, format };
}

/** Throws `REPLICA_UNFIT` when the row is missing or makes no sense. */
export function readMeta(sql: Sql, file: string): ReplicaMeta {
  const row = sql.prepare('SELECT * FROM tidelock_replica').get();
  const state = row?.state;
  if (row === undefined || (state !== 'copying' && state !== 'live' && state !== 'resyncing')) {
    throw new TidelockError({
      code: 'REPLICA_UNFIT',
      message: `${file} does not say which state of which database it has`,
      hint: 'remove the file: it is copied again',
    });
  }
  return {
    replica: asText(row.replica),
    server: asText(row.server),
    timeline: asText(row.timeline),
    position: parseLsn(asText(row.position), `position in ${file}`),
    selectors: JSON.parse(asText(row.selectors)) as readonly string[],
    schemaVersion: asNumber(row.schema_version),
    appliedAt: asText(row.applied_at),
    state,
  };
}

/** Replaces the row as a whole. */
export function writeMeta(sql: Sql, meta: ReplicaMeta): void {
  const { format } = readFormat(sql);
  sql.exec('DELETE FROM tidelock_replica');
  sql
    .prepare('INSERT INTO tidelock_replica VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)')
    .run(
      format,
      meta.replica,
      meta.server,
      meta.timeline,
      formatLsn(meta.position),
      JSON.stringify(meta.selectors),
      meta.schemaVersion,
      meta.appliedAt,
      meta.state,
    );
}

export function readTables(sql: Sql): readonly StoredTable[] {
  const rows = sql.prepare('SELECT name, local_name, definition, state FROM tidelock_tables').all();
  return rows.map((row) => {
    const definition = JSON.parse(asText(row.definition)) as TableDef;
    const table = new ReplicaTable(definition, asText(row.local_name));
    return { table, state: row.state === 'live' ? 'live' : 'resyncing' };
  });
}

export function writeTable(sql: Sql, stored: StoredTable): void {
  const { table } = stored;
  sql
    .prepare('INSERT OR REPLACE INTO tidelock_tables VALUES (?, ?, ?, ?, ?)')
    .run(
      table.name,
      table.localName,
      JSON.stringify(table.definition),
      table.selectorSql,
      stored.state,
    );
}

export function deleteTable(sql: Sql, name: string): void {
  sql.prepare('DELETE FROM tidelock_tables WHERE name = ?').run(name);
  sql.prepare('DELETE FROM tidelock_digests WHERE table_name = ?').run(name);
}

/** Every name that the file's tables and indexes have, in lower case. */
export function takenNames(sql: Sql): Set<string> {
  const rows = sql.prepare('SELECT name FROM sqlite_schema').all();
  return new Set(rows.map((row) => asText(row.name).toLowerCase()));
}
