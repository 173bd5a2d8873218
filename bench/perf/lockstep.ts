/**
 * Lockstep streams: the first copy against COPY TO in the same run, the time from commit to line, and what a
 * thousand readers of one relation cost Postgres against one reader.
 *
 *   node bench/perf/lockstep.ts [--rounds 5] [--rows 300000] [--readers 1000]
 */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { PgSession } from '../../src/postgres/session.ts';
import { startLockstepServer } from './lib/lockstep-part.ts';
import { compare, percentile, print } from './lib/measure.ts';
import { BenchSource } from './lib/source.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    rows: { type: 'string', default: '300000' },
    readers: { type: 'string', default: '1000' },
  },
});
const rounds = Number(values.rounds);
const rows = Number(values.rows);
const readers = Number(values.readers);

const POLL_MS = 100;
const SAMPLES = 200;
const OBSERVED_MS = 3000;
const READY_B = 90;

async function main(): Promise<void> {
  const source = await BenchSource.open();
  await source.sql.query(`
    CREATE TABLE stream (id int PRIMARY KEY, a int, t text, txid bigint NOT NULL DEFAULT txid_current());
    CREATE INDEX ON stream (txid);
    INSERT INTO stream SELECT g, g, rpad(g::text || '-', 100, 'abcdefghij') FROM generate_series(1, ${rows}) g;
    CREATE TABLE news (id int, at float8, txid bigint NOT NULL DEFAULT txid_current());
    CREATE INDEX ON news (txid);`);
  await source.sql.query('VACUUM ANALYZE stream');
  const server = startLockstepServer();
  const address = await server.call<string>('start', { url: source.url, pollMs: POLL_MS });
  const port = Number(new URL(address).port);
  try {
    print(
      await compare({
        ...{ name: 'first copy of a Lockstep stream', unit: 'rows/s', rounds },
        sides: [
          { name: 'stream', run: () => timed(() => readStream(port)) },
          { name: 'COPY TO', run: () => timed(() => readCopy(source.url)) },
        ],
      }),
    );
    await latency(source, { port, wake: () => void server.call('wake') });
    print(
      await compare({
        ...{ name: `queries of ${readers} readers of one relation`, unit: 'transactions/s' },
        rounds: 1,
        sides: [
          { name: 'many readers', run: () => load(source, port, readers) },
          { name: 'one reader', run: () => load(source, port, 1) },
        ],
      }),
    );
  } finally {
    server.stop();
    await source.close();
  }
}

async function timed(run: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await run();
  return (rows / (performance.now() - start)) * 1000;
}

function request(port: number, relation: string, onText: (text: string) => void): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.write(`GET /lockstep/${relation} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
  socket.setEncoding('latin1');
  socket.on('data', (text) => onText(String(text)));
  return socket;
}

/** Reads and counts every row up to `snapshot_completed`. */
async function readStream(port: number): Promise<void> {
  let count = 0;
  let carry = '';
  await new Promise<void>((resolve) => {
    const socket = request(port, 'stream', (text) => {
      const all = carry + text;
      const end = all.lastIndexOf('\n');
      for (
        let at = all.indexOf('{"txid"');
        at >= 0 && at < end;
        at = all.indexOf('{"txid"', at + 1)
      )
        count += 1;
      carry = all.slice(end + 1);
      if (!all.includes('snapshot_completed')) return;
      socket.destroy();
      resolve();
    });
  });
  if (count !== rows) throw new Error(`${count} of ${rows} rows came`);
}

/** Reads the same rows as Postgres sends them. */
async function readCopy(url: string): Promise<void> {
  const session = await PgSession.connect({ url });
  let carry = Buffer.alloc(0);
  await new Promise<void>((resolve) => {
    session.takeOver('COPY (SELECT * FROM public.stream ORDER BY txid) TO STDOUT', (bytes) => {
      carry = Buffer.concat([carry.subarray(-6), bytes]);
      if (carry.at(-6) === READY_B) resolve();
    });
  });
  session.destroy();
}

/** Inserts one row at a time; a row carries the time of its commit. */
async function latency(
  source: BenchSource,
  { port, wake }: { readonly port: number; readonly wake: () => void },
): Promise<void> {
  const committed = new Map<number, number>();
  for (const [name, isWoken] of [
    ['polled', false],
    ['woken', true],
  ] as const) {
    const delays: number[] = [];
    const socket = request(port, 'news', (text) => {
      for (const [, id] of text.matchAll(/"id":(\d+)/g)) {
        const at = committed.get(Number(id));
        if (at !== undefined) delays.push(performance.now() - at);
        committed.delete(Number(id));
      }
    });
    await sleep(500);
    for (let id = 0; id < SAMPLES; id += 1) {
      committed.set(id, performance.now());
      await source.sql.query(`INSERT INTO news VALUES (${id}, 0)`);
      committed.set(id, performance.now());
      if (isWoken) wake();
      await sleep(7 + (id % 13));
    }
    await sleep(POLL_MS * 5);
    socket.destroy();
    await source.sql.query('TRUNCATE news');
    const [p50, p99] = [percentile(delays, 0.5), percentile(delays, 0.99)];
    process.stderr.write(
      `commit to line, ${name}: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, ${delays.length} of ${SAMPLES} (looks every ${POLL_MS} ms)\n`,
    );
    process.stdout.write(`${JSON.stringify({ name: `lockstep latency ${name}`, p50, p99 })}\n`);
  }
}

/** Transactions per second of the database while `count` readers follow and a row comes now and then. */
async function load(source: BenchSource, port: number, count: number): Promise<number> {
  let received = 0;
  const sockets = Array.from({ length: count }, () =>
    request(port, 'news', (text) => {
      received += text.split('snapshot_completed').length - 1;
    }),
  );
  while (received < count) await sleep(50);
  const before = await transactions(source);
  const start = performance.now();
  while (performance.now() - start < OBSERVED_MS) {
    await source.sql.query('INSERT INTO news VALUES (1, 0)');
    await sleep(200);
  }
  await sleep(1100); // Postgres reports its figures once a second
  const after = await transactions(source);
  for (const socket of sockets) socket.destroy();
  await sleep(200);
  return ((after - before) * 1000) / (performance.now() - start);
}

async function transactions({ sql }: BenchSource): Promise<number> {
  await sql.query('SELECT pg_stat_clear_snapshot()');
  const { rows: found } = await sql.query<{ n: string }>(
    'SELECT xact_commit AS n FROM pg_stat_database WHERE datname = current_database()',
  );
  return Number(found[0]?.n);
}

await main();
