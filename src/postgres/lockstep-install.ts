/**
 * What a table needs so that it can be streamed by its transaction ids: the columns, a trigger that renews `txid` with every
 * write, an index, and, when wished, deletes that leave a mark instead of a hole.
 */
import { TidelockError } from '../core/errors.ts';
import { fullName } from './catalog.ts';
import { OWN_SCHEMA, quoteTable, splitTableName } from './names.ts';
import type { PgSession } from './session.ts';

export type InstallOptions = {
  readonly table: string;
  /** A DELETE sets `deleted` instead: readers of a query cannot see what is not there. */
  readonly isSoftDelete: boolean;
  /** Also a view `<table>_lockstep` with `current_xmin`, for plain SQL readers. */
  readonly hasView: boolean;
};

const RENEW_TRIGGER = 'tidelock_lockstep_renew';
const SOFT_DELETE_TRIGGER = 'tidelock_lockstep_delete';

const RENEW_FUNCTION = `${OWN_SCHEMA}.lockstep_renew`;
const DELETE_FUNCTION = `${OWN_SCHEMA}.lockstep_delete`;

/**
 * The statements, in order; each may be run again without harm. Throws `NOT_FOUND` for a missing table and `RELATION_UNFIT`
 * for what is no table, or has no key by which a soft delete could find its row.
 */
export async function installSql(
  session: PgSession,
  options: InstallOptions,
): Promise<readonly string[]> {
  const name = fullName(options.table);
  const { key, columns, isIndexed } = await factsOf(session, name);
  requireType(name, columns, { column: 'txid', type: 'bigint' });
  requireType(name, columns, { column: 'deleted', type: 'boolean' });
  const table = quoteTable(name);
  const statements = [
    `CREATE SCHEMA IF NOT EXISTS ${OWN_SCHEMA}`,
    `ALTER TABLE ${table} ADD COLUMN IF NOT EXISTS txid bigint NOT NULL DEFAULT pg_catalog.txid_current()`,
    ...(isIndexed ? [] : [`CREATE INDEX ON ${table} (txid)`]),
    `CREATE OR REPLACE FUNCTION ${RENEW_FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN NEW.txid := pg_catalog.txid_current(); RETURN NEW; END $$`,
    ...triggerSql(table, { name: RENEW_TRIGGER, events: 'INSERT OR UPDATE', run: RENEW_FUNCTION }),
    // Of a column that was there before.
    ...('txid' in columns ? [`UPDATE ${table} SET txid = DEFAULT WHERE txid IS NULL`] : []),
  ];
  if (options.isSoftDelete) {
    if (key.length === 0) throw withoutKey(name);
    statements.push(
      `ALTER TABLE ${table} ADD COLUMN IF NOT EXISTS deleted boolean NOT NULL DEFAULT false`,
      deleteFunctionSql(),
      ...triggerSql(table, {
        name: SOFT_DELETE_TRIGGER,
        events: 'DELETE',
        run: DELETE_FUNCTION,
        args: key,
      }),
    );
  }
  if (options.hasView) {
    const view = quoteTable(`${name}_lockstep`);
    statements.push(`CREATE OR REPLACE VIEW ${view} AS
  SELECT pg_catalog.txid_snapshot_xmin(pg_catalog.txid_current_snapshot()) AS current_xmin, * FROM ${table}`);
  }
  return statements;
}

/** Runs them in one transaction. */
export async function install(session: PgSession, statements: readonly string[]): Promise<void> {
  await session.query(['BEGIN', ...statements, 'COMMIT'].join(';\n'));
}

function triggerSql(
  table: string,
  trigger: { name: string; events: string; run: string; args?: readonly string[] },
): readonly string[] {
  const { name, events, run, args = [] } = trigger;
  const list = args.map((arg) => `'${arg.replaceAll("'", "''")}'`).join(', ');
  return [
    `DROP TRIGGER IF EXISTS ${name} ON ${table}`,
    `CREATE TRIGGER ${name} BEFORE ${events} ON ${table} FOR EACH ROW EXECUTE FUNCTION ${run}(${list})`,
  ];
}

/** Marks the row that would go; a row that is marked already really goes. The arguments are the key's columns. */
function deleteFunctionSql(): string {
  return `CREATE OR REPLACE FUNCTION ${DELETE_FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  condition text;
BEGIN
  IF OLD.deleted THEN RETURN OLD; END IF;
  SELECT pg_catalog.string_agg(pg_catalog.format('%I = ($1).%I', arg, arg), ' AND ')
    INTO condition FROM pg_catalog.unnest(TG_ARGV) arg;
  EXECUTE pg_catalog.format('UPDATE %I.%I SET deleted = true WHERE %s', TG_TABLE_SCHEMA, TG_TABLE_NAME, condition) USING OLD;
  RETURN NULL;
END $$`;
}

type Facts = {
  readonly key: readonly string[];
  /** Their types by name. */
  readonly columns: Readonly<Record<string, string>>;
  readonly isIndexed: boolean;
};

async function factsOf(session: PgSession, name: string): Promise<Facts> {
  const { schema, table } = splitTableName(name);
  const [found] = await session.query(
    `SELECT c.relkind, (SELECT pg_catalog.json_agg(a.attname) FROM pg_catalog.pg_index i
       JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey::int2[])
       WHERE i.indrelid = c.oid AND i.indisprimary)::text AS key,
       (SELECT pg_catalog.json_object_agg(attname, pg_catalog.format_type(atttypid, atttypmod)) FROM pg_catalog.pg_attribute
         WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped)::text AS columns,
       EXISTS (SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = 'txid'
         WHERE i.indrelid = c.oid AND i.indkey[0] = a.attnum AND i.indpred IS NULL AND i.indisvalid) AS is_indexed
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relname = $2`,
    [schema, table],
  );
  if (found === undefined) {
    throw new TidelockError({
      code: 'NOT_FOUND',
      message: `there is no table ${name}`,
      hint: 'name it as schema.table; without a schema it is looked for in public',
    });
  }
  if (found.relkind !== 'r' && found.relkind !== 'p') {
    throw new TidelockError({
      code: 'RELATION_UNFIT',
      message: `${name} is no table`,
      hint: 'install on the tables that the view reads, then give the view the greatest() of their txid',
    });
  }
  return {
    key: JSON.parse(found.key ?? '[]') as Facts['key'],
    columns: JSON.parse(found.columns ?? '{}') as Facts['columns'],
    isIndexed: found.is_indexed === 't',
  };
}

/** A column of this name that means something else must not be written over. */
function requireType(
  table: string,
  columns: Facts['columns'],
  { column, type }: { readonly column: string; readonly type: string },
): void {
  const present = columns[column];
  if (present === undefined || present === type) return;
  throw new TidelockError({
    code: 'RELATION_UNFIT',
    message: `${table} has a column ${column} of type ${present}, where a stream needs ${type}`,
    hint: `rename it, or stream a view of the table whose ${column} is ${type}`,
  });
}

function withoutKey(name: string): TidelockError {
  return new TidelockError({
    code: 'RELATION_UNFIT',
    message: `${name} has no primary key, so a soft delete could not find its row`,
    hint: 'add a primary key, or install without --soft-delete',
  });
}
