import { beforeAll, describe, expect, test } from 'vitest';
import { SqlError } from '../../../src/sql/errors.ts';
import { BATCH_STATEMENTS_MAX, parseBatch } from '../../../src/sql/parse/batch.ts';
import { BATCH_LENGTH_MAX } from '../../../src/sql/parse/tokens.ts';
import { TREE_DEPTH_MAX } from '../../../src/sql/parse/tree.ts';
import { loadPgParser } from '../../../src/sql/pg-parser.ts';

beforeAll(loadPgParser);

/** The one statement, without trees of queries. */
function read(sql: string): Record<string, unknown> {
  const [only, ...others] = parseBatch(sql);
  expect(others).toEqual([]);
  return { ...only };
}

function failure(sql: string): { code: string; offset: number | null } {
  try {
    parseBatch(sql);
  } catch (error) {
    if (error instanceof SqlError) return { code: error.sqlState, offset: error.offset };
    throw error;
  }
  throw new Error(`read without an error: ${sql}`);
}

const name = (...parts: string[]) => expect.objectContaining({ parts });

describe('statements', () => {
  test.each([
    ['CREATE TABLE t (i INT)', { kind: 'createTable', name: name('t'), key: [] }],
    [
      'CREATE TABLE IF NOT EXISTS s.t (a bigint PRIMARY KEY, b numeric(10,2) NOT NULL DEFAULT 0)',
      {
        isIfNotExists: true,
        name: name('s', 't'),
        key: ['a'],
        columns: [
          { name: 'a', type: 'int8', isNullable: false, default: null },
          {
            name: 'b',
            type: 'numeric',
            isNullable: false,
            modifier: [10, 2],
            default: expect.anything(),
          },
        ],
      },
    ],
    ['CREATE TABLE t (a int, b text, PRIMARY KEY (a, b))', { key: ['a', 'b'] }],
    [
      "CREATE MATERIALIZED SOURCE s FROM FILE '<TEMP>/f' WITH (tail = true) FORMAT TEXT",
      {
        kind: 'createFileSource',
        isMaterialized: true,
        isTail: true,
        path: '<TEMP>/f',
        format: 'text',
      },
    ],
    ["CREATE SOURCE s FROM FILE 'x' FORMAT JSON WITH (tail)", { isTail: true, format: 'json' }],
    [
      "CREATE SOURCE s FROM FILE 'x' FORMAT CSV WITH HEADER",
      { columnNames: 'header', columnCount: null },
    ],
    ["CREATE SOURCE s FROM FILE 'x' FORMAT CSV WITH HEADER (a, b)", { columnNames: ['a', 'b'] }],
    [
      "CREATE SOURCE s FROM FILE 'x' FORMAT CSV WITH 2 COLUMNS",
      { columnNames: null, columnCount: 2 },
    ],
    [
      "CREATE SOURCE s (a, b) FROM FILE 'x' FORMAT CSV WITH 2 COLUMNS",
      { columnNames: ['a', 'b'], columnCount: 2 },
    ],
    [
      'CREATE MATERIALIZED SOURCE o FROM POSTGRES TABLE public.orders',
      { kind: 'createPostgresSource', isMaterialized: true, table: name('public', 'orders') },
    ],
    [
      'CREATE OR REPLACE MATERIALIZED VIEW v (a, b) AS SELECT 1, 2',
      { kind: 'createView', isOrReplace: true, isMaterialized: true, columnNames: ['a', 'b'] },
    ],
    [
      'CREATE VIEW IF NOT EXISTS "Mixed" AS VALUES (1)',
      { name: name('Mixed'), isIfNotExists: true },
    ],
    [
      'CREATE DEFAULT INDEX t_primary_idx ON t',
      { kind: 'createDefaultIndex', name: name('t_primary_idx'), on: name('t') },
    ],
    ['CREATE DEFAULT INDEX ON t', { name: null, on: name('t') }],
    ["ALTER INDEX i SET (logical_compaction_window = '1ms')", { kind: 'alterIndex', window: 1 }],
    ["ALTER INDEX i SET (logical_compaction_window = '10 min')", { window: 600_000 }],
    ["ALTER INDEX i SET (logical_compaction_window = 'off')", { window: 'off' }],
    [
      'ALTER INDEX IF EXISTS i RESET (logical_compaction_window)',
      { window: null, isIfExists: true },
    ],
    [
      "CREATE SINK s FROM v INTO AVRO OCF 'p'",
      { kind: 'createSink', into: { kind: 'avro', path: 'p' }, hasSnapshot: true },
    ],
    [
      "CREATE SINK s FROM v INTO JSON FILE 'p' WITHOUT SNAPSHOT",
      { into: { kind: 'json', path: 'p' }, hasSnapshot: false },
    ],
    [
      "CREATE SINK s FROM v INTO SQLITE FILE 'p' AS OF 5",
      { into: { kind: 'sqlite', path: 'p' }, asOf: expect.anything() },
    ],
    ["CREATE SINK s FROM v INTO FILE 'p' FORMAT AVRO", { into: { kind: 'avro', path: 'p' } }],
    ["CREATE SINK s FROM v INTO FILE 'p'", { into: { kind: 'json', path: 'p' } }],
    [
      'TAIL v',
      {
        kind: 'subscribe',
        relation: { kind: 'name', name: name('v') },
        hasProgress: false,
        hasSnapshot: true,
      },
    ],
    [
      'SUBSCRIBE TO (SELECT 1) WITH (progress, snapshot = false) AS OF 7',
      {
        relation: { kind: 'query', select: expect.anything() },
        hasProgress: true,
        hasSnapshot: false,
        asOf: expect.anything(),
      },
    ],
    [
      'DECLARE c CURSOR FOR TAIL v',
      {
        kind: 'declare',
        cursor: 'c',
        statement: expect.objectContaining({ kind: 'subscribe', text: 'TAIL v', offset: 21 }),
      },
    ],
    ['FETCH c', { kind: 'fetch', cursor: 'c', count: 1, timeoutMs: null }],
    ["FETCH FORWARD ALL FROM c WITH (timeout = '1s')", { count: null, timeoutMs: 1000 }],
    ['FETCH 10 c', { count: 10 }],
    ['CLOSE ALL', { kind: 'closeCursor', cursor: null }],
    ['EXPLAIN SELECT 1', { kind: 'explain', what: 'plan' }],
    ['EXPLAIN TIMESTAMP FOR SELECT 1', { what: 'timestamp' }],
    ['EXPLAIN PLAN FOR SELECT 1', { what: 'plan' }],
    ['SHOW TABLES FROM s', { kind: 'show', what: 'tables', of: name('s') }],
    ['SHOW MATERIALIZED VIEWS', { what: 'materialized views', of: null }],
    ['SHOW CREATE VIEW v', { what: 'create view', of: name('v') }],
    [
      'DROP VIEW IF EXISTS v, w CASCADE',
      {
        kind: 'drop',
        object: 'view',
        names: [name('v'), name('w')],
        isIfExists: true,
        isCascade: true,
      },
    ],
    ['DROP MATERIALIZED SOURCE s', { object: 'source', isCascade: false }],
    ['BEGIN', { kind: 'begin', isReadOnly: false }],
    [
      'START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY',
      { kind: 'begin', isReadOnly: true },
    ],
    ['END TRANSACTION', { kind: 'commit' }],
    ['ABORT', { kind: 'rollback' }],
    [
      "SET LOCAL search_path TO a, 'b c'",
      { kind: 'set', variable: 'search_path', value: 'a, b c' },
    ],
    ["SET TIME ZONE 'UTC'", { variable: 'timezone', value: 'UTC' }],
    ['RESET x', { variable: 'x', value: null }],
    ['INSERT INTO t (a) SELECT 1', { kind: 'insert', table: name('t'), columns: ['a'] }],
    ['INSERT INTO t DEFAULT VALUES', { columns: null, select: null }],
    [
      'UPDATE t AS x SET a = 1, b = DEFAULT WHERE c',
      {
        kind: 'update',
        alias: 'x',
        assignments: [
          { column: 'a', value: expect.anything() },
          { column: 'b', value: expect.anything() },
        ],
      },
    ],
    ['DELETE FROM t', { kind: 'delete', where: null, alias: null }],
    ['(SELECT 1) UNION SELECT 2', { kind: 'select', asOf: null }],
  ])('%s', (sql, form) => {
    expect(read(sql)).toMatchObject(form);
  });
});

describe('AS OF', () => {
  test.each([
    ["SELECT * FROM t AS OF now()+'1h'", false],
    ['SELECT * FROM t AS OF AT LEAST 10', true],
    ['WITH a AS (SELECT 1) SELECT * FROM a, b AS OF 5', false],
    ['SELECT * FROM (SELECT 1) AS x AS OF 3', false],
  ])('is cut off what cannot be read with it: %s', (sql, isAtLeast) => {
    expect(read(sql)).toMatchObject({ kind: 'select', asOf: { isAtLeast } });
  });

  test.each(['SELECT * FROM t AS OF', 'SELECT * FROM t AS OF (a)', 'SELECT 1 AS of'])(
    'that PostgreSQL reads as an alias is refused: %s',
    (sql) => {
      expect(failure(sql)).toEqual({ code: '42601', offset: sql.search(/as of/i) });
    },
  );

  test('a quoted alias is one', () => {
    expect(read('SELECT * FROM t AS "of"')).toMatchObject({ asOf: null });
  });
});

describe('batches', () => {
  test('are split outside of strings, comments and dollar quotes', () => {
    const sql = "SELECT ';' -- ;\n; /* ; */ SELECT $$;$$;; ;SELECT 'é;';";
    const found = parseBatch(sql).map(({ text, offset }) => [text, offset]);
    expect(found).toEqual([
      ["SELECT ';'", 0],
      ['SELECT $$;$$', 26],
      ["SELECT 'é;'", 42],
    ]);
  });

  test('places are characters of the batch, also behind wide ones', () => {
    expect(failure("SELECT '𝒳é'; SELECT '𝒳' FROM (")).toEqual({ code: '42601', offset: 32 });
    expect(failure("SELECT '𝒳é'; CREATE TABLE ü (a foo)")).toEqual({ code: '42704', offset: 32 });
  });

  test('an empty one has no statements', () => {
    for (const sql of ['', ' \n', '-- ping', '/* */', ' ; -- nothing\n;']) {
      expect(parseBatch(sql)).toEqual([]);
    }
  });

  test('too long a one is refused', () => {
    expect(failure(`SELECT ${' '.repeat(BATCH_LENGTH_MAX)}1`)).toMatchObject({ code: '54000' });
  });

  test('too many statements are refused', () => {
    expect(failure('x;'.repeat(BATCH_STATEMENTS_MAX + 1))).toMatchObject({ code: '54000' });
  });

  test('too deep a statement is refused', () => {
    expect(failure(`SELECT ${'1+'.repeat(TREE_DEPTH_MAX)}1`)).toMatchObject({ code: '54001' });
  });
});

describe('what is refused', () => {
  test.each([
    ['FOO', '42601', 0],
    ['SAVEPOINT a', '0A000', 0],
    ["SELECT 'a", '42601', 7],
    ['CREATE TABLE t (a int[])', '0A000', 18],
    ['CREATE TABLE t (a int CHECK (a > 0))', '0A000', 22],
    ['CREATE TABLE t (a int, a text)', '42701', 0],
    ['CREATE TABLE t (a int, PRIMARY KEY (b))', '42703', 0],
    ['CREATE TEMP TABLE t (a int)', '0A000', 0],
    ['CREATE UNIQUE INDEX i ON t (a)', '0A000', 0],
    ["CREATE SOURCE s FROM FILE 'x' FORMAT TEXT WITH (foo = 1)", '42601', 48],
    ["CREATE SOURCE s (a) FROM FILE 'x' FORMAT CSV WITH 2 COLUMNS", '42601', 59],
    ['DROP FUNCTION f', '0A000', 0],
    ['EXPLAIN', '42601', 7],
    ['EXPLAIN ANALYZE SELECT 1', '0A000', 8],
    ['INSERT INTO t VALUES (1) RETURNING a', '0A000', 0],
    ['INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING', '0A000', 25],
    ['UPDATE t SET (a, b) = (1, 2)', '0A000', 0],
    ['DELETE FROM t USING u', '0A000', 0],
    ['ALTER TABLE t ADD a int', '0A000', 0],
    ['ROLLBACK TO SAVEPOINT a', '0A000', 9],
    ['SELECT 1 AS OF 5)', '42601', 17],
    ['DECLARE c SCROLL CURSOR FOR SELECT 1', '0A000', 10],
    ['SHOW', '42601', 4],
  ])('%s', (sql, code, offset) => {
    expect(failure(sql)).toEqual({ code, offset });
  });
});
