/**
 * The tables of a replica that is written to, and the triggers that capture what any SQLite program writes.
 * Plain SQL only: nothing here needs a function of ours. Documented in docs/replica-file.md.
 *
 * The gate: `tidelock_local.tx` is the number under which writes are captured. The follower sets it to NULL inside
 * its own transaction, so its writes pass unseen; nobody else ever sees it NULL.
 */
import { quoteName, quoteText } from '../core/table.ts';
import type { ReplicaTable } from './replica-table.ts';
import { asText, type Sql } from './sql.ts';

/** Kinds of log entries. `noted`: the row that a write of this key would replace. */
export const OP_NOTED = 0;
export const OP_INSERTED = 1;
export const OP_UPDATED = 2;
export const OP_DELETED = 3;

const GATE_IS_OPEN = '(SELECT tx FROM tidelock_local) IS NOT NULL';

const OWN_TABLES = [
  `CREATE TABLE IF NOT EXISTS tidelock_local (
     one INTEGER PRIMARY KEY CHECK (one = 1), site TEXT NOT NULL, tx INTEGER, counter INTEGER NOT NULL,
     last INTEGER NOT NULL, settled INTEGER NOT NULL, userid TEXT)`,
  `CREATE TABLE IF NOT EXISTS tidelock_local_tables (
     number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)`,
  `CREATE TABLE IF NOT EXISTS tidelock_log (
     id INTEGER PRIMARY KEY, tx INTEGER, table_number INTEGER, op INTEGER)`,
  `CREATE TABLE IF NOT EXISTS tidelock_transactions (
     number INTEGER PRIMARY KEY, nonce TEXT NOT NULL, state TEXT NOT NULL, timeline TEXT, position TEXT)`,
  `CREATE TABLE IF NOT EXISTS tidelock_pending (
     number INTEGER NOT NULL, seq INTEGER NOT NULL, table_name TEXT NOT NULL, key TEXT NOT NULL,
     line TEXT NOT NULL, PRIMARY KEY (number, seq)) WITHOUT ROWID`,
  'CREATE INDEX IF NOT EXISTS tidelock_pending_key ON tidelock_pending (table_name, key)',
  `CREATE TABLE IF NOT EXISTS tidelock_rejected (
     id INTEGER PRIMARY KEY, number INTEGER NOT NULL, table_name TEXT NOT NULL, key TEXT NOT NULL,
     operation TEXT NOT NULL, line TEXT NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL,
     rejected_at TEXT NOT NULL)`,
  'CREATE VIEW IF NOT EXISTS tidelock_boundary AS SELECT tx FROM tidelock_local',
  `CREATE TRIGGER IF NOT EXISTS tidelock_boundary_insert INSTEAD OF INSERT ON tidelock_boundary BEGIN
     UPDATE tidelock_local SET counter = counter + 1, tx = counter + 1 WHERE tx IS NOT NULL; END`,
] as const;

/** Ends one local transaction and begins the next, for any SQLite program. */
export const BOUNDARY_SQL = 'INSERT INTO tidelock_boundary VALUES (NULL)';

/** Ours, and written by nobody else. `tidelock_rejected` may be cleaned by anybody, the log is for the triggers. */
const GUARDED = [
  'tidelock_replica',
  'tidelock_tables',
  'tidelock_digests',
  'tidelock_local_tables',
  'tidelock_transactions',
  'tidelock_pending',
] as const;

export type Trigger = { readonly name: string; readonly sql: string };

/** True when the file captures local writes. */
export function isCapturing(sql: Sql): boolean {
  return hasTable(sql, 'tidelock_local');
}

export function hasTable(sql: Sql, name: string): boolean {
  const found = sql.prepare(`SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?`);
  return found.get(name) !== undefined;
}

/** Makes our tables, where they are missing. The gate is closed: the caller opens it at its commit. */
export function createLocalSchema(sql: Sql, site: string): void {
  for (const text of OWN_TABLES) sql.exec(text);
  addColumns(sql);
  sql.prepare('INSERT OR IGNORE INTO tidelock_local VALUES (1, ?, NULL, 1, 0, 0, NULL)').run(site);
  for (const name of GUARDED) setTriggers(sql, name, guardTriggers(name, 'it belongs to Tidelock'));
}

/** Files that were written to before there were these columns. */
function addColumns(sql: Sql): void {
  const user = sql.prepare(
    `SELECT 1 FROM pragma_table_info('tidelock_local') WHERE name = 'userid'`,
  );
  if (user.get() === undefined) sql.exec('ALTER TABLE tidelock_local ADD COLUMN userid TEXT');
  const tables = sql
    .prepare(
      `SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'tidelock_base_[0-9]*'
       AND NOT EXISTS (SELECT 1 FROM pragma_table_info(sqlite_schema.name) AS c WHERE c.name = 'tidelock_cl')`,
    )
    .all();
  for (const { name } of tables) {
    sql.exec(`ALTER TABLE ${quoteName(asText(name))} ADD COLUMN tidelock_cl INTEGER`);
    sql.exec(`ALTER TABLE ${quoteName(asText(name))} ADD COLUMN tidelock_versions TEXT`);
  }
}

/** Columns for the cells of the widest table: an update logs the new and the old row. */
export function widenLog(sql: Sql, columns: number): void {
  const present = sql.prepare(`SELECT count(*) AS n FROM pragma_table_info('tidelock_log')`).get();
  for (let index = Number(present?.n) - 4; index < columns * 2; index += 1) {
    sql.exec(`ALTER TABLE tidelock_log ADD COLUMN c${index}`);
  }
}

/** Makes `wanted` all triggers of ours that the table has. */
export function setTriggers(sql: Sql, localName: string, wanted: readonly Trigger[]): void {
  const missing = new Map(wanted.map((trigger) => [trigger.name, trigger.sql]));
  for (const { name, text } of triggersOf(sql, localName)) {
    if (missing.get(name) === text) missing.delete(name);
    else sql.exec(`DROP TRIGGER ${quoteName(name)}`);
  }
  for (const text of missing.values()) sql.exec(text);
}

export function createTriggers(sql: Sql, triggers: readonly Trigger[]): void {
  for (const trigger of triggers) sql.exec(trigger.sql);
}

export function dropTriggers(sql: Sql, triggers: readonly Trigger[]): void {
  for (const { name } of triggers) sql.exec(`DROP TRIGGER IF EXISTS ${quoteName(name)}`);
}

function triggersOf(sql: Sql, localName: string): readonly { name: string; text: string }[] {
  const rows = sql
    .prepare(
      `SELECT name, sql FROM sqlite_schema
       WHERE type = 'trigger' AND tbl_name = ? AND name LIKE 'tidelock@_%' ESCAPE '@'`,
    )
    .all(localName);
  return rows.map((row) => ({ name: asText(row.name), text: asText(row.sql) }));
}

/** Triggers that refuse every write but the follower's. */
export function guardTriggers(localName: string, why: string): readonly Trigger[] {
  const message = quoteText(`tidelock: ${localName} cannot be written here: ${why}`);
  return ['INSERT', 'UPDATE', 'DELETE'].map((event) => {
    const name = `tidelock_guard_${event.toLowerCase()}_${localName}`;
    const head = `CREATE TRIGGER ${quoteName(name)} BEFORE ${event} ON ${quoteName(localName)}`;
    return {
      name,
      sql: `${head} WHEN ${GATE_IS_OPEN} BEGIN SELECT RAISE(ABORT, ${message}); END`,
    };
  });
}

/**
 * Triggers that log every write. SQLite tells nobody which rows REPLACE removes (but with `recursive_triggers`),
 * so the row that is in the way of a key is noted before.
 */
export function captureTriggers(table: ReplicaTable, number: number): readonly Trigger[] {
  const on = table.quoted;
  const named = (event: string): string => quoteName(`tidelock_${event}_${number}`);
  const oldRow = table.columns.map((name) => `OLD.${name}`);
  const newRow = table.columns.map((name) => `NEW.${name}`);
  const texts: readonly (readonly [string, string])[] = [
    ['before_insert', `BEFORE INSERT ON ${on} WHEN ${GATE_IS_OPEN} AND (${inTheWay(table)})`],
    [
      'before_update',
      `BEFORE UPDATE OF ${table.keyColumns.join(', ')} ON ${on} WHEN ${GATE_IS_OPEN} AND (${keyChanges(table)}) AND (${inTheWay(table)})`,
    ],
    ['after_insert', `AFTER INSERT ON ${on}`],
    ['after_update', `AFTER UPDATE ON ${on}`],
    ['after_delete', `AFTER DELETE ON ${on}`],
  ];
  const bodies = [
    noteSql(table, number),
    noteSql(table, number),
    logSql(number, OP_INSERTED, newRow),
    logSql(number, OP_UPDATED, [...newRow, ...oldRow]),
    logSql(number, OP_DELETED, oldRow),
  ];
  const capturing = texts.map(([event, head], index) => ({
    name: `tidelock_${event}_${number}`,
    sql: `CREATE TRIGGER ${named(event)} ${head} BEGIN ${bodies[index]} END`,
  }));
  return [...capturing, ...computedTriggers(table, number)];
}

/**
 * Columns that Postgres computes are nobody's to write, here as there. An update of nothing else would have no change,
 * so nothing would ever put the base's value back.
 */
function computedTriggers(table: ReplicaTable, number: number): readonly Trigger[] {
  const { columns, key, twoway } = table.definition;
  const written = new Set([...key, ...(twoway?.columns ?? [])]);
  const computed = columns.flatMap(({ name }, position) =>
    written.has(name) ? [] : [table.columns[position] ?? ''],
  );
  if (computed.length === 0) return [];
  const names = computed.join(', ');
  const message = `tidelock: ${names} of ${table.localName} cannot be written here: Postgres computes it`;
  const given = computed.map((column) => `NEW.${column} IS NOT NULL`).join(' OR ');
  const differs = computed.map((column) => `NEW.${column} IS NOT OLD.${column}`).join(' OR ');
  const heads = [
    ['insert', `BEFORE INSERT ON ${table.quoted} WHEN ${GATE_IS_OPEN} AND (${given})`],
    [
      'update',
      `BEFORE UPDATE OF ${names} ON ${table.quoted} WHEN ${GATE_IS_OPEN} AND (${differs})`,
    ],
  ] as const;
  return heads.map(([event, head]) => {
    const name = `tidelock_computed_${event}_${number}`;
    const body = `SELECT RAISE(ABORT, ${quoteText(message)});`;
    return { name, sql: `CREATE TRIGGER ${quoteName(name)} ${head} BEGIN ${body} END` };
  });
}

function logSql(number: number, op: number, cells: readonly string[]): string {
  const columns = cells.map((_, index) => `c${index}`);
  return `INSERT INTO tidelock_log (tx, table_number, op, ${columns.join(', ')}) SELECT tx, ${number}, ${op}, ${cells.join(', ')} FROM tidelock_local WHERE tx IS NOT NULL;`;
}

function noteSql(table: ReplicaTable, number: number): string {
  const columns = table.columns.map((_, index) => `c${index}`);
  const message = quoteText(`tidelock: the primary key of ${table.localName} must not be NULL`);
  const refuse = `SELECT RAISE(ABORT, ${message}) WHERE ${hasNull(table)};`;
  const note = `INSERT INTO tidelock_log (tx, table_number, op, ${columns.join(', ')}) SELECT (SELECT tx FROM tidelock_local), ${number}, ${OP_NOTED}, ${table.columns.join(', ')} FROM ${table.quoted} WHERE ${sameKey(table)};`;
  return table.rowIdPosition === null ? `${refuse} ${note}` : note;
}

/** A row has the new key, or the new key cannot be one. SQLite itself gives a row id where none is given. */
function inTheWay(table: ReplicaTable): string {
  const exists = `EXISTS (SELECT 1 FROM ${table.quoted} WHERE ${sameKey(table)})`;
  return table.rowIdPosition === null ? `${hasNull(table)} OR ${exists}` : exists;
}

function hasNull(table: ReplicaTable): string {
  return table.keyColumns.map((name) => `NEW.${name} IS NULL`).join(' OR ');
}

function sameKey(table: ReplicaTable): string {
  return table.keyColumns.map((name) => `${table.quoted}.${name} = NEW.${name}`).join(' AND ');
}

function keyChanges(table: ReplicaTable): string {
  return table.keyColumns.map((name) => `NEW.${name} IS NOT OLD.${name}`).join(' OR ');
}
