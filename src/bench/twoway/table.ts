/** The table of a run: made from a statement, described by Postgres' catalog, filled by number. */
import { createHash } from 'node:crypto';
import { TidelockError } from '../../core/errors.ts';
import { quoteName } from '../../core/table.ts';
import type { PgSession } from '../../postgres/session.ts';
import type { ColumnKind, EvidenceTable } from '../stress/evidence.ts';

export const DEFAULT_SCHEMA = `CREATE TABLE test_sync (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL DEFAULT '',
  name TEXT,
  value INTEGER
)`;

const USER_COLUMN = 'user_id';
const NAME =
  /^\s*create\s+table\s+(?:if\s+not\s+exists\s+)?((?:"[^"]+"|\w+)(?:\.(?:"[^"]+"|\w+))?)\s*\(/i;

const COLUMNS_SQL = `
  SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type,
         (i.indkey[0] = a.attnum AND i.indnkeyatts = 1)::text AS is_key, (a.attgenerated <> '' OR a.attidentity <> '')::text AS is_made
  FROM pg_attribute a
  LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
  WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`;

export type TableColumn = {
  readonly name: string;
  /** As Postgres calls it. */
  readonly type: string;
  readonly kind: ColumnKind;
};

export type RunTable = {
  /** `schema.table`, unquoted. */
  readonly name: string;
  /** In a replica's file. */
  readonly local: string;
  readonly key: string;
  /** Whose row it is; null: the table has no such column. */
  readonly user: string | null;
  /** Carries the stamp of the write, and the canary. */
  readonly text: string;
  /** Carries the number of the write; null: there is none. */
  readonly number: string | null;
  /** All of them, in order. */
  readonly columns: readonly TableColumn[];
};

/** `schema.table` of a CREATE TABLE. Throws `BAD_CONFIG`. */
export function tableNameOf(schema: string): string {
  const name = NAME.exec(schema)?.[1];
  if (name === undefined) {
    throw badTable(
      'the schema is no CREATE TABLE statement',
      'write one statement: CREATE TABLE name (…)',
    );
  }
  const parts = (name.match(/"[^"]+"|\w+/g) ?? []).map((part) =>
    part.startsWith('"') ? part.slice(1, -1) : part.toLowerCase(),
  );
  return parts.length === 1 ? `public.${parts[0]}` : parts.join('.');
}

/** `"schema"."table"`. */
export function quoted(name: string): string {
  return name.split('.').map(quoteName).join('.');
}

/** Throws `BAD_CONFIG` when the run cannot be made with this table. */
export async function describeTable(
  session: PgSession,
  name: string,
  isRls: boolean,
): Promise<RunTable> {
  const rows = await session.query(COLUMNS_SQL, [quoted(name)]);
  const columns = rows.map(({ name: column, type }) => ({
    ...{ name: column ?? '', type: type ?? '' },
    kind: kindOf(type ?? ''),
  }));
  const key = rows.find(({ is_key }) => is_key === 'true');
  const free = columns.filter(
    ({ name: column }) =>
      column !== key?.name &&
      column !== USER_COLUMN &&
      rows.find((row) => row.name === column)?.is_made !== 'true',
  );
  const user = columns.find(({ name: column }) => column === USER_COLUMN)?.name ?? null;
  const text = free.find(({ type }) => isText(type))?.name;
  const number = free.find(({ type }) => type === 'integer' || type === 'bigint')?.name ?? null;
  if (key === undefined || !isText(key.type ?? '')) {
    throw badTable(
      `${name} has no primary key of one text column`,
      'keys look like db1_r2_3: id TEXT PRIMARY KEY',
    );
  }
  if (text === undefined) {
    throw badTable(
      `${name} has no text column besides its key`,
      'each write leaves its stamp in one: name TEXT',
    );
  }
  if (isRls && user === null) {
    throw badTable(
      `${name} has no column ${USER_COLUMN}`,
      "policies read it: user_id TEXT NOT NULL DEFAULT ''",
    );
  }
  const made = rows.filter(({ is_made }) => is_made === 'true').map((row) => row.name);
  return {
    ...{ name, local: name.slice(name.indexOf('.') + 1), key: key.name ?? '', user, text, number },
    columns: columns.filter((column) => !made.includes(column.name)),
  };
}

function isText(type: string): boolean {
  return type === 'text' || type === 'character varying';
}

const KINDS: Readonly<Record<string, ColumnKind>> = {
  smallint: 'int',
  integer: 'int',
  bigint: 'bigint',
  real: 'float',
  'double precision': 'float',
  boolean: 'bool',
  bytea: 'bytes',
  'timestamp with time zone': 'timestamptz',
};

function kindOf(type: string): ColumnKind {
  return KINDS[type] ?? 'text';
}

/** As the bench's own scans and digests want it. */
export function evidenceOf(table: RunTable): EvidenceTable {
  const { name, columns, key } = table;
  return { name, columns, key: [key], selector: null, balance: null };
}

/** What a write puts into a column that carries neither stamp nor number; the same for all its rows. */
export function fillerOf(type: string, write: number): string | number | Uint8Array | null {
  switch (type) {
    case 'smallint':
      return write % 30_000;
    case 'integer':
    case 'bigint':
      return write;
    case 'real':
    case 'double precision':
      return write / 4;
    case 'boolean':
      return write % 2;
    case 'bytea':
      return createHash('sha256').update(`${write}`).digest().subarray(0, 8);
    case 'numeric':
      return `${write}.25`;
    case 'date':
      return '2026-11-22';
    case 'timestamp with time zone':
      return '2026-11-22 10:00:00+00:00';
    case 'timestamp without time zone':
      return '2026-11-22 10:00:00';
    case 'uuid':
      return `00000000-0000-4000-8000-${String(write).padStart(12, '0')}`;
    case 'json':
    case 'jsonb':
      return `{"write": ${write}}`;
    default:
      return isText(type) ? `filler ${write}` : null;
  }
}

function badTable(message: string, hint: string): TidelockError {
  return new TidelockError({ code: 'BAD_CONFIG', message, hint });
}
