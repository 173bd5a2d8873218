/** Queries by chance: typed expressions over two joined tables, in the forms that a query can have. */
import fc from 'fast-check';

/** Small values, so that few queries fail; NULL everywhere. */
export const GENERATED_SCHEMA = `
  CREATE TABLE a (i int4, b int8, n numeric(8,2), f float8, s text, ok bool, d date, ts timestamp, iv interval);
  CREATE TABLE c (i int4, k int4, q int2, p numeric, s text);
  INSERT INTO a SELECT nullif(g % 7, 5), g * 1000, nullif((g * 37 % 100) / 8.0, 2.5), (g % 9) / 4.0 - 1,
    (ARRAY['', 'a', 'ab', 'Abc', 'b%', NULL])[1 + g % 6], (ARRAY[true, false, NULL])[1 + g % 3],
    date '2024-01-31' + g * 11, timestamp '2023-12-31 23:59:59.5' + g * interval '5 days 07:00', (g - 6) * interval '1 day 02:30'
    FROM generate_series(1, 14) g;
  INSERT INTO c SELECT nullif(g % 5, 3), g % 7, g - 6, (g % 4) * 1.10, (ARRAY['a', 'B', NULL])[1 + g % 3]
    FROM generate_series(1, 12) g;
`;

export type GeneratedQuery = {
  readonly sql: string;
  /** Equal numerics of different scale may stand for one another. */
  readonly isGrouped: boolean;
};

type Expressions = Readonly<
  Record<'int' | 'num' | 'text' | 'bool' | 'time' | 'span', fc.Arbitrary<string>>
>;

const list = (...values: readonly string[]): fc.Arbitrary<string> => fc.constantFrom(...values);

function expressions(leaves: Expressions, depth: number): Expressions {
  if (depth === 0) return leaves;
  const inner = expressions(leaves, depth - 1);
  const { int, num, text, bool, time, span } = inner;
  const of = (...parts: readonly (string | fc.Arbitrary<string>)[]): fc.Arbitrary<string> =>
    fc
      .tuple(...parts.map((part) => (typeof part === 'string' ? fc.constant(part) : part)))
      .map((texts) => texts.join(''));
  const any = fc.oneof(int, num, text, bool, time, span);
  const choice = (one: fc.Arbitrary<string>): readonly fc.Arbitrary<string>[] => [
    of('CASE WHEN ', bool, ' THEN ', one, ' ELSE ', one, ' END'),
    of('coalesce(', one, ', ', one, ')'),
    of('nullif(', one, ', ', one, ')'),
    of('greatest(', one, ', ', one, ')'),
    of('least(', one, ', ', one, ')'),
  ];
  const comparison = list(
    '=',
    '<>',
    '<',
    '<=',
    '>',
    '>=',
    'IS DISTINCT FROM',
    'IS NOT DISTINCT FROM',
  );
  const compared = (one: fc.Arbitrary<string>): fc.Arbitrary<string> =>
    of('(', one, ' ', comparison, ' ', one, ')');
  return {
    int: fc.oneof(
      leaves.int,
      of('(', int, list(' + ', ' - ', ' * '), int, ')'),
      of('(', int, list(' / ', ' % '), list('2', '3', '-5'), ')'),
      of('length(', text, ')'),
      of('abs(', int, ')'),
      of('(', num, ')::int8'),
      of("position('a' in ", text, ')'),
      ...choice(int),
    ),
    num: fc.oneof(
      leaves.num,
      of('(', num, list(' + ', ' - ', ' * '), num, ')'),
      of('(', num, list(' / ', ' % '), list('7', '0.3', '-2.50'), ')'),
      of('round(', num, ', 1)'),
      of('(', num, ' + ', int, ')'),
      of('floor(', num, ')'),
      of('extract(', list('year', 'dow', 'epoch', 'week', 'second'), ' from ', time, ')'),
      ...choice(num),
    ),
    text: fc.oneof(
      leaves.text,
      of('(', text, ' || ', fc.oneof(text, int, num, bool), ')'),
      of(list('upper', 'lower', 'reverse', 'btrim', 'initcap'), '(', text, ')'),
      of('substr(', text, ', ', list('0', '2', '-1'), ', 2)'),
      of('replace(', text, ', ', text, ", 'z')"),
      of('concat(', any, ', ', any, ')'),
      of('(', fc.oneof(int, num, bool, time, span), ')::text'),
      ...choice(text),
    ),
    bool: fc.oneof(
      leaves.bool,
      ...[int, num, text, bool, time, span].map(compared),
      of('(', int, ' = ', num, ')'),
      of('(', bool, list(' AND ', ' OR '), bool, ')'),
      of('(NOT ', bool, ')'),
      of('(', any, list(' IS NULL', ' IS NOT NULL'), ')'),
      of('(', bool, list(' IS TRUE', ' IS NOT TRUE', ' IS UNKNOWN', ' IS NOT FALSE'), ')'),
      of('(', int, list(' IN ', ' NOT IN '), '(', int, ', ', list('1', 'NULL', '2.0'), '))'),
      of('(', num, list(' BETWEEN ', ' NOT BETWEEN '), num, ' AND ', int, ')'),
      of('(', text, list(' LIKE ', ' ILIKE ', ' NOT LIKE '), list("'%a%'", "'_b%'", "'B\\%'"), ')'),
      of(
        '(',
        int,
        list(' IN ', ' NOT IN '),
        '(SELECT c2.i FROM c c2 WHERE ',
        compared(fc.oneof(list('c2.k', 'c2.q'), int)),
        '))',
      ),
      of('EXISTS (SELECT 1 FROM c c2 WHERE c2.k = ', int, ')'),
    ),
    time: fc.oneof(
      leaves.time,
      of('(', time, list(' + ', ' - '), span, ')'),
      of("date_trunc('", list('month', 'day', 'week', 'hour', 'year'), "', ", time, ')'),
      ...choice(time),
    ),
    span: fc.oneof(
      leaves.span,
      of('(', span, list(' + ', ' - '), span, ')'),
      of('(', time, ' - ', time, ')'),
      of('(', span, ' * 2)'),
      ...choice(span),
    ),
  };
}

const COLUMNS: Expressions = {
  int: list(
    'x.i',
    'y.k',
    'y.q',
    'x.i',
    '1',
    '0',
    '-2',
    '(SELECT max(c3.k) FROM c c3 WHERE c3.i = x.i)',
  ),
  num: list('x.n', 'y.p', '1.50', '0.0', '(SELECT sum(c3.p) FROM c c3 WHERE c3.k = y.k)'),
  text: list('x.s', 'y.s', "'a'", "''", "'Zb'"),
  bool: list('x.ok', 'true', 'NULL::bool'),
  time: list('x.ts', 'x.d::timestamp', "timestamp '2024-02-29 12:00'"),
  span: list('x.iv', "interval '1 mon'", "interval '-36:00'"),
};

const SOURCES = list(
  'a x JOIN c y ON x.i = y.k',
  'a x LEFT JOIN c y ON x.i = y.i AND y.q > 0',
  'c y LEFT JOIN a x ON x.i = y.k OR x.ok',
  'a x RIGHT JOIN c y ON x.i = y.i',
  'a x FULL JOIN c y ON x.i = y.k',
  'a x CROSS JOIN c y',
  '(SELECT DISTINCT i, n, f, s, ok, d, ts, iv FROM a) x, (SELECT k, max(q) AS q, sum(p) AS p, min(i) AS i, min(s) AS s FROM c GROUP BY k) y',
);

const AGGREGATES = (of: Expressions): fc.Arbitrary<string> =>
  fc.oneof(
    fc.constant('count(*)'),
    of.int.map((one) => `sum(${one})`),
    of.num.map((one) => `sum(${one})`),
    of.num.map((one) => `avg(${one})`),
    of.int.map((one) => `avg(${one})`),
    of.int.map((one) => `count(DISTINCT ${one})`),
    of.num.map((one) => `sum(DISTINCT ${one})`),
    fc.oneof(of.num, of.text, of.int, of.time, of.span).map((one) => `min(${one})`),
    fc.oneof(of.num, of.text, of.int, of.time, of.span).map((one) => `max(${one})`),
    of.bool.map((one) => `bool_and(${one})`),
    fc
      .tuple(of.text, of.bool)
      .map(([one, when]) => `string_agg(${one}, ',' ORDER BY ${one}) FILTER (WHERE ${when})`),
    fc.tuple(of.int, of.bool).map(([one, when]) => `sum(${one}) FILTER (WHERE ${when})`),
  );

const some = (of: Expressions): fc.Arbitrary<string> =>
  fc.oneof(of.int, of.num, of.text, of.bool, of.time, of.span);

/** Rows as they are. */
const plainQuery = fc
  .record({
    list: fc.array(some(expressions(COLUMNS, 3)), { minLength: 1, maxLength: 4 }),
    from: SOURCES,
    where: fc.option(expressions(COLUMNS, 2).bool),
  })
  .map(
    ({ list: shown, from, where }): GeneratedQuery => ({
      sql: `SELECT ${shown.join(', ')} FROM ${from}${where === null ? '' : ` WHERE ${where}`}`,
      isGrouped: false,
    }),
  );

const groupedQuery = fc
  .record({
    keys: fc.array(some(expressions(COLUMNS, 1)), { maxLength: 2 }),
    shown: fc.array(AGGREGATES(expressions(COLUMNS, 2)), { minLength: 1, maxLength: 3 }),
    from: SOURCES,
    where: fc.option(expressions(COLUMNS, 2).bool),
    having: fc.option(list('count(*) > 2', 'sum(y.q) > 0', 'min(x.s) IS NOT NULL')),
  })
  .map(({ keys, shown, from, where, having }): GeneratedQuery => {
    const isKey = keys.length > 0;
    const named = keys.map((key, index) => `${key} AS k${index}`);
    const groups = isKey ? ` GROUP BY ${keys.map((_, index) => index + 1).join(', ')}` : '';
    return {
      sql: `SELECT ${[...named, ...shown].join(', ')} FROM ${from}${where === null ? '' : ` WHERE ${where}`}${groups}${having === null ? '' : ` HAVING ${having}`}`,
      isGrouped: true,
    };
  });

const setQuery = fc
  .record({
    one: fc.tuple(expressions(COLUMNS, 1).int, expressions(COLUMNS, 1).text),
    two: fc.tuple(expressions(COLUMNS, 1).num, expressions(COLUMNS, 1).text),
    sources: fc.tuple(SOURCES, SOURCES),
    operation: list('UNION', 'UNION ALL', 'EXCEPT', 'EXCEPT ALL', 'INTERSECT', 'INTERSECT ALL'),
  })
  .map(
    ({ one, two, sources, operation }): GeneratedQuery => ({
      sql: `SELECT ${one.join(', ')} FROM ${sources[0]} ${operation} SELECT ${two.join(', ')} FROM ${sources[1]}`,
      isGrouped: true,
    }),
  );

const distinctQuery = fc
  .record({
    shown: fc.array(some(expressions(COLUMNS, 2)), { minLength: 1, maxLength: 3 }),
    from: SOURCES,
  })
  .map(
    ({ shown, from }): GeneratedQuery => ({
      sql: `SELECT DISTINCT ${shown.join(', ')} FROM ${from}`,
      isGrouped: true,
    }),
  );

/** The first rows of an order that is total up to equal rows. */
const limitedQuery = fc
  .record({
    shown: fc.array(some(expressions(COLUMNS, 2)), { minLength: 1, maxLength: 2 }),
    from: SOURCES,
    direction: list('', ' DESC', ' NULLS FIRST', ' DESC NULLS LAST'),
    limit: fc.nat(12),
  })
  .map(
    ({ shown, from, direction, limit }): GeneratedQuery => ({
      sql: `SELECT ${shown.join(', ')} FROM ${from} ORDER BY ${shown.map((_, index) => `${index + 1}${direction}`).join(', ')} LIMIT ${limit}`,
      isGrouped: true,
    }),
  );

export const generatedQueries: fc.Arbitrary<GeneratedQuery> = fc.oneof(
  { arbitrary: plainQuery, weight: 4 },
  { arbitrary: groupedQuery, weight: 4 },
  { arbitrary: setQuery, weight: 2 },
  { arbitrary: distinctQuery, weight: 1 },
  { arbitrary: limitedQuery, weight: 1 },
);
