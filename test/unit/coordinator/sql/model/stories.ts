/** Stories of the model: what clients say, in which order messages arrive. */
import * as fc from 'fast-check';
import type { Action } from './play.ts';

/** Before every story. */
export const OPENING: readonly string[] = [
  'CREATE TABLE a (i int)',
  'CREATE TABLE b (i int)',
  `CREATE MATERIALIZED SOURCE f FROM FILE 'f' WITH (tail = true) FORMAT TEXT`,
  'CREATE MATERIALIZED VIEW v AS SELECT i FROM a',
  'CREATE VIEW w AS SELECT text FROM f',
  `ALTER INDEX v_primary_idx SET (logical_compaction_window = '1ms')`,
];

const SAID: readonly string[] = [
  'SELECT i FROM a',
  'SELECT i FROM a',
  'SELECT i FROM v',
  'SELECT text FROM f',
  'SELECT a.i FROM a, b, w',
  'SELECT i FROM a AS OF 3',
  'SELECT i FROM v AS OF AT LEAST 2',
  'INSERT INTO a VALUES (-1)',
  'INSERT INTO a VALUES (-1)',
  'INSERT INTO b VALUES (-2), (-3)',
  'INSERT INTO b SELECT i FROM a',
  'INSERT INTO b SELECT i FROM a',
  'INSERT INTO b SELECT i FROM a',
  'INSERT INTO a VALUES (-1)',
  'SELECT i FROM a; SELECT i FROM b',
  'INSERT INTO a VALUES (-1); INSERT INTO b VALUES (-1)',
  'INSERT INTO a VALUES (-1); SELECT i FROM a',
  'BEGIN; SELECT i FROM a',
  'BEGIN; INSERT INTO b VALUES (-4)',
  'COMMIT',
  'ROLLBACK',
  'BEGIN; DECLARE c CURSOR FOR SUBSCRIBE a',
  'FETCH ALL FROM c',
  `FETCH 1 FROM c WITH (timeout = '5ms')`,
  'SUBSCRIBE v WITH (progress)',
  'SELECT missing FROM a',
  'CREATE TABLE c (i int)',
  'DROP TABLE c',
  'CREATE MATERIALIZED VIEW x AS SELECT i FROM v',
  'CREATE MATERIALIZED VIEW x AS SELECT i FROM v',
  'DROP VIEW x CASCADE',
  `CREATE SINK y FROM x INTO FILE 'y.json' FORMAT JSON`,
  `CREATE SINK y FROM x INTO FILE 'y.json' FORMAT JSON`,
  `CREATE SINK s FROM v INTO FILE 's.json' FORMAT JSON`,
  'DROP SINK s',
  `ALTER INDEX a_primary_idx SET (logical_compaction_window = '1ms')`,
  `ALTER INDEX v_primary_idx SET (logical_compaction_window = '2ms')`,
  'ALTER INDEX f_primary_idx SET (logical_compaction_window = off)',
  `SET transaction_isolation = 'serializable'`,
  `SET transaction_isolation = 'strict serializable'`,
];

/** A sink on a view of which nothing has been heard yet. */
const UNHEARD: readonly string[] = [
  'CREATE MATERIALIZED VIEW x AS SELECT i FROM v',
  `CREATE SINK y FROM x INTO FILE 'y.json' FORMAT JSON`,
];

/** What is read must still be so when it is written. */
const RACE: readonly string[] = ['INSERT INTO b SELECT i FROM a', 'INSERT INTO a VALUES (-1)'];

const client = fc.nat({ max: 3 });

const ACTION: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('run' as const),
      client,
      sql: fc.constantFrom(...SAID),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('runAll' as const),
      client,
      sqls: fc.constantFrom(UNHEARD, RACE),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('uppers' as const),
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('answer' as const), which: fc.nat({ max: 5 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('grow' as const),
      which: fc.nat({ max: 2 }),
      by: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('cancel' as const), client, isRight: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), client }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('clock' as const),
      by: fc.integer({ min: 1, max: 5 }),
    }),
  },
);

export const story: fc.Arbitrary<readonly Action[]> = fc.array(ACTION, {
  maxLength: 60,
  size: 'max',
});
