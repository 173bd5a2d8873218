/** The parts of the pipeline as processes of their own: our server, our replica, and the floor. */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseLsn, type Ts } from '../../../src/core/lsn.ts';
import { parseSelectorRule } from '../../../src/core/selector.ts';
import { openEngine, type RunningEngine } from '../../../src/engine/engine.ts';
import { openReplica, type Replica } from '../../../src/index.ts';
import { systemClock } from '../../../src/server/clock.ts';
import { DEFAULT_LIMITS, NO_TOKENS } from '../../../src/server/config.ts';
import { createLog } from '../../../src/server/log.ts';
import { createServer } from '../../../src/server/server.ts';
import { Floor, type FloorOptions } from './floor.ts';
import { answer, Peer, SERVER_FLAGS } from './peer.ts';

const FILE = fileURLToPath(import.meta.url);
const WAIT_MS = 300_000;
const INSERT = Buffer.from('"type":"insert"');
const READ_BYTES = 64 * 1024;

export type Part = {
  readonly pid: number;
  call<T>(name: string, value?: unknown): Promise<T>;
  stop(): void;
};

export type ServerStart = { readonly url: string; readonly dir: string };

export function startServer(): Part {
  return new Peer(FILE, 'pipeline-server', SERVER_FLAGS);
}

export function startReplica(): Part {
  return new Peer(FILE, 'pipeline-replica');
}

export function startFloor(): Part {
  return new Peer(FILE, 'pipeline-floor');
}

/** Raw feed readers in one process, one selector each (`s0`, `s1`, ...), that count the rows they get. */
export function startSubscribers(): Part {
  return new Peer(FILE, 'pipeline-subscribers');
}

function serveSubscribers(): void {
  let rows = 0;
  let wanted: { readonly rows: number; readonly resolve: () => void } | null = null;
  const buffer = Buffer.alloc(READ_BYTES);
  const openOne = (url: URL, selector: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const counter = new RowCounter();
      const callback = (size: number): boolean => {
        rows += counter.count(buffer.subarray(0, size));
        if (wanted !== null && rows >= wanted.rows) wanted.resolve();
        resolve(); // its first bytes: it is subscribed
        return true;
      };
      const onread = { buffer, callback };
      const socket = connect({ host: url.hostname, port: Number(url.port), onread });
      socket.on('error', reject);
      socket.write(`GET /v1/feed?selector=${selector} HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`);
    });
  answer({
    open: async ({ url, selectors }: { url: string; selectors: number }) => {
      for (let index = 0; index < selectors; index += 1) await openOne(new URL(url), `s${index}`);
    },
    reach: async (target: number) => {
      if (rows < target) {
        await new Promise<void>((resolve) => {
          wanted = { rows: target, resolve };
        });
      }
      if (rows !== target) throw new Error(`${rows} rows arrived instead of ${target}`);
    },
  });
}

/** Counts the rows in what one socket reads, also those whose line is cut in two by a read. */
class RowCounter {
  /** The end of the last read, too short for a whole `INSERT`. */
  #end: Buffer = Buffer.alloc(0);

  count(bytes: Buffer): number {
    const seam = Buffer.concat([this.#end, bytes.subarray(0, INSERT.length - 1)]);
    let rows = seam.includes(INSERT) ? 1 : 0;
    for (let at = bytes.indexOf(INSERT); at >= 0; at = bytes.indexOf(INSERT, at + INSERT.length)) {
      rows += 1;
    }
    const kept = bytes.length < INSERT.length ? seam : bytes;
    this.#end = Buffer.from(kept.subarray(Math.max(0, kept.length - INSERT.length + 1)));
    return rows;
  }
}

function serveServer(): void {
  let engine: RunningEngine | null = null;
  answer({
    start: async ({ url, dir }: ServerStart) => {
      const tables = [
        { name: 'public.t', selector: parseSelectorRule('*') },
        { name: 'public.many', selector: parseSelectorRule('selector') },
      ];
      engine = await openEngine({ url, dir, tables });
      const server = createServer({
        engine,
        clock: systemClock,
        log: createLog('warn', (line) => process.stderr.write(line)),
        config: {
          host: '127.0.0.1',
          port: 0,
          heartbeatS: 5,
          tokens: NO_TOKENS,
          limits: DEFAULT_LIMITS,
        },
      });
      const listening = await server.listen();
      while (engine.status().source.state !== 'streaming') await turn();
      return listening.url;
    },
    waitFor: async (position: string) => {
      if (engine === null) throw new Error('not started');
      await engine.waitFor(
        parseLsn(position, 'position') as Ts,
        WAIT_MS,
        new AbortController().signal,
      );
    },
    close: async () => engine?.close(),
  });
}

function serveReplica(): void {
  let replica: Replica | null = null;
  let latencies: number[] = [];
  answer({
    /** Answers as soon as the process runs: its start is not measured. */
    idle: () => undefined,
    start: async (options: { server: string; file: string; selectors: string[] }) => {
      replica = await openReplica(options);
      replica.on('applied', ({ firstMicros }) => {
        latencies.push(performance.timeOrigin + performance.now() - firstMicros / 1000);
      });
    },
    waitFor: async (position: string) => {
      await replica?.waitFor(position, { timeoutMs: WAIT_MS });
    },
    latencies: async () => {
      const taken = latencies;
      latencies = [];
      return taken;
    },
    close: async () => replica?.close(),
  });
}

function serveFloor(): void {
  let floor: Floor | null = null;
  answer({
    start: async (options: FloorOptions) => {
      floor = await Floor.start(options);
    },
    waitFor: (position: string) => floor?.waitFor(position) ?? Promise.resolve(),
    latencies: async () => floor?.takeLatencies() ?? [],
    close: async () => floor?.close(),
  });
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10));

/** Resident memory of a process, bytes. */
export function rssOf(pid: number): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1] ?? 0) * 1024;
}

/** Highest resident memory while `work` runs, sampled every 20 ms. */
export async function peakRss<T>(pid: number, work: () => Promise<T>): Promise<[T, number]> {
  let peak = rssOf(pid);
  const timer = setInterval(() => {
    peak = Math.max(peak, rssOf(pid));
  }, 20);
  try {
    return [await work(), peak];
  } finally {
    clearInterval(timer);
  }
}

if (process.argv.includes('pipeline-server')) serveServer();
if (process.argv.includes('pipeline-replica')) serveReplica();
if (process.argv.includes('pipeline-floor')) serveFloor();
if (process.argv.includes('pipeline-subscribers')) serveSubscribers();
