/**
 * Our SQL against Postgres, which evaluates the same queries over the same rows. The seed of the generated part is printed
 * with a failure; `SQL_QUERIES=20000 SQL_SEED=7` makes the run longer and another one.
 */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { type Answer, SqlOracle } from '../support/sql-oracle.ts';
import { GENERATED_SCHEMA, generatedQueries } from '../support/sql-queries.ts';

const FOLDER = new URL('../../testdata/sql/', import.meta.url);
const SEED = Number(process.env.SQL_SEED ?? 20_261_122);
const QUERIES = Number(process.env.SQL_QUERIES ?? 300);

let written: SqlOracle;
let generated: SqlOracle;

beforeAll(async () => {
  const url = inject('postgresUrl');
  written = await SqlOracle.open(url, readFileSync(new URL('values.sql', FOLDER), 'utf8'));
  generated = await SqlOracle.open(url, GENERATED_SCHEMA);
});

afterAll(async () => {
  await written?.close();
  await generated?.close();
});

/** `SELECT ...`, or `OUTSIDE SELECT ...` for one that only Postgres answers. */
const WRITTEN = readFileSync(new URL('queries.sql', FOLDER), 'utf8')
  .split('\n')
  .filter((line) => line.trim() !== '' && !line.startsWith('--'));

test('written queries are answered as Postgres answers them: names, types, rows, or the same error', async () => {
  for (const sql of WRITTEN.filter((line) => !line.startsWith('OUTSIDE '))) {
    const isOrdered = /\border by\b/i.test(sql);
    const [theirs, ours] = [await written.ask(sql), written.answer(sql)];
    expect(told(ours, { isOrdered, isGrouped: false }), sql).toEqual(
      told(theirs, { isOrdered, isGrouped: false }),
    );
  }
});

test('what is outside of the subset is refused with 0A000, never answered', () => {
  for (const line of WRITTEN.filter((one) => one.startsWith('OUTSIDE '))) {
    const sql = line.slice('OUTSIDE '.length);
    expect(written.answer(sql), sql).toMatchObject({ kind: 'error', code: '0A000' });
  }
});

test('generated queries are answered as Postgres answers them', async () => {
  await fc.assert(
    fc.asyncProperty(generatedQueries, async ({ sql, isGrouped }) => {
      const [theirs, ours] = [await generated.ask(sql), generated.answer(sql)];
      const how = { isOrdered: false, isGrouped };
      expect(told(ours, how), sql).toEqual(told(theirs, how));
    }),
    { seed: SEED, numRuns: QUERIES },
  );
});

/** What must be equal: of errors the code; of rows those in no order, unless the query orders them. */
function told(
  answer: Answer,
  how: { readonly isOrdered: boolean; readonly isGrouped: boolean },
): unknown {
  if (answer.kind === 'error') return { code: answer.code };
  const rows = answer.rows.map((row) => JSON.stringify(how.isGrouped ? row.map(shortest) : row));
  return { columns: answer.columns, rows: how.isOrdered ? rows : rows.sort() };
}

/** One of equal numerics stands for its group: which one is Postgres' choice and ours. */
const shortest = (value: string | null): string | null =>
  value !== null && /^-?\d+\.\d+$/.test(value) ? value.replace(/\.?0+$/, '') : value;
