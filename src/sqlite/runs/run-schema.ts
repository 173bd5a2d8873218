/**
 * The file of a run database: its tables, and the facts beside them.
 *
 * Every table has an index on `seq`, so "what changed since" is a range read. What went away stands in `removed`.
 * `commits` has when each transaction that is not yet in the durable database was made: its first row is how old the
 * oldest of them is.
 */
import { TidelockError } from '../../core/errors.ts';
import {
  RUN_TABLES,
  type RunColumn,
  type RunColumnKind,
  type RunTable,
  sqlName,
} from '../../planner/run-tables.ts';
import { asNumber, inTransaction, type Sql } from '../sql.ts';

const FORMAT = 1;
/** `TLRN` in the file's header. */
const APPLICATION_ID = 0x544c524e;

const TYPES: Readonly<Record<RunColumnKind, string>> = {
  ...{ int: 'INTEGER', real: 'REAL', text: 'TEXT', bool: 'INTEGER', json: 'TEXT' },
};

const FACTS = [
  'CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID',
  'CREATE TABLE removed (seq INTEGER PRIMARY KEY, tbl TEXT NOT NULL, id NOT NULL)',
] as const;

const LOCAL_FACTS = [
  'CREATE TABLE commits (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL)',
  `CREATE TABLE answers (key TEXT PRIMARY KEY, at INTEGER NOT NULL, digest TEXT NOT NULL,
     result TEXT NOT NULL) WITHOUT ROWID`,
  'CREATE INDEX answers_at ON answers (at)',
] as const;

/** Actions of `isStarting`. Written out as in the index, or SQLite does not use it. */
export const STARTING = "action IN ('run', 'rerun', 'clean-rerun')";

/** Made where they are missing: a file of an earlier program has them from its next opening on. */
const LATER = [
  `CREATE INDEX IF NOT EXISTS tasks_scope ON tasks (args ->> '$.target', args ->> '$.name')
     WHERE state IN ('new', 'claimed', 'running') AND kind = 'action'`,
  `CREATE INDEX IF NOT EXISTS tasks_starts ON tasks (args ->> '$.target', args ->> '$.name')
     WHERE ${STARTING}`,
  'CREATE INDEX IF NOT EXISTS tasks_children ON tasks (parent_id) WHERE parent_id IS NOT NULL',
  'CREATE TABLE IF NOT EXISTS lag (at INTEGER PRIMARY KEY, age_ms INTEGER NOT NULL)',
  `CREATE INDEX IF NOT EXISTS events_marks ON events (at) WHERE kind IN ('fault', 'lag')`,
  `CREATE INDEX IF NOT EXISTS events_waits ON events (run_id, seq) WHERE kind = 'wait'`,
] as const;

const INDEXES = [
  'CREATE UNIQUE INDEX runs_name ON runs (target, name)',
  'CREATE UNIQUE INDEX tests_name ON tests (run_id, name, item_path, is_toplevel)',
  'CREATE INDEX tests_items ON tests (run_id, name, is_toplevel, state, status)',
  'CREATE INDEX tests_history ON tests (name, item_path, ended_at)',
  'CREATE UNIQUE INDEX steps_name ON steps (test_id, name)',
  'CREATE UNIQUE INDEX data_name ON data (test_id, category, variable)',
  `CREATE INDEX tasks_queue ON tasks (priority DESC, id) WHERE state IN ('new', 'claimed', 'running')`,
  `CREATE UNIQUE INDEX tasks_dedupe ON tasks (dedupe_key)
     WHERE state IN ('new', 'claimed', 'running') AND dedupe_key IS NOT NULL`,
  'CREATE INDEX tasks_owner ON tasks (lease_owner) WHERE lease_owner IS NOT NULL',
  'CREATE INDEX events_run ON events (run_id, seq)',
  'CREATE INDEX events_test ON events (test_id, seq)',
] as const;

/** `CREATE TABLE` of a table with these columns. Rows that name their own key count upwards and never again. */
function createTable(table: RunTable, columns: readonly RunColumn[]): string {
  const parts = columns.map(({ field, kind, isNullable }) => {
    const isKey = field === table.key;
    const key = kind === 'int' && field === 'id' ? ' PRIMARY KEY AUTOINCREMENT' : ' PRIMARY KEY';
    return `${sqlName(field)} ${TYPES[kind]}${isKey ? key : isNullable ? '' : ' NOT NULL'}`;
  });
  return `CREATE TABLE ${table.name} (${parts.join(', ')})`;
}

/** Whether this is a new file. Throws `RUNS_UNUSABLE` for a file of somebody else or a newer format. */
export function prepareRunFile(sql: Sql, file: string): boolean {
  sql.exec('PRAGMA journal_mode = WAL');
  sql.exec('PRAGMA synchronous = NORMAL');
  sql.exec('PRAGMA journal_size_limit = 67108864');
  sql.exec('PRAGMA cache_size = -16384');
  const isNew = !isReady(sql, file) && makeRunFile(sql, file);
  for (const statement of LATER) sql.exec(statement);
  return isNew;
}

/** False when another process was first. */
function makeRunFile(sql: Sql, file: string): boolean {
  return inTransaction(sql, () => {
    if (isReady(sql, file)) return false;
    for (const table of RUN_TABLES) sql.exec(createTable(table, table.columns));
    for (const statement of [...FACTS, ...LOCAL_FACTS, ...INDEXES]) sql.exec(statement);
    for (const { name, key } of RUN_TABLES) {
      if (key !== 'seq') sql.exec(`CREATE INDEX ${name}_seq ON ${name} (seq)`);
    }
    stamp(sql);
    return true;
  });
}

/** The durable copy: the same rows without what is local. */
export function prepareCopyFile(
  sql: Sql,
  file: string,
  tables: readonly { readonly table: RunTable; readonly columns: readonly RunColumn[] }[],
): void {
  sql.exec('PRAGMA journal_mode = WAL');
  sql.exec('PRAGMA synchronous = FULL');
  if (isReady(sql, file)) return;
  inTransaction(sql, () => {
    if (isReady(sql, file)) return;
    for (const { table, columns } of tables) sql.exec(createTable(table, columns));
    for (const statement of FACTS) sql.exec(statement);
    stamp(sql);
  });
}

function stamp(sql: Sql): void {
  sql.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
  sql.exec(`PRAGMA user_version = ${FORMAT}`);
}

function isReady(sql: Sql, file: string): boolean {
  const id = pragma(sql, 'application_id');
  const format = pragma(sql, 'user_version');
  if (id === APPLICATION_ID && format === FORMAT) return true;
  if (id === 0 && format === 0 && tableCount(sql) === 0) return false;
  throw new TidelockError({
    code: 'RUNS_UNUSABLE',
    message:
      id === APPLICATION_ID
        ? `${file} has format ${format} of run databases, this program knows ${FORMAT}`
        : `${file} is not a run database`,
    hint: 'name another file, or run the version of the program that wrote it',
  });
}

function pragma(sql: Sql, name: string): number {
  return asNumber(sql.prepare(`PRAGMA ${name}`).get()?.[name]);
}

function tableCount(sql: Sql): number {
  return asNumber(sql.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.n);
}

export function readFact(sql: Sql, name: string): string | null {
  const value = sql.prepare('SELECT value FROM meta WHERE name = ?').get(name)?.value;
  return typeof value === 'string' ? value : null;
}

export function writeFact(sql: Sql, name: string, value: string): void {
  sql.prepare('INSERT OR REPLACE INTO meta VALUES (?, ?)').run(name, value);
}
