import { beforeAll, describe, expect, test } from 'vitest';
import { bindDelete, bindInsert, bindUpdate, type Target } from '../../../src/sql/bind/changes.ts';
import type { Lookup } from '../../../src/sql/bind/context.ts';
import { type BindOptions, bindScalar, bindSelect } from '../../../src/sql/bind/query.ts';
import { SqlError } from '../../../src/sql/errors.ts';
import { evaluate } from '../../../src/sql/evaluate.ts';
import { parseBatch } from '../../../src/sql/parse/batch.ts';
import { parseExpression } from '../../../src/sql/parse/tree.ts';
import { loadPgParser } from '../../../src/sql/pg-parser.ts';
import type { Query } from '../../../src/sql/plan.ts';
import type { Column } from '../../../src/sql/types.ts';

beforeAll(loadPgParser);

const COLUMNS: readonly Column[] = [
  { name: 'id', type: 'int4', isNullable: false },
  { name: 'price', type: 'numeric', isNullable: true, modifier: [6, 2] },
  { name: 'label', type: 'text', isNullable: true, modifier: [5] },
  { name: 'at', type: 'timestamptz', isNullable: true },
];
const lookup: Lookup = ({ parts }) =>
  parts.at(-1) === 't' ? { item: 'u1', columns: COLUMNS } : null;

function bind(sql: string, options: BindOptions = {}): Query {
  const [statement] = parseBatch(sql);
  if (statement?.kind !== 'select') throw new Error(`no query: ${sql}`);
  return bindSelect(statement.select, lookup, options);
}

function failure(run: () => unknown): { code: string; offset: number | null } {
  try {
    run();
  } catch (error) {
    if (error instanceof SqlError) return { code: error.sqlState, offset: error.offset };
    throw error;
  }
  throw new Error('bound without an error');
}

describe('errors have the place of what is wrong', () => {
  test.each([
    ['SELECT id, nope FROM t', '42703', 11],
    ['SELECT 1; SELECT x.id FROM t', '42P01', 17],
    ['SELECT * FROM nowhere', '42P01', 14],
    ['SELECT id FROM t a, t b', '42702', 7],
    ["SELECT id + 'x' FROM t", '22P02', 10],
    ['SELECT label + 1 FROM t', '42883', 13],
    ['SELECT lower(id) FROM t', '42883', 7],
    ['SELECT id FROM t WHERE label', '42804', 23],
    ['SELECT label, count(*) FROM t', '42803', 7],
    ['SELECT id FROM t WHERE count(*) > 1', '42803', 23],
    ['SELECT id FROM t ORDER BY 3', '42P10', 26],
    ['SELECT string_agg(label, label) OVER () FROM t', '0A000', 7],
    ["SELECT label SIMILAR TO 'a' FROM t", '0A000', 13],
    ['SELECT $1', '42P02', 7],
  ])('%s', (sql, code, offset) => {
    const last = parseBatch(sql).at(-1);
    if (last?.kind !== 'select') throw new Error(sql);
    expect(failure(() => bindSelect(last.select, lookup))).toEqual({ code, offset });
  });
});

describe('queries', () => {
  test('tell each item once, in the order in which they are named, and what they ask of the clock', () => {
    const items: Lookup = ({ parts }) => ({ item: `u_${parts.at(-1)}`, columns: COLUMNS });
    const [statement] = parseBatch(
      'SELECT now() FROM b, a, b AS c WHERE EXISTS (SELECT 1 FROM d, a x)',
    );
    if (statement?.kind !== 'select') throw new Error('a query');
    const query = bindSelect(statement.select, items);
    expect(query.items).toEqual(['u_b', 'u_a', 'u_d']);
    expect(query).toMatchObject({ usesNow: true, usesLogicalTimestamp: false });
    expect(bind('SELECT mz_logical_timestamp()')).toMatchObject({ usesLogicalTimestamp: true });
  });

  test('what is sorted by and not shown stands behind the columns', () => {
    const query = bind('SELECT label FROM t ORDER BY id DESC');
    expect(query.columns.map(({ name }) => name)).toEqual(['label']);
    expect(query.plan.columns).toHaveLength(2);
    expect(query.order).toMatchObject([
      { expression: { kind: 'column', index: 1 }, isDescending: true, areNullsFirst: true },
    ]);
  });

  test('a view that is named becomes an item, not its query', () => {
    expect(bind('SELECT * FROM t').plan).toMatchObject({
      kind: 'project',
      input: { kind: 'get', item: 'u1' },
    });
  });
});

describe('parameters', () => {
  test('take their type from where they stand', () => {
    const query = bind('SELECT id + $1, $2 FROM t WHERE price > $3 AND label = $4 LIMIT $5', {
      parameters: [],
    });
    expect(query.parameters).toEqual(['int4', 'text', 'numeric', 'text', 'int8']);
  });

  test('keep the type that the client names', () => {
    const query = bind('SELECT id + $1 FROM t', { parameters: ['int8'] });
    expect(query.parameters).toEqual(['int8']);
    expect(query.columns[0]?.type).toBe('int8');
  });

  test('are refused where nothing tells their type, and with two types', () => {
    expect(failure(() => bind('SELECT $2 + 1', { parameters: [] })).code).toBe('42P18');
    expect(failure(() => bind("SELECT $1 + 1, $1 = 'a'::text", { parameters: [] })).code).toBe(
      '42883',
    );
  });
});

describe('changes', () => {
  const target: Target = {
    item: 'u1',
    name: 't',
    columns: COLUMNS,
    defaults: [null, null, null, null],
  };

  function change(sql: string, to: Target = target): Query {
    const [statement] = parseBatch(sql);
    switch (statement?.kind) {
      case 'insert':
        return bindInsert(statement, to, { lookup });
      case 'update':
        return bindUpdate(statement, to, { lookup });
      case 'delete':
        return bindDelete(statement, to, { lookup });
      default:
        throw new Error(sql);
    }
  }

  function rows(sql: string, to: Target = target): unknown {
    const { plan } = change(sql, to);
    if (plan.kind !== 'values') throw new Error(`not constant: ${sql}`);
    return plan.rows.map((row) => row.map((cell) => evaluate(cell, { now: 0 })));
  }

  test('values become what their columns want, row by row, and are made to fit', () => {
    expect(rows("INSERT INTO t VALUES ('1', 2.345, 'abc  ', now()), (2.5, '7', 5, NULL)")).toEqual([
      [1, '2.35', 'abc  ', '1970-01-01 00:00:00+00'],
      [3, '7.00', '5', null],
    ]);
    expect(rows("INSERT INTO t VALUES (1, 1, 'abcde    ')")).toEqual([[1, '1.00', 'abcde', null]]);
  });

  test('what is not named has its default, also where DEFAULT is written', () => {
    const defaults = [parseExpression('7', 0), parseExpression('1 + 0.5', 0), null, null];
    const to = { ...target, defaults };
    expect(rows("INSERT INTO t (label) VALUES ('a')", to)).toEqual([[7, '1.50', 'a', null]]);
    expect(rows('INSERT INTO t VALUES (DEFAULT, DEFAULT)', to)).toEqual([[7, '1.50', null, null]]);
    expect(rows('INSERT INTO t DEFAULT VALUES', to)).toEqual([[7, '1.50', null, null]]);
  });

  test('an update gives the old row and the new one', () => {
    const query = change("UPDATE t x SET price = x.price * 2, label = 'b' WHERE x.id > 1");
    expect(query.columns.map(({ name }) => name)).toEqual(
      [...COLUMNS, ...COLUMNS].map(({ name }) => name),
    );
    expect(query.plan).toMatchObject({ kind: 'project', input: { kind: 'filter' } });
    expect(change('DELETE FROM t WHERE id = 1').plan).toMatchObject({
      kind: 'filter',
      input: { kind: 'get' },
    });
  });

  test.each([
    ["INSERT INTO t VALUES (1, 2, 'toolong')", '22001'],
    ['INSERT INTO t VALUES (1, 12345.678)', '22003'],
    ['INSERT INTO t VALUES (1, true)', '42804'],
    ['INSERT INTO t VALUES (1, 2, 3, now(), 5)', '42601'],
    ['INSERT INTO t (id, price) VALUES (1)', '42601'],
    ['INSERT INTO t (id, id) VALUES (1, 2)', '42701'],
    ['INSERT INTO t (nope) VALUES (1)', '42703'],
    ["INSERT INTO t VALUES ('x')", '22P02'],
    ['UPDATE t SET id = 1, id = 2', '42601'],
    ['UPDATE t SET id = count(*)', '42803'],
    ['DELETE FROM t WHERE id', '42804'],
  ])('%s is refused', (sql, code) => {
    expect(failure(() => rows(sql)).code).toBe(code);
  });
});

describe('constants', () => {
  const value = (sql: string): unknown =>
    evaluate(bindScalar(parseExpression(sql, 0)), { now: 3_600_000, time: 5 });

  test.each([
    ["now() + '1h'", '1970-01-01 02:00:00+00'],
    ['10 * 2', 20],
    ['mz_logical_timestamp() + 1', '6'],
    ["CASE WHEN true THEN 'a' ELSE 'b' END", 'a'],
    ['NULL OR true', true],
    ['greatest(1, NULL, 2.5)', '2.5'],
    ["'2024-02-29'::date + 1", '2024-03-01'],
  ])('%s', (sql, expected) => {
    expect(value(sql)).toEqual(expected);
  });

  test.each([
    ['1/0', '22012'],
    ['x', '42703'],
    ['(SELECT 1)', '0A000'],
    ['sum(1)', '42803'],
  ])('%s is refused', (sql, code) => {
    expect(failure(() => value(sql)).code).toBe(code);
  });
});
