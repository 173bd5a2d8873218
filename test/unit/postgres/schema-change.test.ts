import { expect, test } from 'vitest';
import { parseSelectorRule } from '../../../src/core/selector.ts';
import type { ColumnDef, TableDef } from '../../../src/core/table.ts';
import { type ChangedTable, compareTables } from '../../../src/postgres/schema-change.ts';

const id: ColumnDef = { name: 'id', type: 'integer', kind: 'int' };
const name: ColumnDef = { name: 'name', type: 'character varying(10)', kind: 'text' };

const BEFORE: TableDef = {
  name: 'public.city',
  columns: [id, name],
  key: ['id'],
  indexes: [],
  selector: parseSelectorRule('name'),
};

function changed(table: Partial<TableDef>, rest: Partial<ChangedTable> = {}): ChangedTable {
  return { table: { ...BEFORE, ...table }, fills: {}, isRewritten: undefined, ...rest };
}

const added = (fill: 'null' | 'constant' | 'unknown', column: Partial<ColumnDef> = {}) =>
  changed(
    { columns: [id, name, { name: 'people', type: 'integer', kind: 'int', ...column }] },
    { fills: { people: fill } },
  );

test('an unchanged table is the same, also when an old column still remembers its constant', () => {
  expect(compareTables(BEFORE, changed({}))).toEqual({ kind: 'same' });
  const columns = [id, { ...name, missing: 'x' }];
  expect(compareTables(BEFORE, changed({ columns }))).toEqual({ kind: 'same' });
});

test('P21: an added column is additive and brings the value of older rows', () => {
  expect(compareTables(BEFORE, added('null'))).toMatchObject({ kind: 'additive' });
  const columns = [
    id,
    { ...name, missing: 'x' },
    { name: 'people', type: 'integer', kind: 'int', missing: 7 } as const,
  ];
  const change = compareTables(BEFORE, changed({ columns }, { fills: { people: 'constant' } }));
  expect(change).toMatchObject({
    kind: 'additive',
    table: { columns: [id, name, { missing: 7 }] },
  });
  expect(change.kind === 'additive' && change.table.columns[1]).not.toHaveProperty('missing');
});

test('a new index is additive', () => {
  const indexes = [{ name: 'city_name', columns: ['name'] }];
  expect(compareTables(BEFORE, changed({ indexes }))).toMatchObject({ kind: 'additive' });
});

const resyncs: readonly (readonly [string, ChangedTable, string])[] = [
  ['a column filled per row', added('unknown'), 'value of its own'],
  ['a dropped column', changed({ columns: [id] }), 'dropped'],
  ['a renamed column', changed({ columns: [id, { ...name, name: 'n' }] }), 'renamed'],
  ['another key', changed({ key: ['name'] }), 'primary key'],
  ['another selector', changed({ selector: parseSelectorRule('*') }), 'selector'],
  ['rewritten rows', changed({}, { isRewritten: true }), 'rewritten'],
  [
    'a column of another kind',
    changed({ columns: [id, { ...name, type: 'bytea', kind: 'bytes' }] }, { isRewritten: false }),
    'type',
  ],
  [
    'a shorter text, when nobody watched',
    changed({ columns: [id, { ...name, type: 'character varying(5)' }] }),
    'type',
  ],
];

test.each(resyncs)('P21: %s needs a copy', (_, after, reason) => {
  const change = compareTables(BEFORE, after);
  expect(change.kind).toBe('resync');
  expect(change.kind === 'resync' && change.reason).toContain(reason);
});

test.each([
  ['character varying(20)', undefined],
  ['text', undefined],
  ['numeric', false],
])('a column that became %s keeps its values', (type, isRewritten) => {
  const after = changed({ columns: [id, { ...name, type }] }, { isRewritten });
  expect(compareTables(BEFORE, after)).toMatchObject({ kind: 'additive' });
});

test('integers that became wider keep their values', () => {
  const columns: ColumnDef[] = [{ ...id, type: 'bigint', kind: 'bigint' }, name];
  expect(compareTables(BEFORE, changed({ columns }, { isRewritten: false })).kind).toBe('additive');
  expect(compareTables(BEFORE, changed({ columns }, { isRewritten: undefined })).kind).toBe(
    'resync',
  );
});

test('a table that becomes two-way, or gets a place for a column, is told anew and not copied', () => {
  const twoway = { versions: 'tidelock.versions_public_city', columns: ['name'] };
  expect(compareTables(BEFORE, changed({ twoway }))).toMatchObject({
    kind: 'additive',
    table: { twoway },
  });
  const before = { ...BEFORE, twoway };
  expect(compareTables(before, changed({ twoway }))).toEqual({ kind: 'same' });
  const grown = { ...twoway, columns: ['name', 'people'] };
  expect(compareTables(before, changed({ twoway: grown }))).toMatchObject({ kind: 'additive' });
});
