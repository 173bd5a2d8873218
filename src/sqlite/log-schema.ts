/**
 * The tables of `log.db`, and the few facts beside the groups.
 *
 * `log_body` is apart from `log_group` so that opening reads heads only, and so that a staged piece of an
 * open transaction becomes a group without being copied. Every stored thing carries a CRC-32 of ours:
 * SQLite checks the pages of its write-ahead log, but not those of the database file.
 */
import { crc32 } from 'node:zlib';
import { TidelockError } from '../core/errors.ts';
import { corruptLog } from './log-errors.ts';
import { asNumber, asText, inTransaction, type Sql } from './sql.ts';

/** Raised when another version of the program could not read the file. */
const FORMAT = 2;
/** `TLLG` in the file's header, so that other SQLite files are not taken for a log. */
const APPLICATION_ID = 0x544c4c47;
const PAGE_SIZE_BYTES = 8192;

const TABLES = [
  `CREATE TABLE log_state (name TEXT PRIMARY KEY, value TEXT NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE log_group (
     seq INTEGER PRIMARY KEY, first_ts INTEGER NOT NULL, last_ts INTEGER NOT NULL, part INTEGER NOT NULL,
     tx_count INTEGER NOT NULL, min_txid INTEGER NOT NULL, max_txid INTEGER NOT NULL,
     has_all INTEGER NOT NULL, size_bytes INTEGER NOT NULL, first_seq INTEGER NOT NULL, selectors TEXT NOT NULL,
     head_crc INTEGER NOT NULL,
     body_id INTEGER NOT NULL, index_crc INTEGER NOT NULL, body_crc INTEGER NOT NULL,
     segments BLOB NOT NULL, transactions BLOB NOT NULL)`,
  `CREATE TABLE log_body (id INTEGER PRIMARY KEY, body BLOB NOT NULL)`,
  `CREATE TABLE log_stage (
     id INTEGER PRIMARY KEY, xid INTEGER NOT NULL, size_bytes INTEGER NOT NULL, body_crc INTEGER NOT NULL,
     selectors TEXT NOT NULL, segments BLOB NOT NULL, subxids BLOB NOT NULL)`,
  `CREATE INDEX log_stage_xid ON log_stage (xid)`,
] as const;

/** Younger than the format: earlier versions neither need nor miss it. */
const LEASE_TABLE = `CREATE TABLE IF NOT EXISTS log_lease (
  replica TEXT PRIMARY KEY, ts INTEGER NOT NULL, heard_at INTEGER NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID`;

/** Sets up a new file, or checks that the file is ours. Throws `LOG_UNFIT`. */
export function prepareLogFile(sql: Sql, file: string): void {
  // Exclusive before anything is read: the lock ends with the process, and no shared memory is needed.
  sql.exec('PRAGMA locking_mode = EXCLUSIVE');
  sql.exec(`PRAGMA page_size = ${PAGE_SIZE_BYTES}`);
  sql.exec('PRAGMA journal_mode = WAL');
  sql.exec('PRAGMA synchronous = FULL');
  sql.exec('PRAGMA wal_autocheckpoint = 2000');
  sql.exec('PRAGMA journal_size_limit = 67108864');
  sql.exec('PRAGMA cache_size = -8192');
  inTransaction(sql, () => {
    const id = pragma(sql, 'application_id');
    const format = pragma(sql, 'user_version');
    if (id === 0 && format === 0 && tableCount(sql) === 0) {
      for (const table of TABLES) sql.exec(table);
      sql.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
      sql.exec(`PRAGMA user_version = ${FORMAT}`);
    } else {
      checkFormat(file, id, format);
    }
    sql.exec(LEASE_TABLE);
  });
}

function checkFormat(file: string, id: number, format: number): void {
  if (id !== APPLICATION_ID) {
    throw new TidelockError({
      code: 'LOG_UNFIT',
      message: `${file} is not a Tidelock log`,
      hint: 'give the log a folder of its own',
    });
  }
  if (format !== FORMAT) {
    throw new TidelockError({
      code: 'LOG_UNFIT',
      message: `${file} has log format ${format}, this program knows format ${FORMAT}`,
      hint: 'run the program that wrote it; or move the folder away to start a new history',
    });
  }
}

function pragma(sql: Sql, name: string): number {
  return asNumber(sql.prepare(`PRAGMA ${name}`).get()?.[name]);
}

function tableCount(sql: Sql): number {
  return asNumber(sql.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.n);
}

export type StateName = 'identity' | 'tables' | 'frontier';

/** Reads one fact, undefined before it was first written. Throws `LOG_CORRUPT`. */
export function readState(sql: Sql, name: StateName): unknown {
  const row = sql.prepare('SELECT value, crc FROM log_state WHERE name = ?').get(name);
  if (row === undefined) return undefined;
  const value = asText(row.value);
  if (crc32(value) !== row.crc) throw corruptLog(`its ${name} record fails its checksum`);
  return JSON.parse(value);
}

/** Parameters: name, JSON text, its CRC-32. */
export const WRITE_STATE = 'INSERT OR REPLACE INTO log_state VALUES (?, ?, ?)';

export function writeState(sql: Sql, name: StateName, value: unknown): void {
  const text = JSON.stringify(value);
  sql.prepare(WRITE_STATE).run(name, text, crc32(text));
}
