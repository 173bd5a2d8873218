import { expect, test } from 'vitest';
import {
  columnsOf,
  EXEC_COLUMNS,
  EXEC_PLAIN,
  objectsOf,
  RUN_COLUMNS,
  sorted,
  tableCsv,
  tableText,
} from '../../../src/report/columns.ts';
import { RUN, testRow } from './rows.ts';

const rows = [
  { run: RUN, test: testRow('b/1', { status: 'FAIL', startedAt: 0, endedAt: 500 }) },
  { run: RUN, test: testRow('a', { startedAt: 0, endedAt: 9000, comment: 'two\nlines' }) },
  { run: RUN, test: testRow('c', { state: 'NOT_STARTED', startedAt: null, endedAt: null }) },
];
const names = ['test', 'item', 'seconds', 'comment'];

test('a table has the columns that were chosen, whatever is in them', () => {
  const table = { rows, columns: EXEC_COLUMNS, names };
  expect(tableText(table)).toBe(
    [
      'test  item  seconds  comment',
      'b     1     0.5',
      'a           9        two lines',
      'c           -',
    ].join('\n'),
  );
  expect(tableCsv(table).split('\r\n').slice(0, 2)).toEqual([
    'test,item,seconds,comment',
    'b,1,0.5,',
  ]);
  expect(objectsOf(table)[2]).toEqual({ test: 'c', item: '', seconds: null, comment: '' });
});

test('rows are sorted by any column, downwards with a minus, those without a value last', () => {
  const order = (by: string): string =>
    sorted(rows, EXEC_COLUMNS, by)
      .map(({ test: { name } }) => name)
      .join('');
  expect([order('test'), order('-test')]).toEqual(['abc', 'cba']);
  expect([order('seconds'), order('-seconds')]).toEqual(['bac', 'abc']);
});

test('a column that there is not is refused with those that there are', () => {
  expect(columnsOf(EXEC_COLUMNS, undefined, EXEC_PLAIN)).toEqual(EXEC_PLAIN);
  expect(() => columnsOf(RUN_COLUMNS, 'run,toString', [])).toThrow('there is no field toString');
});

test('a run counts its executions by how good they are', () => {
  const counts = { 'COMPLETED/PASS': 3, 'COMPLETED/FAIL': 1, 'KILLED/KILLED': 1, 'RUNNING/n/a': 2 };
  const [row] = objectsOf({
    rows: [{ ...RUN, counts: { ...counts, 'NOT_STARTED/PREQ_FAIL': 4 } }],
    columns: RUN_COLUMNS,
    names: ['good', 'failed', 'skipped', 'open'],
  });
  expect(row).toEqual({ good: 3, failed: 2, skipped: 4, open: 2 });
});
