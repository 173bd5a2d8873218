/**
 * A TCP proxy that does to connections what networks do. One fault at a time, from `inject` to `heal`:
 *
 *   reset      connections break with a reset, also those that are made meanwhile: the network is away
 *   half-open  connections stay and pass nothing on in either direction; in the end they are reset
 *   delay      every chunk comes late, with jitter
 *   slice      every chunk comes in slices
 *   cut        a connection breaks after so many bytes of answers
 *   one-way    one direction is silent, the other works; in the end what was held back arrives
 */

import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from '../../core/assert.ts';
import { HOST, listen, portOf } from '../listening.ts';
import type { SeededRandom } from '../random.ts';
import { Effects } from './effects.ts';

/** `up`: from the client to the server. */
export type Direction = 'up' | 'down';

export type TcpFault =
  | { readonly kind: 'reset' }
  | { readonly kind: 'half-open' }
  | { readonly kind: 'delay'; readonly delayMs: number; readonly jitterMs: number }
  | { readonly kind: 'slice'; readonly sliceBytes: number; readonly pauseMs: number }
  | { readonly kind: 'cut'; readonly afterBytes: number }
  | { readonly kind: 'one-way'; readonly silent: Direction };

/** A fault while it lasts. */
type Active = {
  readonly fault: TcpFault;
  readonly effects: Effects;
  /** Resolves when it ends. */
  readonly healed: Promise<void>;
  readonly heal: () => void;
  isHolding: boolean;
};

export class TcpProxy {
  readonly #target: { readonly host: string; readonly port: number };
  readonly #random: SeededRandom;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  #active: Active | null = null;

  private constructor(target: URL, random: SeededRandom) {
    this.#target = { host: target.hostname, port: Number(target.port) };
    this.#random = random;
    // Each direction ends by itself, as on a line without a proxy.
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#serve(client));
  }

  /** Listens on a free port of this machine. */
  static async start(target: string, random: SeededRandom): Promise<TcpProxy> {
    const proxy = new TcpProxy(new URL(target), random);
    await listen(proxy.#server);
    return proxy;
  }

  get url(): string {
    return `http://${HOST}:${portOf(this.#server)}`;
  }

  /** True once a fault holds something back. */
  get isHolding(): boolean {
    return this.#active?.isHolding === true;
  }

  /** True once something was seen of the fault; of one that holds back, once it does. */
  get hasEffect(): boolean {
    const active = this.#active;
    if (active === null) return false;
    const holds = active.fault.kind === 'half-open' || active.fault.kind === 'one-way';
    return holds ? active.isHolding : active.effects.lines.length > 0;
  }

  inject(fault: TcpFault): void {
    assert(this.#active === null, 'one fault ends before the next begins');
    const { promise: healed, resolve: heal } = Promise.withResolvers<void>();
    const effects = new Effects();
    this.#active = { fault, effects, healed, heal, isHolding: false };
    if (fault.kind === 'reset')
      for (const connection of this.#connections) reset(connection, effects);
    if (fault.kind !== 'half-open') return;
    effects.note('connections held open in silence', this.#connections.size);
  }

  /** Ends the fault; returns what was seen of it. */
  heal(): readonly string[] {
    const active = this.#active;
    if (active === null) return [];
    this.#active = null;
    active.heal();
    if (active.fault.kind === 'half-open') this.dropAll();
    return active.effects.lines.filter((line) => !line.endsWith(': 0'));
  }

  /** Resets all present connections; new ones work. */
  dropAll(): void {
    for (const connection of this.#connections) connection.reset();
  }

  async close(): Promise<void> {
    this.heal();
    this.dropAll();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(client: Socket): void {
    const connection = new Connection(
      client,
      createConnection({ ...this.#target, allowHalfOpen: true }),
      {
        pass: (chunk, direction) => this.#pass(connection, chunk, direction),
        onGone: () => this.#connections.delete(connection),
      },
    );
    this.#connections.add(connection);
    const active = this.#active;
    if (active?.fault.kind === 'reset') reset(connection, active.effects);
    if (active?.fault.kind === 'half-open') active.effects.note('connections held open in silence');
  }

  async #pass(connection: Connection, chunk: Buffer, direction: Direction): Promise<void> {
    const active = this.#active;
    if (active === null) return connection.write(chunk, direction);
    const { fault, effects } = active;
    switch (fault.kind) {
      case 'delay':
        effects.note('chunks that came late');
        await pause(fault.delayMs + fault.jitterMs * this.#random.next());
        return connection.write(chunk, direction);
      case 'slice':
        return inSlices(connection, chunk, { direction, fault, effects });
      case 'cut':
        return cut(connection, chunk, { direction, fault, effects });
      case 'half-open':
        effects.note('bytes that nobody got', chunk.length);
        active.isHolding = true;
        return active.healed;
      case 'one-way':
        if (direction !== fault.silent) effects.note(`bytes passed ${direction}`, chunk.length);
        else {
          effects.note(`bytes held back ${direction}`, chunk.length);
          active.isHolding = true;
          await active.healed;
        }
        return connection.write(chunk, direction);
      default:
        return;
    }
  }
}

/** A client, the server, and the two directions between them; each waits until its chunk is written. */
class Connection {
  /** Bytes of answers so far. */
  downBytes = 0;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #pass: (chunk: Buffer, direction: Direction) => Promise<void>;

  constructor(
    client: Socket,
    server: Socket,
    how: {
      readonly pass: (chunk: Buffer, direction: Direction) => Promise<void>;
      readonly onGone: () => void;
    },
  ) {
    this.#client = client;
    this.#server = server;
    this.#pass = how.pass;
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on('error', () => this.reset());
    }
    client.once('close', () => {
      server.destroy();
      how.onGone();
    });
    server.once('close', () => client.destroySoon());
    this.#pump(client, server, 'up');
    this.#pump(server, client, 'down');
  }

  async write(chunk: Buffer, direction: Direction): Promise<void> {
    const to = direction === 'up' ? this.#server : this.#client;
    if (to.destroyed) return;
    if (direction === 'down') this.downBytes += chunk.length;
    await new Promise<void>((resolve) => to.write(chunk, () => resolve()));
  }

  /** The client sees a reset, the server an end. */
  reset(): void {
    if (this.#client.destroyed) return;
    // A socket that says goodbye already cannot be reset: its handle would stay for ever.
    if (this.#client.writableEnded) this.#client.destroy();
    else this.#client.resetAndDestroy();
    this.#server.destroy();
  }

  #pump(from: Socket, to: Socket, direction: Direction): void {
    let passed: Promise<void> = Promise.resolve();
    from.on('data', (chunk: Buffer) => {
      from.pause();
      passed = this.#pass(chunk, direction).then(() => void from.resume());
    });
    from.on('end', () => void passed.then(() => to.end()));
  }
}

function reset(connection: Connection, effects: Effects): void {
  connection.reset();
  effects.note('connections reset');
}

type About<F> = { readonly direction: Direction; readonly fault: F; readonly effects: Effects };

async function inSlices(
  connection: Connection,
  chunk: Buffer,
  { direction, fault, effects }: About<TcpFault & { kind: 'slice' }>,
): Promise<void> {
  for (let from = 0; from < chunk.length; from += fault.sliceBytes) {
    effects.note('slices');
    await connection.write(chunk.subarray(from, from + fault.sliceBytes), direction);
    await pause(fault.pauseMs);
  }
}

async function cut(
  connection: Connection,
  chunk: Buffer,
  { direction, fault, effects }: About<TcpFault & { kind: 'cut' }>,
): Promise<void> {
  const left = fault.afterBytes - connection.downBytes;
  if (direction === 'up' || chunk.length <= left) return connection.write(chunk, direction);
  if (left > 0) await connection.write(chunk.subarray(0, left), direction);
  connection.reset();
  effects.note(`connections cut after ${fault.afterBytes} bytes`);
}

function pause(ms: number): Promise<void> {
  return sleep(ms, undefined, { ref: false });
}
