/** Views as tables of a log: bags become rows with keys, and the file of rows follows. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Ts } from '../../../src/core/lsn.ts';
import type { LogTask } from '../../../src/engine/ingest.ts';
import { ViewChanges } from '../../../src/engine/views/view-changes.ts';
import { ROW_COLUMN, tableOfView, viewSelector } from '../../../src/engine/views/view-table.ts';
import { type Published, ViewWriter } from '../../../src/engine/views/view-writer.ts';
import type { Column } from '../../../src/sql/types.ts';
import { ViewRows } from '../../../src/sqlite/view-rows.ts';

const COLUMNS: readonly Column[] = [
  { name: 'city', type: 'text', isNullable: true },
  { name: 'n', type: 'int8', isNullable: true },
];

let dir: string;
let rows: ViewRows;
let writer: ViewWriter;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tidelock-views-'));
  rows = new ViewRows(join(dir, 'views.db'));
  writer = new ViewWriter(rows, () => 5);
});

afterEach(() => {
  rows.close();
  rmSync(dir, { recursive: true });
});

function view(name: string, columns = COLUMNS): Published {
  const table = tableOfView(name, columns);
  if (table === null) throw new Error('it has a table');
  return { table, changes: new ViewChanges(name, columns) };
}

/** The lines of everything that was written, without hashes. */
function lines(tasks: readonly LogTask[]): readonly string[] {
  return tasks.flatMap((task) => {
    if (task.kind !== 'append') return [];
    const text = Buffer.from(task.group.content.body).toString();
    return text
      .trim()
      .split('\n')
      .map((line) => line.replaceAll(/[0-9a-f]{32}/g, 'H'));
  });
}

test('a row that is there several times has a key for each time', () => {
  const cities = view('public.cities');
  writer.change(cities, [{ row: ['Bari', 2n], diff: 2 }]);
  writer.commit(16 as Ts);
  writer.change(cities, [{ row: ['Bari', 2n], diff: 1 }]);
  writer.commit(17 as Ts);
  writer.change(cities, [{ row: ['Bari', 2n], diff: -2 }]);
  writer.commit(18 as Ts);
  const head = '"table":"public.cities","selector":"view:cities"';
  expect(lines(writer.take(undefined))).toEqual([
    `{"type":"insert",${head},"row":["H","Bari",2]}`,
    `{"type":"insert",${head},"row":["H.2","Bari",2]}`,
    '{"type":"commit","ts":"0/10","txid":"16","micros":5}',
    `{"type":"insert",${head},"row":["H.3","Bari",2]}`,
    '{"type":"commit","ts":"0/11","txid":"17","micros":5}',
    `{"type":"delete",${head},"key":["H.3"]}`,
    `{"type":"delete",${head},"key":["H.2"]}`,
    '{"type":"commit","ts":"0/12","txid":"18","micros":5}',
  ]);
  const reader = rows.reader();
  expect([...reader.rows('public.cities')]).toMatchObject([{ n: 1, cells: '["Bari",2]' }]);
  reader.close();
});

test('a transaction without changes is none, and a reader of the rows sees one moment', () => {
  const cities = view('public.cities');
  writer.change(cities, [{ row: ['Bari', 1n], diff: 1 }]);
  const reader = rows.reader();
  writer.change(cities, [{ row: ['Bari', 1n], diff: -1 }]);
  expect([...reader.rows('public.cities')]).toHaveLength(1);
  reader.close();
  writer.commit(16 as Ts);
  writer.change(cities, []);
  writer.commit(17 as Ts);
  expect(lines(writer.take(undefined)).filter((line) => line.includes('commit'))).toHaveLength(1);
  expect(writer.take(undefined)).toEqual([]);
});

test('a view with a column for it is filed by that column, and a row without reaches nobody', () => {
  const columns = [
    ...COLUMNS,
    { name: '_change_selector', type: 'text', isNullable: true } as const,
  ];
  const cities = view('sales.cities', columns);
  writer.change(cities, [
    { row: ['Bari', 1n, 'IT'], diff: 1 },
    { row: ['Lost', 1n, null], diff: 1 },
  ]);
  writer.commit(16 as Ts);
  const [task] = writer.take(undefined);
  expect(task?.kind === 'append' && task.group.head.selectors).toEqual(['IT']);
});

test('what changes too much at once is copied anew by its readers', () => {
  const cities = view('public.cities');
  const many = Array.from({ length: 50_001 }, (_, n) => ({ row: ['x', BigInt(n)], diff: 1 }));
  rows.write(() => writer.change(cities, many));
  writer.commit(16 as Ts);
  expect(lines(writer.take(undefined))).toEqual([
    '{"type":"resync","table":"public.cities","reason":"50001 rows changed at once"}',
    '{"type":"commit","ts":"0/10","txid":"16","micros":5}',
  ]);
  const reader = rows.reader();
  expect([...reader.rows('public.cities')]).toHaveLength(50_001);
  reader.close();
});

test('a view with a column of our name has no table, and schemas are a part of the selector', () => {
  const taken = [{ name: ROW_COLUMN, type: 'text', isNullable: true } as const];
  expect(tableOfView('public.v', taken)).toBeNull();
  expect(viewSelector('public.v')).toBe('view:v');
  expect(viewSelector('sales.v')).toBe('view:sales.v');
});

test('changes wait by time until everything before them was told', () => {
  const changes = new ViewChanges('public.v', COLUMNS);
  changes.take([
    ['7', false, 1n, 'a', 1n],
    ['9', false, -1n, 'a', 1n],
    ['9', false, 1n, 'b', 1n],
    ['12', true, null, null, null],
  ]);
  expect([changes.upper, changes.times(8), changes.times(11)]).toEqual([12, [7], [7, 9]]);
  expect(changes.at(7)).toEqual([{ row: ['a', 1n], diff: 1 }]);
  expect(changes.upTo(11)).toHaveLength(2);
  expect(changes.upTo(11)).toEqual([]);
});
