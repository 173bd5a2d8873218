/** One row of Postgres by its key, as texts: for people who ask where it is. */

import { TidelockError } from '../core/errors.ts';
import { quoteName, type TableDef } from '../core/table.ts';
import { sqlStateOf } from './pg-errors.ts';
import { PgSession } from './session.ts';

const PROBE_MS_MAX = 2000;

/** Column -> text as Postgres prints it; null when there is no such row. Throws `SOURCE_DOWN`, `BAD_REQUEST`. */
export async function probeRow(
  url: string,
  table: TableDef,
  key: readonly string[],
): Promise<ReadonlyMap<string, string | null> | null> {
  const session = await PgSession.connect({
    url,
    connectTimeoutMs: PROBE_MS_MAX,
    settings: { statement_timeout: `${PROBE_MS_MAX}` },
  });
  try {
    const [row] = await session.query(probeSql(table), key);
    if (row === undefined) return null;
    return new Map(table.columns.map(({ name }, at) => [name, row[`c${at}`] ?? null]));
  } catch (cause) {
    if (!/^22|^42804/.test(sqlStateOf(cause) ?? '')) throw cause;
    throw new TidelockError({
      code: 'BAD_REQUEST',
      message: 'the key cannot be read as the types of its columns',
      hint: `the key of ${table.name} is ${table.key.join(', ')}`,
      cause,
    });
  } finally {
    await session.end();
  }
}

/** Names of columns may be anything: the answer's are numbered. */
function probeSql({ name, columns, key }: TableDef): string {
  const dot = name.indexOf('.');
  const from = `${quoteName(name.slice(0, dot))}.${quoteName(name.slice(dot + 1))}`;
  const list = columns.map((column, at) => `${quoteName(column.name)}::text AS c${at}`);
  const where = key.map((column, at) => `${quoteName(column)} = $${at + 1}`);
  return `SELECT ${list.join(', ')} FROM ${from} WHERE ${where.join(' AND ')} LIMIT 1`;
}
