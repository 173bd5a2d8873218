import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { evaluateSelector } from '../../src/core/selector-expression.ts';
import { parseExpression } from '../../src/core/selector-parser.ts';
import type { TableDef } from '../../src/core/table.ts';
import { describeTables } from '../../src/postgres/catalog.ts';
import { copyRows } from '../../src/postgres/copy.ts';
import { RULE_TABLE_SQL, type RuledRow, ruledRow, ruleText } from '../support/selector-rules.ts';
import { TestDatabase } from '../support/source-recorder.ts';

let db: TestDatabase;

beforeAll(async () => {
  db = await TestDatabase.create(inject('postgresUrl'));
  await db.sql.query(RULE_TABLE_SQL);
});

afterAll(() => db.close());

const ROWS_SQL = `INSERT INTO public.ruled SELECT (r ->> 0)::int, r ->> 1, r ->> 2, (r ->> 3)::uuid,
  (r ->> 4)::int, (r ->> 5)::bigint, (r ->> 6)::bool, (r ->> 7)::bool FROM json_array_elements($1::json) r`;

async function ruled(text: string): Promise<TableDef> {
  const selector = { kind: 'expression', text, expression: parseExpression(text) } as const;
  const [found] = await describeTables(db.sql, [{ name: 'public.ruled', selector }]);
  if (found?.kind !== 'table') throw new Error(JSON.stringify(found));
  return found.table;
}

/** The selector of each row that has one of `selectors`, as a copy files it. */
async function copied(table: TableDef, selectors: readonly string[]): Promise<Map<number, string>> {
  const found = new Map<number, string>();
  for await (const chunk of copyRows({ session: db.sql, table, selectors })) {
    chunk.rows.forEach((row, index) => {
      found.set(Number(row[0]), chunk.selectors[index] ?? '');
    });
  }
  return found;
}

test('Postgres files rows under the selectors that this program gives them', async () => {
  const rows = fc.array(ruledRow, { minLength: 10, maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(ruleText, rows, async (text, ruledRows) => {
      const table = await ruled(text);
      const expected = new Map<number, string>();
      ruledRows.forEach((row, id) => {
        const selector = evaluateSelector(parseExpression(text), (name) =>
          textOf(table, row, name),
        );
        if (selector !== null) expected.set(id, selector);
      });
      await db.sql.query('TRUNCATE public.ruled');
      await db.sql.query(ROWS_SQL, [JSON.stringify(ruledRows.map((row, id) => [id, ...row]))]);
      const wanted = [...new Set(['x', 'y', ...expected.values()])];
      expect(await copied(table, wanted)).toEqual(expected);
    }),
    { numRuns: 60 },
  );
});

function textOf(table: TableDef, row: RuledRow, name: string): string | null {
  return row[table.columns.findIndex((column) => column.name === name) - 1] ?? null;
}
