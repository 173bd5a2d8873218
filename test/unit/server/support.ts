/** A server over the engine in memory, a clock that tests move, and clients on raw sockets. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Clock } from '../../../src/server/clock.ts';
import { DEFAULT_LIMITS, NO_TOKENS, type ServerConfig } from '../../../src/server/config.ts';
import { createLog } from '../../../src/server/log.ts';
import { createServer, type TidelockServer } from '../../../src/server/server.ts';
import { createMemoryEngine, type MemoryEngine } from './memory-engine.ts';

const WAIT_MS_MAX = 5000;

export type TestClock = Clock & {
  /** Moves both clocks and runs what is due. */
  advance(ms: number): void;
};

export function createTestClock(): TestClock {
  let now = 1000;
  const timers = new Set<{ ms: number; next: number; run: () => void }>();
  return {
    now: () => now,
    wallMs: () => 1_800_000_000_000 + now,
    every: (ms, run) => {
      const timer = { ms, next: now + ms, run };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    advance: (ms) => {
      const end = now + ms;
      for (;;) {
        const due = [...timers].filter((timer) => timer.next <= end);
        const [first] = due.sort((a, b) => a.next - b.next);
        if (first === undefined) break;
        now = first.next;
        first.next += first.ms;
        first.run();
      }
      now = end;
    },
  };
}

export type Harness = {
  readonly engine: MemoryEngine;
  readonly clock: TestClock;
  readonly server: TidelockServer;
  readonly url: string;
  readonly port: number;
  readonly logged: string[];
};

export type ConfigChange = Omit<Partial<ServerConfig>, 'limits' | 'tokens'> & {
  readonly limits?: Partial<ServerConfig['limits']>;
  readonly tokens?: Partial<ServerConfig['tokens']>;
};

function testConfig(change: ConfigChange = {}): ServerConfig {
  return {
    ...{ host: '127.0.0.1', port: 0, heartbeatS: 5 },
    ...change,
    limits: { ...DEFAULT_LIMITS, ...change.limits },
    tokens: { ...NO_TOKENS, ...change.tokens },
  };
}

/** Starts a server on a free port. Close it in `afterEach`. */
export async function startServer(change: ConfigChange = {}): Promise<Harness> {
  const engine = createMemoryEngine();
  const clock = createTestClock();
  const logged: string[] = [];
  const log = createLog('debug', (line) => void logged.push(line));
  const server = createServer({ engine, config: testConfig(change), clock, log });
  const { url } = await server.listen();
  return { engine, clock, server, url, port: Number(new URL(url).port), logged };
}

/** Polls until `check` holds. */
export async function until(what: string | (() => string), check: () => boolean): Promise<void> {
  const end = performance.now() + WAIT_MS_MAX;
  while (!check()) {
    if (performance.now() > end) {
      const wanted = typeof what === 'string' ? what : what();
      throw new Error(`waited ${WAIT_MS_MAX} ms in vain until ${wanted}`);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A client on a raw socket: what it received, byte for byte. */
export class RawClient {
  readonly socket: Socket;
  received = '';
  isClosed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      this.received += text;
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.isClosed = true;
    });
  }

  static async open(port: number): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1' });
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  get(path: string, headers = ''): void {
    this.socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${headers}\r\n`);
  }

  async saw(text: string): Promise<void> {
    const has = () => this.received.includes(text);
    await until(() => `${JSON.stringify(text)} arrives; got ${this.received.slice(-300)}`, has);
  }

  async closed(): Promise<void> {
    await until('the connection is closed', () => this.isClosed);
  }

  /** The body, when the answer is chunked; `isComplete` when its final chunk arrived. */
  body(): { text: string; chunks: readonly string[]; isComplete: boolean } {
    const start = this.received.indexOf('\r\n\r\n') + 4;
    const chunks: string[] = [];
    let at = start;
    while (at < this.received.length) {
      const end = this.received.indexOf('\r\n', at);
      if (end < 0) break;
      const size = Number.parseInt(this.received.slice(at, end), 16);
      if (size === 0) return { text: chunks.join(''), chunks, isComplete: true };
      chunks.push(this.received.slice(end + 2, end + 2 + size));
      at = end + 2 + size + 2;
    }
    return { text: chunks.join(''), chunks, isComplete: false };
  }

  lines(): readonly { type: string; [field: string]: unknown }[] {
    return this.body()
      .text.split('\n')
      .filter((line) => line.endsWith('}'))
      .map((line) => JSON.parse(line));
  }
}
