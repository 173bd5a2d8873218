import { expect, test } from 'vitest';
import { parseSelectorRule } from '../../../src/core/selector.ts';
import type { TableDef } from '../../../src/core/table.ts';
import { ChangeDecoder } from '../../../src/protocol/change-decoder.ts';
import { LineSplitter } from '../../../src/protocol/lines.ts';

const CITIES: TableDef = {
  name: 'public.cities',
  columns: [
    { name: 'id', type: 'integer', kind: 'int' },
    { name: 'seal', type: 'bytea', kind: 'bytes' },
    { name: 'country', type: 'text', kind: 'text' },
  ],
  key: ['id'],
  indexes: [],
  selector: parseSelectorRule('country'),
};

test('old rows in updates and deletes are for other protocols: a replica skips them', () => {
  const lines = new LineSplitter().push(
    Buffer.from(`{"type":"update","table":"public.cities","selector":"FR","key":[1],"old":[1,null,"FR"],"row":[2,"yv4=","FR"]}
{"type":"delete","table":"public.cities","selector":"FR","key":[2],"old":[2,"yv4=","FR"]}
`),
  );
  const decoder = new ChangeDecoder([CITIES], ['FR']);
  expect(lines.map((line) => decoder.decode(line))).toMatchObject([
    { type: 'update', key: [1], row: [2, Uint8Array.of(0xca, 0xfe), 'FR'] },
    { type: 'delete', key: [2] },
  ]);
});
