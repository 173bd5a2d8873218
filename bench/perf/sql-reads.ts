/**
 * Reads by `pg`, against the limit: the same wire server over one prepared statement of SQLite on the server's own thread.
 * Both in turn in one run, the clients in another process than the servers. The ratio is the limit's time to ours, and
 * ours to the limit's reads per second: 1 means equal.
 *
 *   node bench/perf/sql-reads.ts [--rounds 5] [--clients 8]
 */
import { fork } from 'node:child_process';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { systemClock } from '../../src/engine/clock.ts';
import { SqlService } from '../../src/engine/sql/service.ts';
import { WireServer } from '../../src/pgwire/server.ts';
import type { SqlBackend, SqlSession } from '../../src/sql/session.ts';
import type { Column, SqlRow } from '../../src/sql/types.ts';
import { median, spread } from './numbers.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    clients: { type: 'string', default: '8' },
  },
});
const rounds = Number(values.rounds);

const SMALL = 100;
const LARGE = 100_000;
const LOAD_ROWS = 10_000;

const int = (name: string): Column => ({ name, type: 'int4', isNullable: true });
const READS = [
  { name: 'one row of 100', sql: 'SELECT a, b FROM small WHERE a = 7', width: 2, count: 300 },
  {
    name: 'one row of 100,000, by a scan',
    sql: 'SELECT b FROM large WHERE a = 7',
    width: 1,
    count: 30,
  },
  { name: '100,000 rows', sql: 'SELECT a, b FROM large', width: 2, count: 1 },
] as const;

if (process.send === undefined) await measure();
else await serve();

/** The limit: one statement, one connection of SQLite, nothing else. */
function bareBackend(): SqlBackend {
  const sql = new DatabaseSync(':memory:');
  for (const [table, rows] of [
    ['small', SMALL],
    ['large', LARGE],
  ] as const) {
    sql.exec(`CREATE TABLE ${table} (a INTEGER, b INTEGER);
      INSERT INTO ${table} WITH RECURSIVE k (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM k WHERE n < ${rows - 1})
        SELECT n, n * 2 FROM k`);
  }
  const prepared = new Map(
    READS.map((read) => {
      const statement = sql.prepare(read.sql);
      statement.setReturnArrays(true);
      return [read.sql as string, { ...read, statement }] as const;
    }),
  );
  const session: SqlSession = {
    ...{ connection: 1, secret: 1, status: 'idle' },
    run: async (text, sink) => {
      const read = prepared.get(text);
      if (read === undefined) throw new Error(text);
      sink.columns(Array.from({ length: read.width }, (_, index) => int(`c${index}`)));
      const rows = read.statement.all() as unknown as SqlRow[];
      await sink.rows(rows);
      sink.complete(`SELECT ${rows.length}`);
    },
    prepare: () => Promise.reject(new Error('not here')),
    execute: () => Promise.reject(new Error('not here')),
    sync: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
  return { open: () => session, cancel: () => undefined };
}

async function listen(backend: SqlBackend): Promise<number> {
  const server = new WireServer({
    ...{ backend, host: '127.0.0.1', port: 0, needsPassword: false, serverVersion: '18.0' },
    authenticate: async () => ({ expiresInMs: null }),
    onBug: (error) => process.stderr.write(`${error}\n`),
  });
  return (await server.listen()).port;
}

async function serve(): Promise<void> {
  const service = await SqlService.open({
    ...{ dir: null, rows: null, files: 'none', clock: systemClock, random: Math.random },
    onNotice: (notice) => process.stderr.write(`${notice}\n`),
  });
  const session = service.open({ user: 'bench', database: 'tidelock' });
  const ignore = () => undefined;
  const sink = { columns: ignore, rows: ignore, complete: ignore, notice: ignore };
  for (const [table, rows] of [
    ['small', SMALL],
    ['large', LARGE],
  ] as const) {
    await session.run(`CREATE TABLE ${table} (a int, b int)`, sink);
    for (let from = 0; from < rows; from += LOAD_ROWS) {
      const length = Math.min(LOAD_ROWS, rows - from);
      const list = Array.from({ length }, (_, n) => `(${from + n}, ${(from + n) * 2})`).join();
      await session.run(`INSERT INTO ${table} VALUES ${list}`, sink);
    }
  }
  process.send?.({ ours: await listen(service), bare: await listen(bareBackend()) });
  process.on('disconnect', () => void service.close().then(() => process.exit()));
}

type Sample = { readonly p50Ms: number; readonly perSecond: number };

async function sample(clients: readonly pg.Client[], sql: string, count: number): Promise<Sample> {
  const [first] = clients;
  if (first === undefined) throw new Error('there is a client');
  const took: number[] = [];
  for (let n = 0; n < count; n += 1) {
    const start = performance.now();
    await first.query(sql);
    took.push(performance.now() - start);
  }
  const start = performance.now();
  await Promise.all(
    clients.map(async (client) => {
      for (let n = 0; n < count; n += 1) await client.query(sql);
    }),
  );
  const seconds = (performance.now() - start) / 1000;
  return { p50Ms: median(took), perSecond: (clients.length * count) / seconds };
}

async function connect(port: number): Promise<pg.Client[]> {
  const clients = Array.from({ length: Number(values.clients) }, () => {
    return new pg.Client({ host: '127.0.0.1', port, user: 'bench' });
  });
  for (const client of clients) await client.connect();
  return clients;
}

async function measure(): Promise<void> {
  const child = fork(fileURLToPath(import.meta.url));
  const ports = await new Promise<{ ours: number; bare: number }>((resolve) => {
    child.once('message', (told) => resolve(told as { ours: number; bare: number }));
  });
  const sides = { ours: await connect(ports.ours), bare: await connect(ports.bare) };
  for (const { name, sql, count } of READS) {
    const samples: { ours: Sample[]; bare: Sample[] } = { ours: [], bare: [] };
    for (let round = 0; round <= rounds; round += 1) {
      for (const side of round % 2 === 0
        ? (['ours', 'bare'] as const)
        : (['bare', 'ours'] as const)) {
        const one = await sample(sides[side], sql, count);
        if (round > 0) samples[side].push(one); // the first round warms up
      }
    }
    report(name, samples.ours, samples.bare);
  }
  for (const client of [...sides.ours, ...sides.bare]) await client.end();
  child.disconnect();
}

function report(name: string, ours: readonly Sample[], bare: readonly Sample[]): void {
  const latency = ours.map(({ p50Ms }, round) => (bare[round]?.p50Ms ?? Number.NaN) / p50Ms);
  const rate = ours.map(
    ({ perSecond }, round) => perSecond / (bare[round]?.perSecond ?? Number.NaN),
  );
  const p50 = (side: readonly Sample[]) => median(side.map(({ p50Ms }) => p50Ms));
  const perSecond = (side: readonly Sample[]) => median(side.map((one) => one.perSecond));
  process.stderr.write(
    `${spread(latency)} of p50, ${spread(rate)} of the rate: ${name}; ours ${p50(ours).toFixed(3)} ms and ${perSecond(ours).toFixed(0)}/s, bare ${p50(bare).toFixed(3)} ms and ${perSecond(bare).toFixed(0)}/s\n`,
  );
  const ratios = { ratio: median(latency), rateRatio: median(rate) };
  process.stdout.write(
    `${JSON.stringify({ bench: 'sql-reads', read: name, ours, bare, ...ratios })}\n`,
  );
}
