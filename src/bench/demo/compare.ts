/**
 * The second opinion: rows of both databases, read with plain SQL and compared one by one, and both held
 * against what the writers say they wrote. Shares no code with the engine, the feed or the digests.
 */
import type { PgSession } from '../../postgres/session.ts';
import { openSql } from '../../sqlite/sql.ts';
import type { City } from './places.ts';
import type { Written } from './workload.ts';

const BUSY_WAIT_MS = 5000;
/** Differences that are named, per replica. */
const NAMED_MAX = 5;

const TABLES = [
  {
    table: 'city',
    columns: ['id', 'name', 'country', 'admin', 'kind', 'population', 'lat', 'lon'],
    isSelected: true,
  },
  {
    table: 'relocation',
    columns: ['id', 'country', 'from_city', 'to_city', 'people', 'at'],
    isSelected: true,
  },
  { table: 'kind', columns: ['code', 'meaning', 'edits'], isSelected: false },
] as const;

type TableName = (typeof TABLES)[number]['table'];

/** The two databases print these in their own ways; the value is what counts. */
const COMMON_FORMS: Readonly<Record<string, (text: string) => string>> = {
  lat: (text) => String(Number(text)),
  lon: (text) => String(Number(text)),
  at: (text) => text.replace(/\+00(:00)?$/, ''),
};

type Row = Readonly<Record<string, unknown>>;
/** Rows by key, each as one line of text. */
type Lines = ReadonlyMap<string, string>;
type Database = Readonly<Record<TableName, Lines>>;

export type RowComparison = {
  /** Rows that the replica has to hold. */
  readonly rows: number;
  /** Rows that are missing, too many or different in the replica. */
  readonly wrong: number;
  /** The first of them, in words. */
  readonly named: readonly string[];
  /** Rows whose last committed state, as their writer knows it, is not what the replica has. */
  readonly lost: number;
  /** The same for Postgres itself: somebody else writes there. */
  readonly foreign: number;
};

/** Compares every row of one replica. Its writers must have ended. */
export async function compareRows(work: {
  readonly session: PgSession;
  readonly replica: { readonly selector: string; readonly file: string };
  readonly written: Written;
}): Promise<RowComparison> {
  const { session, replica, written } = work;
  const postgres = await readPostgres(session, replica.selector);
  const sqlite = readSqlite(replica.file);
  const wrong = TABLES.flatMap(({ table }) => differences(table, postgres[table], sqlite[table]));
  return {
    rows: TABLES.reduce((sum, { table }) => sum + postgres[table].size, 0),
    wrong: wrong.length,
    named: wrong.slice(0, NAMED_MAX),
    lost: missedWrites(written, sqlite, replica.selector),
    foreign: missedWrites(written, postgres, replica.selector),
  };
}

/** Which of these places a replica has. */
export function citiesIn(file: string, ids: readonly number[]): readonly number[] {
  const { city } = readSqlite(file);
  return ids.filter((id) => city.has(`${id}`));
}

async function readPostgres(session: PgSession, selector: string): Promise<Database> {
  const database: Partial<Record<TableName, Lines>> = {};
  for (const { table, columns, isSelected } of TABLES) {
    const sql = `SELECT ${columns.join()} FROM ${table}`;
    const rows = isSelected
      ? await session.query(`${sql} WHERE country = $1`, [selector])
      : await session.query(sql);
    database[table] = linesOf(rows, columns);
  }
  return database as Database;
}

function readSqlite(file: string): Database {
  const sql = openSql(file, { timeoutMs: BUSY_WAIT_MS, isReadOnly: true });
  try {
    sql.exec('BEGIN');
    const entries = TABLES.map(({ table, columns }) => {
      const rows = sql.prepare(`SELECT ${columns.join()} FROM ${table}`).all();
      return [table, linesOf(rows, columns)] as const;
    });
    return Object.fromEntries(entries) as Database;
  } finally {
    sql.close();
  }
}

function linesOf(rows: readonly Row[], columns: readonly string[]): Lines {
  const [key = ''] = columns;
  return new Map(rows.map((row) => [String(row[key]), lineOf(row, columns)]));
}

function lineOf(row: Row, columns: readonly string[]): string {
  const texts = columns.map((column) => {
    const text = String(row[column]);
    return COMMON_FORMS[column]?.(text) ?? text;
  });
  return JSON.stringify(texts);
}

function differences(table: string, postgres: Lines, sqlite: Lines): readonly string[] {
  const keys = new Set([...postgres.keys(), ...sqlite.keys()]);
  return [...keys]
    .filter((key) => postgres.get(key) !== sqlite.get(key))
    .map((key) => {
      const [theirs, ours] = [postgres.get(key) ?? 'no row', sqlite.get(key) ?? 'no row'];
      return `${table} ${key}: Postgres has ${theirs}, the replica ${ours}`;
    });
}

/** How many written rows are not as they were written, among those that belong to `selector`. */
function missedWrites(written: Written, database: Database, selector: string): number {
  const isMissed = ([id, city]: readonly [number, City | null]): boolean => {
    const line = city?.country === selector ? lineOf(city, TABLES[0].columns) : undefined;
    return database.city.get(`${id}`) !== line;
  };
  const relocations = written.relocations.filter(
    ({ id, country }) => country === selector && !database.relocation.has(`${id}`),
  );
  const kinds = [...written.kinds].filter(([code, edits]) => {
    const line = database.kind.get(code);
    return line === undefined || JSON.parse(line)[2] !== `${edits}`;
  });
  return [...written.cities].filter(isMissed).length + relocations.length + kinds.length;
}
