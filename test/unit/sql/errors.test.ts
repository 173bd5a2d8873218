import { expect, test } from 'vitest';
import { notSupported, SqlError, sqlError, toSqlError } from '../../../src/sql/errors.ts';

test('a failure of SQL carries SQLSTATE, place and hint', () => {
  const error = sqlError('42P01', 'no t', { offset: 3, hint: 'make it' });
  expect(error).toMatchObject({
    code: 'SQL_FAILED',
    sqlState: '42P01',
    offset: 3,
    hint: 'make it',
  });
  expect(error.toJSON()).toMatchObject({ error: { details: { sqlState: '42P01', offset: 3 } } });
  expect(notSupported('x')).toMatchObject({ sqlState: '0A000', offset: null });
});

test.each([
  ['Expression tree is too large (maximum depth 1000)', '54001'],
  ['at most 64 tables in a join', '54001'],
  ['Recursion limit', '54001'],
  ['too many terms in compound SELECT', '54001'],
  ['Maximum call stack size exceeded', '54001'],
  ['integer overflow', '22003'],
  ['no such column: c7', 'XX000'],
])('what SQLite says becomes one: %s', (message, sqlState) => {
  expect(toSqlError(new Error(message))).toMatchObject({ sqlState });
});

test('one that is a failure of SQL stays as it is', () => {
  const error = new SqlError('22012', 'division by zero', {});
  expect(toSqlError(error)).toBe(error);
});
