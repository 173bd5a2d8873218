/**
 * 1,000 selectors with one subscriber each, writes spread evenly, against the same drain into the log without
 * subscribers, in the same run. The clock runs until every subscriber has its last transaction.
 *
 *   node bench/perf/selectors.ts [--rounds 5] [--rows 100000] [--selectors 1000]
 */
import { parseArgs } from 'node:util';
import { compare, print } from './lib/measure.ts';
import { type Part, startServer, startSubscribers } from './lib/parts.ts';
import { BenchSource } from './lib/source.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    rows: { type: 'string', default: '100000' },
    selectors: { type: 'string', default: '1000' },
  },
});
const rows = Number(values.rows);
const selectors = Number(values.selectors);
const BATCH = 1000;

async function main(): Promise<void> {
  const source = await BenchSource.open();
  const server = startServer();
  const url = await server.call<string>('start', { url: source.url, dir: source.folder('server') });
  try {
    print(
      await compare({
        name: `drain with ${selectors} selectors, one subscriber each`,
        unit: 'rows/s',
        rounds: Number(values.rounds),
        sides: [
          { name: 'with subscribers', run: () => withSubscribers(source, server, url) },
          { name: 'log only', run: () => drain(source, server, async () => undefined) },
        ],
      }),
    );
  } finally {
    server.stop();
    await source.close();
  }
}

async function withSubscribers(source: BenchSource, server: Part, url: string): Promise<number> {
  const clients = startSubscribers();
  await clients.call('open', { url, selectors });
  try {
    return await drain(source, server, () => clients.call('reach', rows));
  } finally {
    clients.stop();
  }
}

async function drain(
  source: BenchSource,
  server: Part,
  delivered: () => Promise<void>,
): Promise<number> {
  await source.sql.query('TRUNCATE many');
  await server.call('waitFor', await source.position());
  process.kill(server.pid, 'SIGSTOP');
  for (let from = 0; from < rows; from += BATCH) {
    await source.sql.query(
      `INSERT INTO many SELECT g, 's' || g % ${selectors}, g, repeat('x', 100) FROM generate_series(${from}, ${from + BATCH - 1}) g`,
    );
  }
  const position = await source.position();
  const start = performance.now();
  process.kill(server.pid, 'SIGCONT');
  await server.call('waitFor', position);
  await delivered();
  return (rows / (performance.now() - start)) * 1000;
}

await main();
