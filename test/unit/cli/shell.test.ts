import { describe, expect, test } from 'vitest';
import { ShellReader } from '../../../src/cli/shell-input.ts';
import { jsonText, tableText } from '../../../src/cli/shell-print.ts';

function read(...lines: readonly string[]): readonly (string | readonly string[])[] {
  const reader = new ShellReader();
  const inputs = [...lines.flatMap((line) => reader.push(line)), ...reader.end()];
  return inputs.map((input) => (input.kind === 'statement' ? input.text : input.words));
}

describe('what is typed', () => {
  test('statements end with a semicolon, wherever lines break', () => {
    expect(read('SELECT 1; SELECT', '2;', '', 'SELECT 3')).toEqual([
      'SELECT 1;',
      'SELECT\n2;',
      'SELECT 3',
    ]);
  });

  test.each([
    `SELECT ';', 'it''s;';`,
    'SELECT 1 AS "a;b", 2 AS [c;d], 3 AS `e;f`;',
    'SELECT 1 -- not here;\n;',
    'SELECT /* nor\nhere; */ 1;',
  ])('a semicolon inside of %j ends nothing', (text) => {
    expect(read(...text.split('\n'))).toEqual([text]);
  });

  test('a line that begins with a dot is a command, but not inside a statement', () => {
    expect(read('.schema item', 'SELECT', '.5;', '.quit')).toEqual([
      ['schema', 'item'],
      'SELECT\n.5;',
      ['quit'],
    ]);
  });

  test('comments and empty statements are nothing', () => {
    expect(read('-- a comment;', ';;', '/* another */')).toEqual([]);
  });

  test('an input knows on which line it begins', () => {
    const reader = new ShellReader();
    const lines = ['', 'SELECT', '1;', '.quit'].flatMap((line) => reader.push(line));
    expect(lines.map(({ line }) => line)).toEqual([2, 4]);
  });

  test('a statement that is not complete can be forgotten', () => {
    const reader = new ShellReader();
    reader.push("SELECT 'abc");
    expect(reader.isOpen).toBe(true);
    reader.clear();
    expect(reader.push('SELECT 1;')).toHaveLength(1);
  });
});

const ROWS = {
  columns: ['id', 'value'],
  rows: [
    ['a', 12345678901234567890n],
    ['long id', new Uint8Array([0, 255])],
    ['n', null],
  ] as const,
  changes: null,
};

test('rows are shown in columns', () => {
  expect(tableText(ROWS).split('\n')).toEqual([
    'id       value',
    '-------  --------------------',
    'a        12345678901234567890',
    "long id  x'00ff'",
    'n        NULL',
    '',
  ]);
  expect(tableText({ columns: [], rows: [], changes: 1 })).toBe('');
});

test('with --json a row is an object, and big integers are text', () => {
  expect(jsonText(ROWS).split('\n').at(0)).toBe('{"id":"a","value":"12345678901234567890"}');
  expect(jsonText({ columns: [], rows: [], changes: 2 })).toBe('{"changes":2}\n');
  expect(jsonText({ columns: ['n'], rows: [[5n]], changes: null })).toBe('{"n":5}\n');
});
