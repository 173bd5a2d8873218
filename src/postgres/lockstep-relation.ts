/**
 * Tables and views as a Lockstep stream reads them: by the transaction id that each row carries in its column `txid`.
 * Needs no logical decoding, no slot and no right but SELECT.
 */
import { hasCode, messageOf, TidelockError } from '../core/errors.ts';
import { quoteName, quoteText } from '../core/table.ts';
import { parseTxidSnapshot, type TxidSnapshot } from '../core/txid-snapshot.ts';
import { type Cell, kindOfType, type ValueKind } from '../core/value.ts';
import { fullName } from './catalog.ts';
import { copyPlanned } from './copy.ts';
import { describeColumns, planRelation, type RelationColumn } from './copy-plan.ts';
import { OWN_SCHEMA, quoteTable } from './names.ts';
import { sqlStateOf } from './pg-errors.ts';
import type { PgSession } from './session.ts';

/** The columns that are the protocol's and not the reader's. */
const TXID = 'txid';
const DELETED = 'deleted';
const CURRENT_XMIN = 'current_xmin';

const INT8_OID = 20;
const BOOL_OID = 16;
/** SQLSTATE */
const UNDEFINED_TABLE = '42P01';
/** Rows may be read of these: table, partitioned table, view, materialised view, foreign table. */
const READABLE = ['r', 'p', 'v', 'm', 'f'];
/** Those that LOCK TABLE takes. */
const LOCKABLE = ['r', 'p', 'v'];

export type LockstepRelation = {
  /** `schema.name` */
  readonly name: string;
  readonly isView: boolean;
  readonly isLockable: boolean;
  readonly hasDeleted: boolean;
  readonly hasCurrentXmin: boolean;
  /** Everything else, in the relation's order. */
  readonly data: readonly { readonly name: string; readonly kind: ValueKind }[];
  readonly columns: readonly RelationColumn[];
};

/** Throws `NOT_FOUND`, and `RELATION_UNFIT` when a field of the protocol is missing or of another type. */
export async function describeRelation(
  session: PgSession,
  name: string,
): Promise<LockstepRelation> {
  const relation = fullName(name);
  const found = await describeColumns(session, relation);
  if (found === null || !READABLE.includes(found.relkind)) throw unknownRelation(relation);
  const byName = new Map(found.columns.map((column) => [column.name, column]));
  const txid = requireField(relation, byName.get(TXID), { field: TXID, oid: INT8_OID });
  const deleted = optionalField(relation, byName.get(DELETED), { field: DELETED, oid: BOOL_OID });
  const xmin = optionalField(relation, byName.get(CURRENT_XMIN), {
    field: CURRENT_XMIN,
    oid: INT8_OID,
  });
  const own = [txid, ...deleted, ...xmin];
  const data = found.columns.filter((column) => !own.includes(column));
  return {
    name: relation,
    isView: found.relkind === 'v' || found.relkind === 'm',
    isLockable: LOCKABLE.includes(found.relkind),
    hasDeleted: deleted.length > 0,
    hasCurrentXmin: xmin.length > 0,
    data: data.map((column) => ({ name: column.name, kind: kindOfType(column.oid) })),
    columns: [...own, ...data],
  };
}

/** Names of all relations outside Postgres' own schemas that have a `txid bigint`. */
export async function lockstepRelations(session: PgSession): Promise<readonly string[]> {
  const rows = await session.query(`
    SELECT n.nspname || '.' || c.relname AS name
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = '${TXID}'
      AND NOT a.attisdropped AND a.atttypid = ${INT8_OID}
    WHERE c.relkind IN (${READABLE.map(quoteText).join(', ')}) AND NOT c.relispartition
      AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT IN ('information_schema', '${OWN_SCHEMA}')
    ORDER BY 1`);
  return rows.map(({ name }) => name ?? '');
}

export type RowsRequest = {
  readonly relation: string;
  /** Rows with a transaction id at or above this. */
  readonly from: number;
  /** Only rows of transactions below the oldest one that is still open: no others can come before them. */
  readonly isSettledOnly: boolean;
  readonly omitsDeleted: boolean;
  /** Without rows whose id no transaction has had yet: a restored table may have nothing else. */
  readonly omitsFuture: boolean;
};

/** How often Postgres looks whether whoever asked is still there. */
const PRESENCE_MS = 500;
/** SQLSTATE classes of errors that lie in the relation or its rows: a view that divides by zero, a right that is gone. */
const RELATION_STATES = /^(0A|2[0-8]|3[4-9]|42|44|54|P0|XX)/;

export type RelationRow = {
  readonly txid: number | bigint;
  /** The view's own; null: it has none. */
  readonly currentXmin: number | null;
  readonly isDeleted: boolean;
  readonly data: readonly Cell[];
};

export type RowsVisitor = {
  /** Called once, before any rows: what the rows that follow were read under. */
  readonly onStart: (relation: LockstepRelation, snapshot: TxidSnapshot) => void;
  /** Rows in the order of their transaction ids. The next come when the promise resolves. */
  readonly onRows: (rows: readonly RelationRow[]) => Promise<void>;
};

/**
 * Reads under one snapshot. Throws `NOT_FOUND`, `RELATION_UNFIT`, `SOURCE_DOWN`, or Postgres' error. When `onRows` throws, the session
 * is ended.
 */
export async function readRows(
  session: PgSession,
  request: RowsRequest,
  visitor: RowsVisitor,
): Promise<void> {
  const { isLockable, name } = await describeRelation(session, request.relation);
  // Locked before the snapshot: a table that is rewritten in between would look empty to it.
  const lock = isLockable ? `LOCK TABLE ${quoteTable(name)} IN ACCESS SHARE MODE;` : '';
  try {
    const taken = await session.queryOne(
      `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ${lock}
       SELECT pg_catalog.pg_current_snapshot() AS snapshot`,
    );
    const snapshot = parseTxidSnapshot(taken.snapshot ?? '');
    if (snapshot === null) throw badSnapshot(taken.snapshot);
    const relation = await describeRelation(session, name);
    const condition = conditionOf(request, relation, snapshot);
    const plan = planRelation({ relation: name, columns: relation.columns, condition });
    visitor.onStart(relation, snapshot);
    for await (const { rows } of copyPlanned(session, plan)) {
      await visitor.onRows(rows.map((row) => rowOf(relation, row)));
    }
  } catch (error) {
    if (sqlStateOf(error) === UNDEFINED_TABLE) await requireStillThere(session, name);
    throw unreadable(error, name) ?? error;
  } finally {
    if (!session.isLost) await session.query('COMMIT').catch(() => undefined); // it only read
  }
}

/** It may have gone since it was described, or a table that its view's functions read. Throws `NOT_FOUND` for the first. */
async function requireStillThere(session: PgSession, name: string): Promise<void> {
  await session.query('ROLLBACK');
  await describeRelation(session, name);
}

/**
 * Ends the session's query soon after its connection was cut, also while it sorts, waits for a lock or computes.
 * A Postgres before 14 does so when it next sends something.
 */
export async function endWithReader(session: PgSession): Promise<void> {
  await session.query(`SELECT pg_catalog.set_config(name, '${PRESENCE_MS}', false)
    FROM pg_catalog.pg_settings WHERE name = 'client_connection_check_interval'`);
}

function conditionOf(
  { from, isSettledOnly, omitsDeleted, omitsFuture }: RowsRequest,
  { hasDeleted }: LockstepRelation,
  { xmin, xmax }: TxidSnapshot,
): string {
  const parts = [`${quoteName(TXID)} >= ${from}`];
  if (omitsFuture && !isSettledOnly) parts.push(`${quoteName(TXID)} < ${xmax}`);
  if (isSettledOnly) parts.push(`${quoteName(TXID)} < ${xmin}`);
  if (omitsDeleted && hasDeleted) parts.push(`${quoteName(DELETED)} IS NOT TRUE`);
  return `WHERE ${parts.join(' AND ')} ORDER BY ${quoteName(TXID)}`;
}

function rowOf({ hasDeleted, hasCurrentXmin }: LockstepRelation, cells: Cell[]): RelationRow {
  let at = 1;
  const isDeleted = hasDeleted ? cells[at++] === 1 : false;
  const currentXmin = hasCurrentXmin ? cells[at++] : null;
  return {
    txid: cells[0] as number | bigint,
    currentXmin: typeof currentXmin === 'number' ? currentXmin : null,
    isDeleted,
    data: cells.slice(at),
  };
}

type Field = { readonly field: string; readonly oid: number };

function requireField(
  relation: string,
  column: RelationColumn | undefined,
  field: Field,
): RelationColumn {
  const [found] = optionalField(relation, column, field);
  if (found !== undefined) return found;
  throw new TidelockError({
    code: 'RELATION_UNFIT',
    message: `${relation} has no column ${field.field}, by which Lockstep orders rows`,
    hint: `tidelock lockstep install ${relation} --postgres <url>, or add ${field.field} to the view`,
  });
}

function optionalField(
  relation: string,
  column: RelationColumn | undefined,
  { field, oid }: Field,
): readonly RelationColumn[] {
  if (column === undefined) return [];
  if (column.oid === oid) return [column];
  const wanted = oid === BOOL_OID ? 'boolean' : 'bigint';
  throw new TidelockError({
    code: 'RELATION_UNFIT',
    message: `column ${field} of ${relation} is not ${wanted}`,
    hint: `make it ${wanted}, or give the stream a view whose column ${field} is (${field}::text::${wanted})`,
  });
}

function unknownRelation(relation: string): TidelockError {
  return new TidelockError({
    code: 'NOT_FOUND',
    message: `there is no table or view ${relation}`,
    hint: 'name it as schema.name; without a schema it is looked for in public',
  });
}

/** An error of Postgres that will be the same next time; null for all others. */
function unreadable(error: unknown, relation: string): TidelockError | null {
  const state = sqlStateOf(error);
  if (state === undefined || hasCode(error, 'SOURCE_DOWN') || !RELATION_STATES.test(state)) {
    return null;
  }
  return new TidelockError({
    code: 'RELATION_UNFIT',
    message: `${relation} cannot be read: ${messageOf((error as TidelockError).cause)}`,
    hint:
      state === '42501'
        ? `GRANT SELECT ON ${quoteTable(relation)} TO <the role that streams>`
        : 'mend the view or the row that fails; then connect again, the stream resumes by since',
    cause: error,
  });
}

function badSnapshot(text: string | null | undefined): TidelockError {
  return new TidelockError({ code: 'PROTOCOL', message: `no snapshot: ${JSON.stringify(text)}` });
}
