/**
 * First copy: openReplica on an empty path until the SQLite file is ready, against COPY binary -> SQLite in
 * one program (no HTTP, no digests), in the same run.
 *
 *   node bench/perf/first-copy.ts [--rounds 5] [--rows 1000000]
 */
import { rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import type { Cell } from '../../src/core/value.ts';
import { copyRows } from '../../src/postgres/copy.ts';
import { PgSession } from '../../src/postgres/session.ts';
import { compare, print } from './lib/measure.ts';
import { type Part, peakRss, rssOf, startReplica, startServer } from './lib/parts.ts';
import { BenchSource } from './lib/source.ts';
import { TABLE } from './lib/table.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    rows: { type: 'string', default: '1000000' },
  },
});
const rowCount = Number(values.rows);
const BATCH = 20;

async function main(): Promise<void> {
  const source = await BenchSource.open();
  await source.load('large', rowCount);
  const server = startServer();
  const url = await server.call<string>('start', { url: source.url, dir: source.folder('server') });
  let peak = 0;
  try {
    const measured = await compare({
      name: `first copy (${rowCount} rows)`,
      unit: 'rows/s',
      rounds: Number(values.rounds),
      sides: [
        {
          name: 'tidelock',
          run: async () => {
            const [rate, rss] = await peakRss(server.pid, () => ours(source, url));
            peak = Math.max(peak, rss);
            return rate;
          },
        },
        { name: 'copy into SQLite', run: () => limit(source) },
      ],
    });
    print(measured);
    process.stderr.write(
      `  memory of the server: ${mib(rssOf(server.pid))} MiB, at most ${mib(peak)} MiB\n`,
    );
  } finally {
    server.stop();
    await source.close();
  }
}

async function ours(source: BenchSource, server: string): Promise<number> {
  const file = source.folder('copy.db');
  removeFile(file);
  const replica: Part = startReplica();
  await replica.call('idle');
  const start = performance.now();
  await replica.call('start', { server, file, selectors: ['x'] });
  const ms = performance.now() - start;
  await replica.call('close');
  replica.stop();
  const db = new DatabaseSync(file, { readOnly: true });
  const row = db.prepare('SELECT count(*) AS n FROM t').get() as { n: number };
  db.close();
  if (row.n !== rowCount) throw new Error(`the copy has ${row.n} rows`);
  return (rowCount / ms) * 1000;
}

async function limit(source: BenchSource): Promise<number> {
  const file = source.folder('limit.db');
  removeFile(file);
  const start = performance.now();
  const session = await PgSession.connect({ url: source.url });
  const db = new DatabaseSync(file);
  db.exec('PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE');
  db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, a INT, b INT, c INT, t TEXT); BEGIN');
  const many = db.prepare(`INSERT INTO t VALUES ${Array(BATCH).fill('(?,?,?,?,?)').join(',')}`);
  let values: Cell[] = [];
  for await (const chunk of copyRows({ session, table: TABLE, selectors: [] })) {
    for (const row of chunk.rows) {
      for (const cell of row) values.push(cell);
      if (values.length < BATCH * 5) continue;
      many.run(...values);
      values = [];
    }
  }
  if (values.length > 0) throw new Error('the number of rows is a multiple of the batch');
  db.exec('COMMIT');
  db.close();
  await session.end();
  return (rowCount / (performance.now() - start)) * 1000;
}

function removeFile(file: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${file}${suffix}`, { force: true });
}

function mib(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}

await main();
