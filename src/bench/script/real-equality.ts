/**
 * `verify on=replica:a`: is the file what Postgres has now? Rows are compared as texts that the two databases make
 * themselves; only their number and the first difference are shown. `product` adds the product's own comparison.
 */

import type { Call } from '../../script/run.ts';
import { openSql } from '../../sqlite/sql.ts';
import { verifyReplica } from '../../verify.ts';
import { errorText } from './error-text.ts';
import { partyOf } from './real-names.ts';
import type { RealParts } from './real-parts.ts';

const BUSY_WAIT_MS = 5000;
const ROWS_SHOWN = 5;

export async function equality(call: Call, parts: RealParts): Promise<string> {
  const { args } = call;
  const { name } = partyOf(args, 'on', ['replica']);
  const replica = parts.replicas.get(name);
  if (replica === undefined) throw args.error('on', `there is no replica ${name}`, 'open it first');
  const where = args.optional('where');
  const isAgain = args.flag('product');
  const tables = args.list('tables');
  if (tables.length === 0 && !isAgain)
    throw args.error('tables', 'no table is named', 'add tables=(city, kind)');
  const lines: string[] = [];
  for (const table of tables) {
    const [text = '', column] = table.split('=');
    const condition = column === undefined ? 'true' : inSelectors(column, replica.selectors);
    const own = where === undefined ? condition : where;
    lines.push(await tableEquality(parts, replica.file, { table: text, condition: own }));
  }
  if (isAgain) lines.push(await productsWord(parts, replica.file));
  return lines.map((line) => `${line}\n`).join('');
}

function inSelectors(column: string, selectors: readonly string[]): string {
  return `${column} IN (${selectors.map((one) => `'${one.replaceAll("'", "''")}'`).join(', ')})`;
}

async function tableEquality(
  { postgres }: RealParts,
  file: string,
  { table, condition }: { readonly table: string; readonly condition: string },
): Promise<string> {
  const columns = await namesOf(postgres, table);
  const row = (cast: (name: string) => string): string =>
    `concat_ws('|', ${columns.map((name) => `coalesce(${cast(`"${name}"`)}, '<null>')`).join(', ')})`;
  const answer = await postgres.run(
    `SELECT ${row((name) => `${name}::text`)} FROM ${table} WHERE ${condition}`,
  );
  if (answer.kind === 'refused') return `${table}: error: ${answer.sqlState} ${answer.message}`;
  const theirs = answer.results.at(-1)?.rows.map(([text]) => text ?? '') ?? [];
  const ours = rowsOf(
    file,
    `SELECT ${row((name) => `cast(${name} AS text)`)} AS row FROM "${table}"`,
  );
  return wordsFor(table, theirs.sort(), ours.sort());
}

async function namesOf(postgres: RealParts['postgres'], table: string): Promise<readonly string[]> {
  const answer = await postgres.run(
    `SELECT attname FROM pg_attribute WHERE attrelid = '${table}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
  );
  if (answer.kind === 'refused') return [];
  return answer.results.at(-1)?.rows.map(([name]) => name ?? '') ?? [];
}

function rowsOf(file: string, text: string): string[] {
  const sql = openSql(file, { timeoutMs: BUSY_WAIT_MS, isReadOnly: true });
  try {
    return sql
      .prepare(text)
      .all()
      .map(({ row }) => String(row));
  } finally {
    sql.close();
  }
}

function wordsFor(table: string, theirs: readonly string[], ours: readonly string[]): string {
  const missing = without(theirs, ours);
  const extra = without(ours, theirs);
  if (missing.length + extra.length === 0) return `${table}: equal, ${countText(ours.length)}`;
  const shown = [
    ...missing.slice(0, ROWS_SHOWN).map((row) => `\n  only in Postgres: ${row}`),
    ...extra.slice(0, ROWS_SHOWN).map((row) => `\n  only in the replica: ${row}`),
  ];
  return `${table}: DIFFERENT, ${missing.length} missing, ${extra.length} too many${shown.join('')}`;
}

/** Rows of the one that the other does not have, each as often. */
function without(rows: readonly string[], others: readonly string[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const row of others) counts.set(row, (counts.get(row) ?? 0) + 1);
  return rows.filter((row) => {
    const count = counts.get(row) ?? 0;
    counts.set(row, count - 1);
    return count <= 0;
  });
}

async function productsWord({ server, signal }: RealParts, file: string): Promise<string> {
  try {
    const report = await verifyReplica({ server: server.url, file, limit: ROWS_SHOWN, signal });
    return report.isEqual ? 'digests: equal' : `digests: DIFFERENT, ${countText(report.rowCount)}`;
  } catch (error) {
    return `digests: ${errorText(error).trimEnd()}`;
  }
}

const countText = (rows: number): string => `${rows} ${rows === 1 ? 'row' : 'rows'}`;
