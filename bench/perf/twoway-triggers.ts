/**
 * What versioning costs whoever writes to Postgres: the same writes to a table with companion and triggers, and to one
 * without. Statements of many rows, and of one row with a commit each (without waiting for the disk, which would hide it).
 *
 *   node bench/perf/twoway-triggers.ts [--rounds 5] [--rows 10000] [--singles 1000]
 */
import { parseArgs } from 'node:util';
import { PgSession } from '../../src/postgres/session.ts';
import { enableTwoway } from '../../src/postgres/twoway/enable.ts';
import { compare, print } from './lib/measure.ts';
import { BenchSource } from './lib/source.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    rows: { type: 'string', default: '10000' },
    singles: { type: 'string', default: '1000' },
  },
});
const rounds = Number(values.rounds);
const rows = Number(values.rows);
const singles = Number(values.singles);

const COLUMNS = `(id text PRIMARY KEY, user_id text NOT NULL DEFAULT '', name text, value int)`;
const ROW = `'db1_r1_' || g, 'u' || g % 7, 'name ' || g, g`;

/** Of prepared statements. */
const NAME_MAX = 60;

/** The write that is measured, and what makes the table ready for it again. */
type Job = { readonly name: string; readonly write: string; readonly prepare: string };

const FILL = `TRUNCATE TABLE_; INSERT INTO TABLE_ SELECT ${ROW} FROM generate_series(1, ${rows}) g`;

const JOBS: readonly Job[] = [
  {
    ...{ name: 'insert', prepare: 'TRUNCATE TABLE_' },
    write: `INSERT INTO TABLE_ SELECT ${ROW} FROM generate_series(1, ${rows}) g`,
  },
  { name: 'update of all rows', write: 'UPDATE TABLE_ SET value = value + 1', prepare: FILL },
  {
    ...{ name: 'second update of all rows', write: 'UPDATE TABLE_ SET value = value + 1' },
    prepare: `${FILL}; UPDATE TABLE_ SET value = value + 1`,
  },
  { name: 'delete of all rows', write: 'DELETE FROM TABLE_', prepare: FILL },
  {
    ...{ name: 'insert over tombstones', prepare: `${FILL}; DELETE FROM TABLE_` },
    write: `INSERT INTO TABLE_ SELECT ${ROW} FROM generate_series(1, ${rows}) g`,
  },
];

const SINGLES: readonly Job[] = [
  {
    name: 'insert of one row',
    write: `INSERT INTO TABLE_ SELECT ${ROW} FROM (SELECT $1::int AS g) x`,
    prepare: 'TRUNCATE TABLE_',
  },
  {
    name: 'update of one row',
    write: `UPDATE TABLE_ SET value = value + 1 WHERE id = 'db1_r1_' || $1`,
    prepare: FILL,
  },
  {
    name: 'delete of one row',
    write: `DELETE FROM TABLE_ WHERE id = 'db1_r1_' || $1`,
    prepare: FILL,
  },
];

async function main(): Promise<void> {
  const source = await BenchSource.open();
  try {
    await source.sql.query(`CREATE TABLE plain ${COLUMNS}; CREATE TABLE versioned ${COLUMNS}`);
    const session = await PgSession.connect({ url: source.url });
    await enableTwoway(session, { table: 'versioned' });
    await session.end();
    await source.sql.query('SET synchronous_commit = off');
    for (const job of JOBS) await measure(source, job, (sql) => source.sql.query(sql), rows);
    for (const job of SINGLES) {
      const each = async (sql: string): Promise<void> => {
        for (let at = 1; at <= singles; at += 1) {
          await source.sql.query({ name: sql.slice(0, NAME_MAX), text: sql, values: [at] });
        }
      };
      await measure(source, job, each, singles);
    }
  } finally {
    await source.close();
  }
}

async function measure(
  source: BenchSource,
  { name, write, prepare }: Job,
  run: (sql: string) => Promise<unknown>,
  count: number,
): Promise<void> {
  const on = async (table: string): Promise<number> => {
    await source.sql.query('TRUNCATE tidelock.versions_public_versioned');
    await source.sql.query(prepare.replaceAll('TABLE_', table));
    if (name === 'insert') await source.sql.query('TRUNCATE tidelock.versions_public_versioned');
    const start = performance.now();
    await run(write.replaceAll('TABLE_', table));
    return (count / (performance.now() - start)) * 1000;
  };
  const sides = [
    { name: 'versioned', run: () => on('versioned') },
    { name: 'plain', run: () => on('plain') },
  ] as const;
  print(await compare({ name, unit: 'rows/s', rounds, sides }));
}

await main();
