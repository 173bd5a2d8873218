import { expect, test } from 'vitest';
import { loadSettings } from '../../../src/cli/config-load.ts';

const tablesOf = (table: string): unknown =>
  loadSettings({ file: undefined, environment: {}, flags: { table: [table] } }).tables;

test.each([
  ['public.cities=country', 'public.cities', 'country'],
  ['public.Cities = country', 'public.Cities', 'country'],
  ['public."Cities"=country', 'public.Cities', 'country'],
  ['"My schema"."a=b"=*', 'My schema.a=b', '*'],
  ['public."a""b"=coalesce(x, \'=\')', 'public.a"b', "coalesce(x, '=')"],
  ['public."with.dot"=x', 'public.with.dot', 'x'],
])('a table is declared as people write it: %s', (text, name, selector) => {
  expect(tablesOf(text)).toEqual([{ name, selector }]);
});

test.each(['cities=x', '"a.b".c=x', 'a.b.c=x', 'public."T=x', '.t=x'])(
  'what is no name of a table is refused: %s',
  (text) => {
    expect(() => tablesOf(text)).toThrow(/schema.table/);
  },
);
