/** Cells of replicated tables as values, and back. */
import { expect, test } from 'vitest';
import type { Cell } from '../../../../src/core/value.ts';
import { cellOfValue, rowOf } from '../../../../src/engine/sql/postgres-types.ts';
import type { SqlType, SqlValue } from '../../../../src/sql/types.ts';

function cellAs(type: SqlType, cell: Cell): SqlValue | undefined {
  const columns = [{ name: 'c', type, isNullable: true }];
  return rowOf({ columns, positions: [0], key: [] }, [cell])[0];
}

test('a real is computed with its exact value, and goes to replicas as its shortest decimal', () => {
  const cells = [0.1, -0.3, 1e38, 16777217e-3, 3.4028235e38, 1.1754944e-38, 0, 'Infinity', 'NaN'];
  for (const cell of cells) {
    const value = cellAs('float4', cell);
    expect(value).toBe(Math.fround(Number(cell)));
    expect(cellOfValue('float4', value ?? null)).toBe(cell === 'Infinity' ? Infinity : cell);
  }
  expect(cellAs('float8', 0.1)).toBe(0.1);
});
