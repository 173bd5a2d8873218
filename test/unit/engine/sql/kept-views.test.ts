import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { bindSelect } from '../../../../src/sql/bind/query.ts';
import { loadPgParser, parsePg } from '../../../../src/sql/pg-parser.ts';
import type { Query } from '../../../../src/sql/plan.ts';
import type { Column, SqlValue } from '../../../../src/sql/types.ts';
import { column, openBed } from './worker-bed.ts';

beforeAll(loadPgParser);

const T: readonly Column[] = [
  column('id', 'int4'),
  column('g', 'text'),
  column('x', 'int4'),
  column('big', 'int8'),
  column('price', 'numeric'),
];
const U: readonly Column[] = [column('id', 'int4'), column('region', 'text')];
const ITEMS = new Map([
  ['t', { item: 'u1', columns: T }],
  ['u', { item: 'u2', columns: U }],
]);

function bind(sql: string): Query {
  const statement = parsePg(sql).stmts?.[0]?.stmt;
  if (statement === undefined || !('SelectStmt' in statement)) throw new Error(`no query: ${sql}`);
  return bindSelect(statement.SelectStmt, ({ parts }) => ITEMS.get(parts[0] ?? '') ?? null);
}

type Bed = ReturnType<typeof openBed>;

function openTables(): Bed {
  const bed = openBed();
  bed.worker.handle({ kind: 'createTable', id: 'u1', columns: T, key: [0], since: 0 });
  bed.worker.handle({ kind: 'createTable', id: 'u2', columns: U, since: 0 });
  return bed;
}

function createView(bed: Bed, sql: string): void {
  const query = bind(sql);
  bed.worker.handle({ kind: 'createView', id: 'u9', view: 'u8', query, asOf: 0 });
}

function read(bed: Bed, query: Query, time: number): unknown {
  bed.take();
  bed.worker.handle({ kind: 'peek', peek: 1, query, time, now: 0 });
  const answer = bed.take().find(({ kind }) => kind === 'peekDone');
  return answer?.kind === 'peekDone' ? answer.result : answer;
}

/** Views of both kinds. The first word says whether it is kept. */
const VIEWS = [
  ['kept', 'SELECT count(*) FROM t'],
  ['kept', 'SELECT g, sum(x), count(x), avg(x), count(*) FROM t GROUP BY g'],
  ['kept', 'SELECT sum(big), avg(big), min(big), max(x) FROM t'],
  ['kept', 'SELECT g, min(x), max(big), bool_and(x > 1), bool_or(x > 1) FROM t GROUP BY g'],
  [
    'kept',
    'SELECT g, count(*) FILTER (WHERE x = 1), sum(x) FILTER (WHERE g > $$a$$) FROM t GROUP BY g',
  ],
  ['kept', 'SELECT t.id, t.g, u.region FROM t JOIN u ON t.id = u.id'],
  ['kept', 'SELECT region, sum(x), count(*) FROM t, u WHERE t.id = u.id AND x > 0 GROUP BY region'],
  [
    'kept',
    'SELECT region, sum(big) FROM t JOIN u ON t.id = u.id GROUP BY region HAVING count(*) > 1',
  ],
  ['kept', 'SELECT a.id, b.x FROM t a JOIN t b ON a.id = b.id AND a.x = b.x'],
  [
    'kept',
    'SELECT a.g, count(*) FROM t a JOIN t b ON a.g = b.g JOIN u ON u.id = b.id GROUP BY a.g',
  ],
  ['kept', 'SELECT g, sum(price), avg(price), count(price) FROM t GROUP BY g'],
  ['kept', 'SELECT sum(price * x) FROM t JOIN u ON t.id = u.id'],
  ['kept', 'SELECT DISTINCT g, x FROM t'],
  ['kept', 'SELECT g FROM t UNION SELECT region FROM u'],
  ['kept', 'SELECT id FROM t WHERE x = 1 UNION ALL SELECT id FROM u'],
  ['kept', 'SELECT g, x + 1 AS y FROM t WHERE x > 0 OR g IS NULL'],
  [
    'kept',
    'SELECT k, count(*) FROM (SELECT id AS k FROM t UNION ALL SELECT id FROM u) AS pair GROUP BY k',
  ],
  ['kept', 'SELECT g, sum(x) + 10 * count(*) AS y FROM t GROUP BY g HAVING sum(x) > 1'],
  ['kept', 'SELECT x / 2 AS half, count(*) FROM t GROUP BY x / 2'],
  ['computed', 'SELECT x, g FROM t'],
  ['computed', 'SELECT t.id, u.region FROM t LEFT JOIN u ON t.id = u.id'],
  ['computed', 'SELECT g, count(DISTINCT x) FROM t GROUP BY g'],
  ['computed', 'SELECT g FROM t EXCEPT SELECT region FROM u'],
  ['computed', 'SELECT id FROM t WHERE x = (SELECT max(x) FROM t)'],
] as const;

type Step = {
  readonly item: 'u1' | 'u2';
  readonly step: number;
  readonly deltas: readonly { readonly row: readonly SqlValue[]; readonly diff: number }[];
};

const id = fc.integer({ min: 1, max: 3 });
const name = fc.constantFrom('a', 'b', '', null);
const rowOfT = fc.tuple(
  id,
  name,
  fc.constantFrom(0, 1, 2, null),
  fc.constantFrom(2n ** 62n, -(2n ** 62n), 5n, null),
  fc.constantFrom('1', '-0.50', '1000000000000000000000000', '0.125', null, '2.5'),
);
const rowOfU = fc.tuple(id, name);
const change = <T extends SqlValue[]>(item: Step['item'], row: fc.Arbitrary<T>) =>
  fc.record({
    item: fc.constant(item),
    step: fc.integer({ min: 0, max: 1 }),
    deltas: fc.array(fc.record({ row, diff: fc.integer({ min: -2, max: 2 }) }), { maxLength: 5 }),
  });
const history = fc.array(fc.oneof(change('u1', rowOfT), change('u2', rowOfU)), { maxLength: 12 });

/** Takes out what would take away rows that are not there. */
function feasible(counts: Map<string, number>, { item, deltas }: Step) {
  return deltas.filter(({ row, diff }) => {
    const key = `${item} ${row.map((value) => `${typeof value} ${value}`).join()}`;
    const next = (counts.get(key) ?? 0) + diff;
    if (next >= 0) counts.set(key, next);
    return next >= 0 && diff !== 0;
  });
}

test.each(VIEWS)('a view that is %s answers as its query does, at every time: %s', (kind, sql) => {
  fc.assert(
    fc.property(history, fc.nat(12), fc.nat(6), (steps, createAt, since) => {
      const bed = openTables();
      const counts = new Map<string, number>();
      let time = 1;
      for (const [index, step] of steps.entries()) {
        if (index === Math.min(createAt, steps.length - 1)) createView(bed, sql);
        time += step.step;
        const deltas = feasible(counts, step);
        bed.worker.handle({ kind: 'insert', time, updates: [{ id: step.item, deltas }] });
      }
      if (steps.length === 0) createView(bed, sql);
      bed.worker.handle({ kind: 'advanceTables', to: time + 1 });
      expect(bed.store.has('u9')).toBe(kind === 'kept');
      const query = bind(sql);
      const view: Query = {
        ...query,
        plan: { kind: 'get', item: 'u8', columns: query.columns },
        order: [],
        items: ['u8'],
      };
      const first = Math.min(since, time);
      for (const one of ['u1', 'u2', 'u9']) {
        bed.worker.handle({ kind: 'allowCompaction', since: [{ id: one, since: first }] });
      }
      bed.worker.tick(1);
      for (let at = first; at <= time; at += 1) {
        expect(read(bed, view, at)).toEqual(read(bed, query, at));
      }
      expect(followed(bed, view, first)).toEqual(followed(bed, query, first));
      bed.store.close();
    }),
    { numRuns: 30 },
  );
});

test('inputs of different pace: what comes late is there from its own time on', () => {
  const bed = openTables();
  createView(bed, 'SELECT t.id, u.region FROM t JOIN u ON t.id = u.id');
  const insert = (item: string, time: number, row: readonly SqlValue[]): void =>
    bed.worker.handle({
      kind: 'insert',
      time,
      updates: [{ id: item, deltas: [{ row, diff: 1 }] }],
    });
  insert('u1', 5, [1, 'a', 1, 1n, null]);
  insert('u1', 9, [2, 'a', 1, 1n, null]);
  insert('u2', 6, [1, 'x']);
  insert('u2', 7, [2, 'y']);
  bed.worker.handle({ kind: 'advanceTables', to: 10 });
  const view = { ...bind('SELECT id, id FROM u'), items: ['u8'] };
  const columns = [column('id', 'int4'), column('region', 'text')];
  const plan = { kind: 'get', item: 'u8', columns } as const;
  const rowsAt = (time: number) => read(bed, { ...view, columns, plan, order: [] }, time);
  expect(rowsAt(5)).toEqual({ kind: 'rows', rows: [] });
  expect(rowsAt(8)).toEqual({ kind: 'rows', rows: [[1, 'x']] });
  expect(rowsAt(9)).toEqual({
    kind: 'rows',
    rows: [
      [1, 'x'],
      [2, 'y'],
    ],
  });
});

test('a row that cannot be computed fails who reads the view then, not who writes', () => {
  const bed = openTables();
  createView(bed, 'SELECT g, sum(10 / x) FROM t GROUP BY g');
  const change = (time: number, x: number, diff: number): void => {
    const deltas = [{ row: [1, 'a', x, 1n, null], diff }];
    bed.worker.handle({ kind: 'insert', time, updates: [{ id: 'u1', deltas }] });
  };
  change(1, 5, 1);
  change(2, 0, 1);
  change(3, 0, -1);
  bed.worker.handle({ kind: 'advanceTables', to: 4 });
  const query = bind('SELECT g, sum(10 / x) FROM t GROUP BY g');
  const plan = { kind: 'get', item: 'u8', columns: query.columns } as const;
  const view: Query = { ...query, plan, order: [], items: ['u8'] };
  expect(read(bed, view, 1)).toEqual({ kind: 'rows', rows: [['a', 2n]] });
  expect(read(bed, view, 2)).toMatchObject({ kind: 'error', code: '22012' });
  expect(read(bed, view, 3)).toEqual({ kind: 'rows', rows: [['a', 2n]] });
  bed.take();
  bed.worker.handle({
    kind: 'subscribe',
    subscription: 1,
    query,
    asOf: 1,
    hasSnapshot: true,
  });
  expect(bed.take().at(-1)).toMatchObject({ kind: 'subscriptionFailed', code: '22012' });
});

test('a sum with NaN in it is computed: NaN cannot be taken out again', () => {
  const bed = openTables();
  createView(bed, 'SELECT sum(price) FROM t');
  const change = (time: number, price: string, diff: number): void => {
    const deltas = [{ row: [1, 'a', 1, 1n, price], diff }];
    bed.worker.handle({ kind: 'insert', time, updates: [{ id: 'u1', deltas }] });
  };
  change(1, '1.50', 1);
  expect(bed.store.has('u9')).toBe(true);
  change(2, 'NaN', 1);
  expect(bed.store.has('u9')).toBe(false);
  change(3, 'NaN', -1);
  bed.worker.handle({ kind: 'advanceTables', to: 4 });
  const query = bind('SELECT sum(price) FROM t');
  const plan = { kind: 'get', item: 'u8', columns: query.columns } as const;
  const view: Query = { ...query, plan, order: [], items: ['u8'] };
  const answers = [1, 2, 3].map((time) => read(bed, view, time));
  expect(answers).toEqual(['1.50', 'NaN', '1.50'].map((sum) => ({ kind: 'rows', rows: [[sum]] })));
});

test('a view goes with its table, in whatever order, and its indexes with it', () => {
  const bed = openTables();
  createView(bed, 'SELECT t.id, u.region FROM t JOIN u ON t.id = u.id');
  const indexes = (): unknown[] =>
    bed.store.sql.prepare("SELECT name FROM sqlite_schema WHERE name LIKE '%_by_%'").all();
  expect(indexes()).toHaveLength(2);
  bed.worker.handle({ kind: 'drop', ids: ['u1', 'u8', 'u9'] });
  expect(indexes()).toEqual([]);
  expect(bed.store.ids).toEqual(['u2']);
});

test('a view of a file is gone on with when its inputs did not change without it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidelock-views-'));
  const open = (): Bed => {
    const bed = openBed(join(folder, 'sql.db'));
    bed.worker.handle({ kind: 'createTable', id: 'u1', columns: T, key: [0], since: 0 });
    return bed;
  };
  const insert = (bed: Bed, time: number): void => {
    const deltas = [{ row: [time, 'a', 1, 1n, null], diff: 1 }];
    bed.worker.handle({ kind: 'insert', time, updates: [{ id: 'u1', deltas }] });
  };
  const sql = 'SELECT g, count(*) FROM t GROUP BY g';
  const first = open();
  createView(first, sql);
  insert(first, 1);
  const { number } = first.store.versioned('u9');
  first.store.close();
  const second = open();
  createView(second, sql);
  expect(second.store.versioned('u9').number).toBe(number);
  second.store.close();
  const third = open();
  insert(third, 5);
  createView(third, sql);
  insert(third, 6);
  third.worker.handle({ kind: 'advanceTables', to: 7 });
  const query = bind(sql);
  const plan = { kind: 'get', item: 'u8', columns: query.columns } as const;
  const view: Query = { ...query, plan, order: [], items: ['u8'] };
  expect(read(third, view, 6)).toEqual({ kind: 'rows', rows: [['a', 3n]] });
  third.store.close();
  rmSync(folder, { recursive: true });
});

/** What subscribers of a query are told, batch borders aside. */
function followed(bed: Bed, query: Query, asOf: number): unknown {
  bed.take();
  bed.worker.handle({ kind: 'subscribe', subscription: 1, query, asOf, hasSnapshot: true });
  bed.worker.handle({ kind: 'unsubscribe', subscription: 1 });
  return bed.take().flatMap((one) => (one.kind === 'subscribed' ? one.deltas : []));
}
