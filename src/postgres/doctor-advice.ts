/** What the doctor says about tables that are replicated, and could be so with less trouble. */
import { columnsOf, mayBeEveryone, SELECTOR_LENGTH_MAX } from '../core/selector.ts';
import { selectorSql } from '../core/selector-expression.ts';
import { quoteName, quoteText } from '../core/table.ts';
import { type Finding, warn } from './findings.ts';
import { quoteTable } from './names.ts';
import type { PgSession } from './session.ts';
import type { TableDescription } from './table-fitness.ts';

/** Longer than this, rows are not looked at. */
const SCAN_MS_MAX = 2000;

/** A column outside of the key whose value may be left out of an update, because it is stored out of line. */
const LARGE_SQL = (oid: number): string => `
  SELECT a.attname AS name FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
  WHERE c.oid = ${oid} AND c.relreplident <> 'f' AND a.attnum > 0 AND NOT a.attisdropped
    AND a.attlen = -1 AND a.attstorage <> 'p' AND NOT EXISTS (SELECT FROM pg_catalog.pg_index i
      WHERE i.indrelid = c.oid AND i.indisprimary AND a.attnum = ANY (i.indkey))
  ORDER BY a.attnum LIMIT 1`;

/** Nothing for a table of everyone: its rows never move, and their selector has no name. */
export async function adviseTable(
  session: PgSession,
  described: TableDescription,
): Promise<readonly Finding[]> {
  if (described.kind !== 'table' || described.table.selector.kind === 'everyone') return [];
  const { name, oid, table } = described;
  const { selector } = described.table;
  const findings: Finding[] = [];
  // Selectors outside of the key: then such a table is unfit without FULL.
  const mayMove = columnsOf(selector).every((column) => table.key.includes(column));
  const [large] = mayMove ? await session.query(LARGE_SQL(oid)) : [];
  if (large !== undefined) {
    findings.push(
      warn(
        `table ${name}`,
        `its selector is part of the key, and column ${large.name} may be stored out of line`,
        'a row that moves to another selector is not sent whole then: each time the whole table is compared anew',
        `ALTER TABLE ${quoteTable(name)} REPLICA IDENTITY FULL;`,
      ),
    );
  }
  const text = (column: string): string => `${quoteName(column)}::text`;
  const rule = selectorSql(selector.expression, { text, plain: quoteName, flag: quoteName });
  const isUnnamed = unnamed(rule, mayBeEveryone(selector) ? [''] : ['*', '']);
  if (await hasUnnamedRows(session, quoteTable(name), isUnnamed)) {
    findings.push(
      warn(
        `table ${name}`,
        'it has rows whose selector is *, empty, or too long',
        `nobody can name such a selector: these rows reach no replica`,
        `SELECT * FROM ${quoteTable(name)} WHERE ${isUnnamed};`,
      ),
    );
  }
  return findings;
}

/** False too when the rows may not be read, or are too many to be looked at. */
async function hasUnnamedRows(
  session: PgSession,
  table: string,
  condition: string,
): Promise<boolean> {
  try {
    await session.query(`SET statement_timeout = ${SCAN_MS_MAX}`);
    const row = await session.queryOne(
      `SELECT EXISTS (SELECT FROM ${table} WHERE ${condition}) AS has`,
    );
    return row.has === 't';
  } catch {
    return false;
  } finally {
    if (!session.isLost) await session.query('SET statement_timeout = 0');
  }
}

function unnamed(rule: string, names: readonly string[]): string {
  return `${rule} IN (${names.map(quoteText).join(', ')}) OR length(${rule}) > ${SELECTOR_LENGTH_MAX}`;
}
