/** The statements of an upload: one for any number of rows, with one array parameter for each column. */
import { quoteName } from '../../core/table.ts';
import { textArray, type UploadColumn, type UploadTable } from './tables.ts';

export type Statement = { readonly sql: string; readonly params: readonly string[] };

type Values = readonly (string | null)[];

/** Rows as a FROM item named `u`, and its columns as values of their types. */
type Input = {
  readonly from: string;
  readonly params: readonly string[];
  /** By position among the given columns. */
  readonly values: readonly string[];
};

/** `lists` has one list for each column, all of one length. The names cannot be those of a two-way table. */
function inputOf(
  columns: readonly Pick<UploadColumn, 'type' | 'arrayType'>[],
  lists: readonly Values[],
  options: { readonly isNumbered?: boolean } = {},
): Input {
  const names = columns.map((_, index) => `tidelock_${index}`);
  const arrays = columns.map(
    ({ arrayType }, index) =>
      `pg_catalog.unnest($${index + 1}::${arrayType ?? 'pg_catalog.text[]'})`,
  );
  const ordinality = options.isNumbered === true ? ' WITH ORDINALITY' : '';
  const all = options.isNumbered === true ? [...names, 'tidelock_n'] : names;
  return {
    from: `ROWS FROM (${arrays.join(', ')})${ordinality} AS u(${all.join(', ')})`,
    params: lists.map(textArray),
    values: columns.map(({ type, arrayType }, index) =>
      arrayType === null ? `u.${names[index]}::${type}` : `u.${names[index]}`,
    ),
  };
}

function matches(table: UploadTable, alias: string, values: readonly string[]): string {
  return table.key
    .map(({ sql, equals }, index) => `${alias}.${sql} ${equals} ${values[index]}`)
    .join(' AND ');
}

/** Values of the columns of rows, one list for each column. */
function transpose(width: number, rows: readonly Values[]): readonly Values[] {
  return Array.from({ length: width }, (_, index) => rows.map((row) => row[index] ?? null));
}

/** The text of the type's own output function, which is the canonical one. */
function printed({ output }: UploadColumn, value: string): string {
  return `pg_catalog.textin(${output}(${value}))`;
}

/**
 * Locks the rows of these keys against other writers, and reads them; `n` = which key, from 1. Locks are taken in the
 * order of the keys, so that two uploads of the same rows wait for one another and not in a circle.
 */
export function readRowsSql(
  table: UploadTable,
  keys: readonly Values[],
  columns: readonly UploadColumn[],
): Statement {
  const { from, params, values } = inputOf(table.key, transpose(table.key.length, keys), {
    isNumbered: true,
  });
  const cells = columns.map(
    (column, index) => `, ${printed(column, `t.${column.sql}`)} AS c${index}`,
  );
  const selector = `${table.selectorSql ?? 'NULL'} AS selector`;
  return {
    sql: `SELECT u.tidelock_n AS n, ${selector}${cells.join('')}
      FROM ${from} JOIN ONLY ${table.sql} t ON ${matches(table, 't', values)}
      ORDER BY ${keyOrder(table)} FOR NO KEY UPDATE OF t`,
    params,
  };
}

/** The locks of `readRowsSql` alone. */
export function lockRowsSql(table: UploadTable, keys: readonly Values[]): Statement {
  const { from, params, values } = inputOf(table.key, transpose(table.key.length, keys));
  return {
    sql: `SELECT count(*) FROM (SELECT FROM ${from} JOIN ONLY ${table.sql} t ON ${matches(table, 't', values)}
      ORDER BY ${keyOrder(table)} FOR NO KEY UPDATE OF t) locked`,
    params,
  };
}

function keyOrder(table: UploadTable): string {
  return table.key.map(({ sql }) => `t.${sql}`).join(', ');
}

/**
 * Reads the companion's rows of these keys. It locks none: those of living rows are written by whoever has locked the row,
 * and an application that inserts a row again must not wait in the companion for somebody who waits for its row.
 */
export function readVersionsSql(table: UploadTable, keys: readonly Values[]): Statement {
  const { from, params, values } = inputOf(table.key, transpose(table.key.length, keys), {
    isNumbered: true,
  });
  return {
    sql: `SELECT u.tidelock_n AS n, v.tidelock_cl AS cl, v.tidelock_versions AS versions,
        ${table.selectorSql ?? 'NULL'} AS selector
      FROM ${from} JOIN ${table.versionsSql} v ON ${matches(table, 'v', values)}`,
    params,
  };
}

/** Texts as Postgres prints them after reading them as this type. */
export function canonicalSql(column: UploadColumn, texts: Values): Statement {
  const { from, params, values } = inputOf([column], [texts], { isNumbered: true });
  return {
    sql: `SELECT ${printed(column, values[0] ?? '')} AS text FROM ${from} ORDER BY u.tidelock_n`,
    params,
  };
}

export function insertSql(
  table: UploadTable,
  columns: readonly UploadColumn[],
  rows: readonly Values[],
): Statement {
  const all = [...table.key, ...columns];
  const { from, params, values } = inputOf(all, transpose(all.length, rows));
  const given = values.map((value, index) => {
    const defaultSql = all[index]?.defaultSql ?? null;
    return defaultSql === null ? value : `coalesce(${value}, ${defaultSql})`;
  });
  return {
    sql: `INSERT INTO ${table.sql} (${all.map(({ sql }) => sql).join(', ')}) SELECT ${given.join(', ')} FROM ${from}`,
    params,
  };
}

export function updateSql(
  table: UploadTable,
  columns: readonly UploadColumn[],
  rows: readonly Values[],
): Statement {
  const all = [...table.key, ...columns];
  const { from, params, values } = inputOf(all, transpose(all.length, rows));
  const written = values.slice(table.key.length);
  const set = columns.map(({ sql }, index) => `${sql} = ${written[index]}`);
  return {
    sql: `UPDATE ONLY ${table.sql} t SET ${set.join(', ')} FROM ${from} WHERE ${matches(table, 't', values)}`,
    params,
  };
}

export function deleteSql(table: UploadTable, keys: readonly Values[]): Statement {
  const { from, params, values } = inputOf(table.key, transpose(table.key.length, keys));
  return {
    sql: `DELETE FROM ONLY ${table.sql} t USING ${from} WHERE ${matches(table, 't', values)}`,
    params,
  };
}

/** How many of these living rows have a selector that the writer may not read; `null` belongs to nobody. */
export function foreignRowsSql(
  table: UploadTable,
  keys: readonly Values[],
  selectors: readonly string[],
): Statement {
  const { from, params, values } = inputOf(table.key, transpose(table.key.length, keys));
  return {
    sql: `SELECT count(*) AS rows FROM ${from} JOIN ONLY ${table.sql} t ON ${matches(table, 't', values)}
      WHERE (${table.selectorSql} = ANY ($${params.length + 1}::pg_catalog.text[])) IS NOT TRUE`,
    params: [...params, textArray(selectors)],
  };
}

/** What the companion must say of a row, where the triggers may have said something else. */
export type Correction = {
  readonly key: Values;
  readonly cl: number;
  /** By place; null leaves a version as it is. */
  readonly versions: readonly (number | null)[];
  /** The life is another one than the triggers saw: `versions` holds for all columns, null being 1. */
  readonly isWhole: boolean;
};

const CORRECTION_COLUMNS = [
  { type: 'pg_catalog.int8', arrayType: 'pg_catalog.int8[]' },
  { type: 'pg_catalog.text', arrayType: 'pg_catalog.text[]' },
  { type: 'pg_catalog.bool', arrayType: 'pg_catalog.bool[]' },
] as const;

/** `v.tidelock_versions` with those of `u` put over it. */
const corrected = (count: number, sent: string, isWhole: string): string => `CASE
  WHEN ${isWhole} THEN ${sent}
  ELSE (SELECT pg_catalog.array_agg(coalesce((${sent})[i], v.tidelock_versions[i], 1) ORDER BY i)
    FROM pg_catalog.generate_series(1, ${count}) i) END`;

/**
 * Writes what differs. A living row may have no companion row yet; a dead one has it, because its end was
 * written there.
 */
export function correctSql(
  table: UploadTable,
  corrections: readonly Correction[],
  isAlive: boolean,
): Statement {
  const columns = [...table.key, ...CORRECTION_COLUMNS];
  const rows = corrections.map(({ key, cl, versions, isWhole }) => [
    ...key,
    String(cl),
    versionsText(versions, isWhole),
    isWhole ? 't' : 'f',
  ]);
  const { from, params, values } = inputOf(columns, transpose(columns.length, rows));
  const [cl = '', text = '', isWhole = ''] = values.slice(table.key.length);
  const sent = `${text}::pg_catalog.int4[]`;
  const wanted = corrected(table.columns.length, sent, isWhole);
  if (!isAlive) {
    return {
      sql: `UPDATE ${table.versionsSql} v SET tidelock_cl = ${cl}, tidelock_versions = NULL FROM ${from}
        WHERE ${matches(table, 'v', values)} AND v.tidelock_cl % 2 = 0 AND v.tidelock_cl < ${cl}`,
      params,
    };
  }
  const own = [...table.key.map(({ sql }) => sql), 'tidelock_cl', 'tidelock_versions'];
  const audience = table.audience.map(quoteName);
  const keys = table.key.map(({ sql }) => sql).join(', ');
  return {
    sql: `INSERT INTO ${table.versionsSql} AS v (${[...own, ...audience].join(', ')})
      SELECT ${[...values.slice(0, table.key.length), cl].join(', ')}, w.versions${audience.map((name) => `, t.${name}`).join('')}
      FROM ${from} JOIN ONLY ${table.sql} t ON ${matches(table, 't', values)}
      LEFT JOIN ${table.versionsSql} v ON ${matches(table, 'v', values)}
      CROSS JOIN LATERAL (SELECT ${wanted} AS versions) w
      WHERE coalesce(v.tidelock_cl, 1) <> ${cl} OR v.tidelock_versions IS DISTINCT FROM w.versions
      ON CONFLICT (${keys}) DO UPDATE SET tidelock_cl = excluded.tidelock_cl, tidelock_versions = excluded.tidelock_versions`,
    params,
  };
}

/** NULL stands for all versions being 1. */
function versionsText(versions: readonly (number | null)[], isWhole: boolean): string | null {
  if (isWhole && versions.every((version) => version === null || version === 1)) return null;
  return `{${versions.map((version) => version ?? (isWhole ? 1 : 'NULL')).join(',')}}`;
}
