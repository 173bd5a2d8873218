/** Statements over many rows at once: the rows come as one JSON text. */

import { TidelockError } from '../../core/errors.ts';
import type { PgSession } from '../../postgres/session.ts';
import type { Statement } from './records.ts';
import { CODE_SQL } from './schema.ts';

const ROWS = `json_to_recordset($1::json) AS r(
    id bigint, grp bigint, sequence int, content bytea, last bool, _change_selector text)`;

const SQL: Readonly<Record<Statement['kind'], string>> = {
  insert: `INSERT INTO public.stress_table SELECT *, ${CODE_SQL} FROM ${ROWS} RETURNING id`,
  update: `
    UPDATE public.stress_table t SET grp = r.grp, sequence = r.sequence, content = r.content
    FROM ${ROWS} WHERE t.id = r.id RETURNING t.id`,
  touch: `
    UPDATE public.stress_table t SET grp = r.grp, sequence = r.sequence
    FROM ${ROWS} WHERE t.id = r.id RETURNING t.id`,
  move: `
    UPDATE public.stress_table t SET _change_selector = r._change_selector
    FROM ${ROWS} WHERE t.id = r.id RETURNING t.id`,
  delete: `DELETE FROM public.stress_table t USING ${ROWS} WHERE t.id = r.id RETURNING t.id`,
};

/** Throws when a row that the sender knows is not there: then the bench does not know what it does. */
export async function execute(session: PgSession, { kind, rows }: Statement): Promise<void> {
  await changeRows(session, { sql: SQL[kind], rows, what: kind });
}

/** Runs a statement that returns one row for each row that it is given. */
export async function changeRows(
  session: PgSession,
  statement: { readonly sql: string; readonly rows: readonly object[]; readonly what: string },
): Promise<void> {
  const { sql, rows, what } = statement;
  const changed = await session.query(sql, [JSON.stringify(rows)]);
  if (changed.length === rows.length) return;
  throw new TidelockError({
    code: 'INTERNAL',
    message: `${what} of ${rows.length} rows changed ${changed.length}: somebody else writes to the tables of the stress`,
    hint: 'give the stress a database of its own',
  });
}
