/**
 * Fan-out: many subscribers of one selector, against the limit measured in the same run: a bare node:http
 * server that writes one chunk, framed once, to every socket.
 *
 *   node bench/perf/fanout.ts [--clients 1000] [--seconds 2] [--rounds 5] [--stalled 200]
 *
 * Ours is the whole way without Postgres: durable append to the log, coordinator, feeds, pump, sockets. One
 * frame is one transaction of 200 bytes. Servers and clients are processes of their own. Also printed: memory
 * per idle stream, and what readers that stop reading cost.
 */
import { parseArgs } from 'node:util';
import { type ClientsProcess, forkClients } from './fanout-clients.ts';
import { FRAME_BYTES, forkServer, type ServerKind, type ServerProcess } from './fanout-servers.ts';
import { compare, print } from './lib/measure.ts';

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '5' },
    stalled: { type: 'string', default: '200' },
  },
});
/** A database does not wait for subscribers; this bounds what they may have to catch up with. */
const AHEAD = 16;
const clientCount = Number(values.clients);
const seconds = Number(values.seconds);

type Setup = { server: ServerProcess; clients: ClientsProcess; idleKiB: number };

/** A server with all its clients connected. */
async function setUp(kind: ServerKind, count: number): Promise<Setup> {
  const server = await forkServer(kind);
  const clients = await forkClients();
  const warmUp = await clients.open(server.port, 50);
  const before = await server.rssBytes();
  await clients.open(server.port, count - warmUp);
  const idleKiB = ((await server.rssBytes()) - before) / 1024 / (count - warmUp);
  return { server, clients, idleKiB };
}

/** Frames per second that reached clients. */
async function broadcast({ server, clients }: Setup, ahead: number): Promise<number> {
  const start = performance.now();
  const before = await clients.bytes();
  const frames = (await server.blast(seconds, ahead)) * clientCount;
  await clients.reach(before + frames * FRAME_BYTES);
  return (frames * 1000) / (performance.now() - start);
}

async function measureBroadcast(): Promise<void> {
  const ours = await setUp('tidelock', clientCount);
  const limit = await setUp('limit', clientCount);
  for (const [what, ahead] of [
    ['the writer goes on', AHEAD],
    ['every transaction waits for every subscriber', 1],
  ] as const) {
    const measured = await compare({
      name: `fan-out to ${clientCount} subscribers of one selector, ${what}`,
      unit: 'frames/s',
      rounds: Number(values.rounds),
      sides: [
        { name: 'tidelock', run: () => broadcast(ours, ahead) },
        { name: 'node:http, chunk framed once', run: () => broadcast(limit, ahead) },
      ],
    });
    print(measured);
  }
  report('memory of an idle stream', { tidelockKiB: ours.idleKiB, limitKiB: limit.idleKiB });
  for (const { server, clients } of [ours, limit]) {
    clients.stop();
    server.stop();
  }
}

/** Readers that stop reading, while frames of 64 KiB go on until nobody takes any more. */
async function measureStalled(): Promise<void> {
  const count = Number(values.stalled);
  const { server, clients } = await setUp('tidelock', count);
  await clients.pause();
  const before = await server.rssBytes();
  const sent = await server.fill();
  const after = await server.rssBytes();
  report(`${count} stalled readers`, {
    addedMiB: (after - before) / 1024 / 1024,
    sentMiBPerReader: sent / 1024 / 1024 / count,
  });
  clients.stop();
  server.stop();
}

function report(name: string, figures: Readonly<Record<string, number>>): void {
  const text = Object.entries(figures).map(([key, value]) => `${key} ${value.toFixed(1)}`);
  process.stderr.write(`${name}: ${text.join(', ')}\n`);
  process.stdout.write(`${JSON.stringify({ name, ...figures })}\n`);
}

await measureBroadcast();
await measureStalled();
process.exit(0);
