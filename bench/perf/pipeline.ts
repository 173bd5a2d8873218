/**
 * The whole way, slot -> log -> feed -> applied SQLite rows, with digests and everything durable, against the
 * floor (bench/perf/lib/floor.ts) in the same run.
 *
 *   node bench/perf/pipeline.ts [--rounds 5] [--rows 300000] [--only large,oneRow,huge,latency100,latency1000]
 *
 * Drain: both sides are connected and frozen (SIGSTOP) while the load runs inside Postgres, then thawed; the
 * clock runs until the last row is committed in SQLite. Latency: Postgres' commit time -> committed in SQLite.
 */
import { parseArgs } from 'node:util';
import { compare, type Measured, percentile, print } from './lib/measure.ts';
import { type Part, peakRss, rssOf, startFloor, startReplica, startServer } from './lib/parts.ts';
import { BenchSource, type Load } from './lib/source.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    rows: { type: 'string', default: '300000' },
    only: { type: 'string', default: 'large,oneRow,huge,latency100,latency1000' },
  },
});
const rounds = Number(values.rounds);
const rows = Number(values.rows);
const only = new Set(values.only.split(','));

const LATENCY_S = 5;
/** First samples of a run are warm-up. */
const LATENCY_SKIPPED = 50;

type Ours = { readonly server: Part; readonly replica: Part };

async function main(): Promise<void> {
  const source = await BenchSource.open();
  const ours = await startOurs(source);
  try {
    for (const kind of ['large', 'oneRow', 'huge'] as const) {
      if (only.has(kind)) print(await drain(source, ours, kind));
    }
    for (const rate of [100, 1000]) {
      if (only.has(`latency${rate}`))
        for (const one of await latency(source, ours, rate)) print(one);
    }
  } finally {
    ours.replica.stop();
    ours.server.stop();
    await source.close();
  }
}

async function startOurs(source: BenchSource): Promise<Ours> {
  const server = startServer();
  const address = await server.call<string>('start', {
    url: source.url,
    dir: source.folder('server'),
  });
  const replica = startReplica();
  await replica.call('start', {
    server: address,
    file: source.folder('replica.db'),
    selectors: ['x'],
  });
  return { server, replica };
}

async function drain(
  source: BenchSource,
  { server, replica }: Ours,
  kind: Load,
): Promise<Measured> {
  const count =
    kind === 'huge' ? Math.max(rows, 500_000) : kind === 'oneRow' ? Math.ceil(rows / 3) : rows;
  const growth: number[] = [];
  const oursOnce = async (): Promise<number> => {
    await source.sql.query('TRUNCATE t');
    await replica.call('waitFor', await source.position());
    const before = rssOf(server.pid) + rssOf(replica.pid);
    process.kill(server.pid, 'SIGSTOP');
    const position = await source.load(kind, count);
    const [ms, peak] = await peakRss(server.pid, async () => {
      const start = performance.now();
      process.kill(server.pid, 'SIGCONT');
      await replica.call('waitFor', position);
      return performance.now() - start;
    });
    growth.push(peak + rssOf(replica.pid) - before);
    return (count / ms) * 1000;
  };
  const measured = await compare({
    name: `drain ${kind} (${count} rows)`,
    unit: 'rows/s',
    rounds,
    sides: [
      { name: 'tidelock', run: oursOnce },
      { name: 'floor', run: () => floorOnce(source, kind, count) },
    ],
  });
  const mib = (bytes: number): number => Math.round(bytes / 1024 / 1024);
  process.stderr.write(
    `  memory: server ${mib(rssOf(server.pid))} MiB, replica ${mib(rssOf(replica.pid))} MiB, growth of both at most ${mib(Math.max(...growth))} MiB\n`,
  );
  return measured;
}

let floors = 0;

async function withFloor<T>(
  source: BenchSource,
  group: number,
  work: (floor: Part) => Promise<T>,
): Promise<T> {
  floors += 1;
  const name = `floor_${floors}`;
  await source.sql.query(`CREATE PUBLICATION ${name} FOR TABLE t`);
  await source.sql.query(`SELECT pg_create_logical_replication_slot('${name}', 'pgoutput')`);
  const floor = startFloor();
  await floor.call('start', {
    ...{ url: source.url, slot: name, publication: name, group, isPaced: true },
    file: source.folder(`${name}.db`),
  });
  try {
    return await work(floor);
  } finally {
    await floor.call('close');
    floor.stop();
    await source.sql.query(`SELECT pg_drop_replication_slot('${name}')`);
    await source.sql.query(`DROP PUBLICATION ${name}`);
  }
}

function floorOnce(source: BenchSource, kind: Load, count: number): Promise<number> {
  return withFloor(source, 1000, async (floor) => {
    process.kill(floor.pid, 'SIGSTOP');
    const position = await source.load(kind, count);
    const start = performance.now();
    process.kill(floor.pid, 'SIGCONT');
    await floor.call('waitFor', position);
    return (count / (performance.now() - start)) * 1000;
  });
}

async function latency(source: BenchSource, { replica }: Ours, rate: number): Promise<Measured[]> {
  const n = rate * LATENCY_S;
  const oursAll: number[][] = [];
  const floorAll: number[][] = [];
  const load = async (): Promise<void> => {
    await source.sql.query('TRUNCATE t');
    await source.sql.query(`CALL load_paced(1, ${n}, ${1 / rate})`);
  };
  await compare({
    name: `latency ${rate}`,
    unit: 'ms',
    rounds,
    sides: [
      {
        name: 'tidelock',
        run: async () => {
          await replica.call('waitFor', await source.position());
          await replica.call('latencies');
          await load();
          await replica.call('waitFor', await source.position());
          const taken = (await replica.call<number[]>('latencies')).slice(LATENCY_SKIPPED);
          oursAll.push(taken);
          return percentile(taken, 0.5);
        },
      },
      {
        name: 'floor',
        run: () =>
          withFloor(source, 1, async (floor) => {
            await load();
            await floor.call('waitFor', await source.position());
            const taken = (await floor.call<number[]>('latencies')).slice(LATENCY_SKIPPED);
            floorAll.push(taken);
            return percentile(taken, 0.5);
          }),
      },
    ],
  });
  return [0.5, 0.99].map((share) =>
    summary(`latency at ${rate}/s, p${share * 100}`, share, oursAll, floorAll),
  );
}

function summary(name: string, share: number, ours: number[][], floor: number[][]): Measured {
  const a = ours.map((run) => percentile(run, share));
  const b = floor.map((run) => percentile(run, share));
  const ratios = a.map((value, index) => value / (b[index] ?? Number.NaN)).sort((x, y) => x - y);
  const middle = (list: readonly number[]): number =>
    [...list].sort((x, y) => x - y)[Math.floor(list.length / 2)] ?? Number.NaN;
  return {
    name,
    unit: 'ms',
    rounds: a.length,
    medians: { tidelock: middle(a), floor: middle(b) },
    ranges: {
      tidelock: [Math.min(...a), Math.max(...a)],
      floor: [Math.min(...b), Math.max(...b)],
    },
    ratio: middle(ratios),
    ratioRange: [ratios[0] ?? Number.NaN, ratios.at(-1) ?? Number.NaN],
    driftedRounds: 0,
  };
}

await main();
