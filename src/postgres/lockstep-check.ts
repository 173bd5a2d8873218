/** Says what a table or view lacks for a Lockstep stream, and where rows could be lost. */
import { hasCode, TidelockError } from '../core/errors.ts';
import { quoteText } from '../core/table.ts';
import { fullName } from './catalog.ts';
import { type Finding, fail, ok, warn } from './findings.ts';
import { describeRelation, type LockstepRelation } from './lockstep-relation.ts';
import { quoteTable } from './names.ts';
import { oldestTransactionS } from './oldest-transaction.ts';
import type { PgSession } from './session.ts';

/** An open transaction older than this holds up readers in strict mode noticeably. */
const OLD_TRANSACTION_S = 60;

export async function checkRelation(session: PgSession, name: string): Promise<readonly Finding[]> {
  const relation = await described(session, fullName(name));
  if ('check' in relation) return [relation];
  return [
    ok('fields', fieldsOf(relation)),
    ...(await storageFindings(session, relation)),
    ...(relation.isView
      ? await viewFindings(session, relation)
      : await tableFindings(session, relation)),
    ...(await valueFindings(session, relation)),
    await deleteFinding(session, relation),
    await transactionFinding(session),
  ];
}

async function described(session: PgSession, name: string): Promise<LockstepRelation | Finding> {
  try {
    return await describeRelation(session, name);
  } catch (error) {
    if (!(error instanceof TidelockError) || !hasCode(error, 'RELATION_UNFIT')) throw error;
    return fail('fields', error.message, 'the relation cannot be streamed', error.hint ?? '');
  }
}

function fieldsOf({ hasDeleted, hasCurrentXmin }: LockstepRelation): string {
  const fields = [
    'txid',
    ...(hasDeleted ? ['deleted'] : []),
    ...(hasCurrentXmin ? ['current_xmin'] : []),
  ];
  return fields.join(', ');
}

/** Relations whose rows appear or vanish without a transaction of their own. */
async function storageFindings(
  session: PgSession,
  { name }: LockstepRelation,
): Promise<readonly Finding[]> {
  const { kind } = await session.queryOne(`
    WITH RECURSIVE read(oid) AS (
      SELECT ${quoteText(quoteTable(name))}::pg_catalog.regclass::oid
      UNION SELECT d.refobjid FROM read JOIN pg_catalog.pg_rewrite r ON r.ev_class = read.oid
      JOIN pg_catalog.pg_class v ON v.oid = r.ev_class AND v.relkind = 'v'
      JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    ) SELECT pg_catalog.string_agg(DISTINCT CASE WHEN c.relpersistence = 'u' THEN 'u' ELSE c.relkind::text END, '') AS kind
    FROM read JOIN pg_catalog.pg_class c USING (oid)`);
  const found: Finding[] = [];
  if (kind?.includes('m')) {
    const lost = 'a refresh brings rows with ids that readers have passed: they are lost';
    found.push(fail('rows', 'a materialised view is read', lost, 'stream a plain view'));
  }
  if (kind?.includes('f')) {
    const lost = 'its ids are those of another server, and mean nothing here: rows are lost';
    found.push(fail('rows', 'a foreign table is read', lost, 'stream it from its own server'));
  }
  if (kind?.includes('u')) {
    const lost = 'a crash empties it, and readers keep the rows';
    found.push(warn('rows', 'an unlogged table is read', lost, 'ALTER TABLE ... SET LOGGED'));
  }
  return found;
}

const TABLE_SQL = (name: string): string => `
  SELECT
    (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef d
      WHERE d.adrelid = c.oid AND d.adnum = a.attnum) AS initial,
    EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indkey[0] = a.attnum) AS is_indexed,
    pg_catalog.bool_or(t.tgtype & 16 <> 0) AS on_update,
    pg_catalog.bool_or(t.tgtype & 4 <> 0) AS on_insert
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = 'txid'
  LEFT JOIN (pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid AND p.prosrc ~* 'txid')
    ON t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 2 <> 0 AND t.tgtype & 1 <> 0
  WHERE c.oid = ${quoteText(quoteTable(name))}::pg_catalog.regclass
  GROUP BY c.oid, a.attnum`;

async function tableFindings(
  session: PgSession,
  { name }: LockstepRelation,
): Promise<readonly Finding[]> {
  const row = await session.queryOne(TABLE_SQL(name));
  const install = `tidelock lockstep install ${name} --postgres <url>`;
  const isSetOnInsert =
    row.on_insert === 't' || /txid_current|pg_current_xact_id/.test(row.initial ?? '');
  return [
    isSetOnInsert
      ? ok('inserts', 'txid is set')
      : fail(
          'inserts',
          'nothing sets txid',
          'new rows are never streamed, or with a wrong position',
          install,
        ),
    row.on_update === 't'
      ? ok('updates', 'a trigger renews txid')
      : fail(
          'updates',
          'no trigger renews txid',
          'updated rows keep their old position: updates are lost',
          install,
        ),
    row.is_indexed === 't'
      ? ok('index', 'on txid')
      : warn(
          'index',
          'none on txid',
          'every look reads the whole table',
          `CREATE INDEX ON ${quoteTable(name)} (txid)`,
        ),
  ];
}

async function viewFindings(
  session: PgSession,
  { name, hasCurrentXmin }: LockstepRelation,
): Promise<readonly Finding[]> {
  const row = await session.queryOne(`
    SELECT pg_catalog.pg_get_viewdef(v.oid) AS definition, (
      SELECT pg_catalog.count(DISTINCT d.refobjid) FROM pg_catalog.pg_rewrite r
      JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
        AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> v.oid
      JOIN pg_catalog.pg_class s ON s.oid = d.refobjid AND s.relkind IN ('r', 'p', 'v', 'm', 'f')
      WHERE r.ev_class = v.oid) AS sources
    FROM pg_catalog.pg_class v WHERE v.oid = ${quoteText(quoteTable(name))}::pg_catalog.regclass`);
  const definition = row.definition ?? '';
  const sources = Number(row.sources);
  const findings = [
    hasCurrentXmin
      ? ok('current_xmin', 'the view has its own')
      : ok('current_xmin', 'taken from the snapshot of each look'),
  ];
  if (sources > 1 && !/\bgreatest\s*\(/i.test(definition)) {
    findings.push(
      fail(
        'txid',
        `the view reads ${sources} relations and does not take the greatest() of their txid`,
        'a change in the others is lost',
        'select greatest(a.txid, b.txid) AS txid',
      ),
    );
  } else findings.push(ok('txid', `of ${sources} ${sources === 1 ? 'relation' : 'relations'}`));
  if (/\b(where|limit|distinct|except|intersect|having)\b/i.test(definition)) {
    findings.push(
      warn(
        'filter',
        'the view leaves rows out',
        'a row that is left out from now on is never told: readers keep it',
        'make the condition the column deleted: SELECT ..., NOT (condition) AS deleted',
      ),
    );
  }
  if (/\bgroup by\b/i.test(definition)) {
    findings.push(
      warn(
        'groups',
        'the view groups rows',
        'a group that vanishes is never told',
        'keep groups that became empty, with deleted = true',
      ),
    );
  }
  return findings;
}

async function valueFindings(
  session: PgSession,
  { name }: LockstepRelation,
): Promise<readonly Finding[]> {
  const row = await session.queryOne(`
    SELECT pg_catalog.count(*) FILTER (WHERE txid IS NULL OR txid < 0) AS empty,
      pg_catalog.count(*) FILTER (WHERE txid >= pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot())) AS ahead
    FROM ${quoteTable(name)}`);
  const remedy = `UPDATE ${quoteTable(name)} SET txid = pg_catalog.txid_current() WHERE ...`;
  return [
    row.empty === '0'
      ? ok('values', 'every row has a txid')
      : fail('values', `${row.empty} rows without txid`, 'they are never streamed', remedy),
    ...(row.ahead === '0'
      ? []
      : [
          fail(
            'values',
            `${row.ahead} rows with a txid that no transaction has had yet`,
            'while followed, they are not streamed',
            remedy,
          ),
        ]),
  ];
}

async function deleteFinding(
  session: PgSession,
  { name, hasDeleted }: LockstepRelation,
): Promise<Finding> {
  if (!hasDeleted) {
    return warn(
      'deletes',
      'no column deleted',
      'a DELETE is invisible to a query: readers keep the row',
      `tidelock lockstep install ${name} --soft-delete --postgres <url>, or replicate the table (tidelock serve)`,
    );
  }
  const row = await session.queryOne(`
    SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal AND tgtype & 8 <> 0)
      OR EXISTS (SELECT FROM pg_catalog.pg_rewrite WHERE ev_class = c.oid AND ev_type = '4') OR c.relkind NOT IN ('r', 'p') AS is_held
    FROM pg_catalog.pg_class c WHERE c.oid = ${quoteText(quoteTable(name))}::pg_catalog.regclass`);
  if (row.is_held === 't') return ok('deletes', 'deleted marks rows that are gone');
  return warn(
    'deletes',
    'nothing turns a DELETE into deleted = true',
    'rows that are really deleted stay with the readers',
    `tidelock lockstep install ${name} --soft-delete --postgres <url>`,
  );
}

async function transactionFinding(session: PgSession): Promise<Finding> {
  const seconds = Math.floor(await oldestTransactionS(session));
  if (seconds < OLD_TRANSACTION_S) return ok('transactions', `the oldest is ${seconds} s old`);
  return warn(
    'transactions',
    `the oldest is ${seconds} s old`,
    'readers in strict mode wait for its end',
    'SELECT pid, xact_start, query FROM pg_stat_activity WHERE backend_xid IS NOT NULL ORDER BY xact_start',
  );
}
