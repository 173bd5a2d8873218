import { describe, expect, test } from 'vitest';
import { autoStatus, csvRows, dataOfCsv, judgeValue } from '../../../src/area/test-data.ts';

describe('D1: a value is judged', () => {
  test.each([
    ['10', '10', '0', 'PASS'],
    ['9.9', '10', '0.1', 'PASS'],
    ['10.1', '10', '0.1', 'PASS'],
    ['10.11', '10', '0.1', 'FAIL'],
    ['9.89', '10', '0.1', 'FAIL'],
    ['0.3', '0.2', '0.1', 'PASS'],
    ['0.1', '0.3', '0.2', 'PASS'],
    ['1.1', '1', '0.1', 'PASS'],
    ['-5', '-5', '', 'PASS'],
    ['5', '6', '', 'FAIL'],
    ['11', '10', '>', 'PASS'],
    ['10', '10', '>', 'FAIL'],
    ['9', '10', '<', 'PASS'],
    ['10', '10', '<', 'FAIL'],
    ['10', '10', '>=', 'PASS'],
    ['9', '10', '>=', 'FAIL'],
    ['10', '10', '<=', 'PASS'],
    ['11', '10', '<=', 'FAIL'],
    ['x', 'x', '', 'n/a'],
    ['1', 'x', '', 'n/a'],
    ['1', '', '', 'n/a'],
    ['1', '2', 'about', 'n/a'],
    ['', '2', '1', 'n/a'],
    ['fast', '2', '1', 'FAIL'],
    ['1e3', '1000', '0', 'PASS'],
    ['Infinity', '1', '1', 'FAIL'],
  ])('%s of %s with %s: %s', (value, expected, tolerance, status) => {
    expect(judgeValue({ value, expected, tolerance })).toBe(status);
  });
});

describe('D2: rows of CSV', () => {
  test('have nine columns, of which the last may be missing', () => {
    expect(dataOfCsv('a, b ,1,1,0,mm,said,,t\n# comment\n\na,c,2', [])).toEqual([
      {
        category: 'a',
        variable: 'b',
        value: '1',
        expected: '1',
        tolerance: '0',
        units: 'mm',
        comment: 'said',
        status: 'PASS',
        type: 't',
      },
      {
        category: 'a',
        variable: 'c',
        value: '2',
        expected: '',
        tolerance: '',
        units: '',
        comment: '',
        status: 'n/a',
        type: '',
      },
    ]);
  });

  test('take what they leave out from an earlier run', () => {
    const earlier = [{ category: 'a', variable: 'b', expected: '5', tolerance: '>', units: 'mm' }];
    expect(
      dataOfCsv('a,b,6\na,c,6\na,b,6,7', earlier).map((row) => [
        row.expected,
        row.tolerance,
        row.status,
      ]),
    ).toEqual([
      ['5', '>', 'PASS'],
      ['', '', 'n/a'],
      ['7', '>', 'FAIL'],
    ]);
  });

  test('keep a status that is written', () => {
    expect(dataOfCsv('a,b,1,2,0,,,pass', [])[0]?.status).toBe('PASS');
  });

  test.each([
    ['a,b\nc', [['a', 'b'], ['c']]],
    ['"a,b","c ""d"""', [['a,b', 'c "d"']]],
    ['"a\nb",c', [['a\nb', 'c']]],
    ['a,,b\r\nc', [['a', '', 'b'], ['c']]],
    ['a"b,c', [['a"b', 'c']]],
    ['"a"b,c', [['"a"b', 'c']]],
    ['"a', [['"a']]],
    ['', []],
  ])('%j', (text, expected) => {
    expect(csvRows(text)).toEqual(expected);
  });
});

describe('D3: AUTO', () => {
  test.each([
    ['n/a', ['PASS', 'FAIL'], 'FAIL'],
    ['n/a', ['PASS', 'n/a'], 'PASS'],
    ['n/a', ['n/a'], 'n/a'],
    ['WARN', ['PASS'], 'WARN'],
    ['FAIL', ['PASS'], 'FAIL'],
    ['WARN', ['FAIL'], 'FAIL'],
    ['n/a', [], 'n/a'],
  ])('%s with %j is %s', (soFar, statuses, expected) => {
    expect(
      autoStatus(
        soFar,
        statuses.map((status) => ({ status })),
      ),
    ).toBe(expected);
  });
});
