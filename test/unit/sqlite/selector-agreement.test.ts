import { DatabaseSync } from 'node:sqlite';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseExpression } from '../../../src/core/selector-parser.ts';
import type { Cell } from '../../../src/core/value.ts';
import { ReplicaTable } from '../../../src/sqlite/replica-table.ts';
import { RULE_COLUMNS, type RuledRow, ruledRow, ruleText } from '../../support/selector-rules.ts';
import { tableOf } from './replicas.ts';

const TABLE = tableOf('public.ruled', RULE_COLUMNS, ['id']);

/** The cells of a replica for what Postgres prints. */
function cellsOf(id: number, row: RuledRow): readonly Cell[] {
  const cells = row.map((text, index): Cell => {
    const kind = TABLE.columns[index + 1]?.kind;
    if (text === null) return null;
    if (kind === 'bool') return text === 't' ? 1 : 0;
    if (kind === 'bigint') return BigInt(text);
    return kind === 'int' ? Number(text) : text;
  });
  return [id, ...cells];
}

test('SQLite gives rows the selectors that this program gives them', () => {
  const sql = new DatabaseSync(':memory:');
  sql.exec(new ReplicaTable(TABLE, 'ruled').createSql());
  const places = TABLE.columns.map(() => '?').join();
  const insert = sql.prepare(`INSERT INTO ruled VALUES (${places})`);
  fc.assert(
    fc.property(ruleText, fc.array(ruledRow, { minLength: 10, maxLength: 20 }), (text, rows) => {
      const selector = { kind: 'expression', text, expression: parseExpression(text) } as const;
      const table = new ReplicaTable({ ...TABLE, selector }, 'ruled');
      sql.exec('DELETE FROM ruled');
      const cells = rows.map((row, id) => cellsOf(id, row));
      for (const row of cells) insert.run(...row);
      const found = sql.prepare(`SELECT ${table.selectorSql} AS selector FROM ruled ORDER BY id`);
      expect(found.all().map((row) => row.selector)).toEqual(cells.map(table.selectorOf));
    }),
    { numRuns: 300 },
  );
  sql.close();
});
