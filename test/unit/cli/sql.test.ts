import { createInterface } from 'node:readline';
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { POSTGRES_DIALECT, ShellReader } from '../../../src/cli/shell-input.ts';
import { readCommand } from '../../../src/cli/sql-commands.ts';
import { ResultPrinter } from '../../../src/cli/sql-print.ts';
import { placeText, SqlShell } from '../../../src/cli/sql-shell.ts';
import { sqlError } from '../../../src/sql/errors.ts';
import type { Column, SqlRow } from '../../../src/sql/types.ts';

const COLUMNS: readonly Column[] = [
  { name: 'n', type: 'int8', isNullable: true },
  { name: 'ok', type: 'bool', isNullable: true },
  { name: 'data', type: 'jsonb', isNullable: true },
];
const ROWS: readonly SqlRow[] = [
  [9007199254740993n, true, '{"a": [1]}'],
  [1n, null, null],
];

function printed(isJson: boolean, act: (printer: ResultPrinter) => void): string {
  let text = '';
  const out = (more: string): void => {
    text += more;
  };
  act(new ResultPrinter({ isJson, tellsTags: !isJson, out, onNotice: out }));
  return text;
}

describe('results', () => {
  test('are aligned tables with a tag, empty ones too', () => {
    const text = printed(false, (printer) => {
      printer.columns(COLUMNS);
      printer.rows(ROWS);
      printer.complete('SELECT 2');
      printer.columns(COLUMNS.slice(0, 1));
      printer.complete('SELECT 0');
      printer.complete('CREATE VIEW');
    });
    expect(text.split('\n')).toEqual([
      'n                 ok    data',
      '----------------  ----  ----------',
      '9007199254740993  t     {"a": [1]}',
      '1                 NULL  NULL',
      'SELECT 2',
      'n',
      '-',
      'SELECT 0',
      'CREATE VIEW',
      '',
    ]);
  });

  test('with --json are objects, with booleans and documents as they are, and large integers as text', () => {
    const text = printed(true, (printer) => {
      printer.columns(COLUMNS);
      printer.rows(ROWS);
      printer.complete('SELECT 2');
      printer.complete('CREATE VIEW');
    });
    expect(text.trim().split('\n')).toEqual([
      '{"n":"9007199254740993","ok":true,"data":{"a":[1]}}',
      '{"n":1,"ok":null,"data":null}',
      '{"tag":"CREATE VIEW"}',
    ]);
  });

  test('of a stream keep the widths that the first rows gave', () => {
    const text = printed(false, (printer) => {
      printer.columns(COLUMNS.slice(0, 2));
      printer.rows([[5n, true]]);
      printer.flush();
      printer.rows([[12345n, false]]);
      printer.complete('SUBSCRIBE 2');
    });
    expect(text.split('\n').slice(0, 4)).toEqual(['n  ok', '-  --', '5  t', '12345  f']);
  });
});

test('what is typed follows the quotes of PostgreSQL', () => {
  const reader = new ShellReader(POSTGRES_DIALECT);
  const lines = ['SELECT $$a;b$$, "c;d" -- e;', ';', '\\d t', '[;'];
  const inputs = lines.flatMap((line) => reader.push(line));
  expect(inputs.map((input) => (input.kind === 'statement' ? input.text : input.words))).toEqual([
    'SELECT $$a;b$$, "c;d" -- e;\n;',
    ['d', 't'],
    '[;',
  ]);
});

test('commands are SHOW statements', () => {
  expect(readCommand(['d', 'by_city;'])).toEqual({ kind: 'run', sql: 'SHOW COLUMNS FROM by_city' });
  expect(readCommand(['dr'])).toEqual({ kind: 'run', sql: 'SHOW REPLICATED TABLES' });
  expect(readCommand(['dv'])).toEqual({
    kind: 'list',
    parts: [{ sql: 'SHOW VIEWS', of: 'view' }],
  });
  expect(readCommand(['x'])).toEqual({ kind: 'unknown', name: 'x' });
  expect(readCommand(['q'])).toEqual({ kind: 'quit' });
});

test('an error shows the line and the place', () => {
  const text = 'SELECT 1,\n  oops FROM t';
  expect(placeText(text, sqlError('42703', 'no', { offset: 12 }))).toBe('    oops FROM t\n    ^\n');
  expect(placeText(text, sqlError('42703', 'no'))).toBeNull();
});

test('Ctrl-C throws away the line that is being typed', async () => {
  const ran: string[] = [];
  const target = {
    run: async (sql: string) => void ran.push(sql),
    cancel: () => undefined,
    close: async () => undefined,
  };
  const input = new PassThrough();
  const lines = createInterface({ input, output: new PassThrough(), terminal: true });
  const shell = new SqlShell({ target, isJson: true, isTerminal: true });
  const done = shell.run(lines);
  input.write('SELECT (((\u0003SELECT 2;\n');
  input.end();
  await done;
  expect(ran.map((sql) => sql.trim())).toEqual(['SELECT 2;']);
});
