/** The benchmarks' row: an integer key, three integers, 100 bytes of text; everybody gets it. */
import type { TableDef } from '../../../src/core/table.ts';

export const TABLE: TableDef = {
  name: 'public.t',
  columns: [
    { name: 'id', type: 'integer', kind: 'int' },
    { name: 'a', type: 'integer', kind: 'int' },
    { name: 'b', type: 'integer', kind: 'int' },
    { name: 'c', type: 'integer', kind: 'int' },
    { name: 't', type: 'text', kind: 'text' },
  ],
  key: ['id'],
  indexes: [],
  selector: { kind: 'everyone' },
};
