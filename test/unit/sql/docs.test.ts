/** docs/sql.md says what there is: no more and no less. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { aggregateNames } from '../../../src/sql/bind/aggregates.ts';
import { SQL_STATES } from '../../../src/sql/errors.ts';
import { overloadsOf, sqlNames } from '../../../src/sql/functions/table.ts';
import { typeNames } from '../../../src/sql/type-names.ts';

const DOC = readFileSync(new URL('../../../docs/sql.md', import.meta.url), 'utf8');

function section(heading: string): string {
  const text = DOC.split(new RegExp(`^#+ ${heading}$`, 'm'))[1];
  expect(text, heading).toBeDefined();
  return text?.split(/^#/m)[0] ?? '';
}

const names = (text: string): readonly string[] =>
  [...text.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name.replaceAll('\\|', '|'));

const firstCells = (text: string): readonly string[] =>
  [...text.matchAll(/^\| (.*?) \|/gm)].flatMap(([, cell = '']) => names(cell));

const there = sqlNames.filter((name) =>
  overloadsOf(name).some(({ implementation }) => implementation !== null),
);
const isWord = (name: string): boolean => /^\w/.test(name);

test('the types of docs/sql.md are those that can be written', () => {
  expect([...firstCells(section('Types'))].sort()).toEqual([...typeNames].sort());
});

test('the functions of docs/sql.md are those that there are', () => {
  const [functions, rest = ''] = section('Functions').split('| any type |');
  expect([...names(functions ?? '')].sort()).toEqual(there.filter(isWord).sort());
  const aggregates = rest.split('| aggregates |')[1] ?? '';
  expect([...names(aggregates)].sort()).toEqual([...aggregateNames].sort());
});

test('the operators of docs/sql.md are those that there are', () => {
  const likes = ['~~', '!~~', '~~*', '!~~*'];
  const own = there.filter((name) => !isWord(name) && !likes.includes(name));
  const [, listed = ''] = section('Operators').split('LIKE, and');
  expect([...names(listed)].sort()).toEqual(own.sort());
});

test('the errors of docs/sql.md are those of the table', () => {
  const listed = [...section('Errors').matchAll(/^\| `(\w+)` \| (.*) \|$/gm)];
  expect(Object.fromEntries(listed.map(([, code = '', what = '']) => [code, what]))).toEqual(
    SQL_STATES,
  );
});
