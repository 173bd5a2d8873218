/** A TCP proxy that does to connections what networks do: cuts, slivers, silence. Counts what it did. */
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import type { SeededRandom } from '../../src/bench/random.ts';

/** Each field is one fault; ranges are drawn from for every connection. Only the answers are hit. */
export type Faults = {
  /** Reset the connection after so many bytes. */
  readonly cutAfterBytes?: readonly [number, number];
  /** Keep the connection, but pass nothing on any more. */
  readonly silentAfterBytes?: readonly [number, number];
  /** Write so many bytes at a time. */
  readonly sliceBytes?: number;
};

export class FaultyProxy {
  faults: Faults = {};
  /** Connections that a fault was done to. */
  hits = 0;
  readonly #target: URL;
  readonly #random: SeededRandom;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(target: string, random: SeededRandom) {
    this.#target = new URL(target);
    this.#random = random;
    // Half open: whoever says goodbye to a silent connection gets no answer.
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#serve(client));
  }

  static async start(target: string, random: SeededRandom): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(target, random);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('it does not listen');
    return `http://127.0.0.1:${address.port}`;
  }

  /** Ends all connections, so that new ones meet the faults. */
  dropAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** The present connections stay and pass nothing on any more, in both directions; new ones work. */
  silence(): void {
    for (const socket of this.#sockets) {
      socket.unpipe();
      socket.removeAllListeners('data').resume();
      this.hits += 1;
    }
  }

  async close(): Promise<void> {
    this.dropAll();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(client: Socket): void {
    const { cutAfterBytes, silentAfterBytes, sliceBytes } = this.faults;
    const server = createConnection(Number(this.#target.port), this.#target.hostname);
    for (const socket of [client, server]) this.#watch(socket, socket === client ? server : client);
    client.pipe(server);
    let left = this.#draw(cutAfterBytes ?? silentAfterBytes);
    const isFaulty = left < Number.POSITIVE_INFINITY || sliceBytes !== undefined;
    server.on('data', (bytes) => {
      const passed = bytes.subarray(0, left);
      left -= passed.byteLength;
      const step = sliceBytes ?? Math.max(1, passed.byteLength);
      for (let at = 0; at < passed.byteLength; at += step)
        client.write(passed.subarray(at, at + step));
      if (sliceBytes !== undefined) this.hits += 1;
      if (left > 0 || !isFaulty) return;
      left = -1;
      this.hits += 1;
      if (cutAfterBytes !== undefined) client.resetAndDestroy();
      server.removeAllListeners('data').resume(); // silent: what comes is thrown away
    });
  }

  #draw(range: readonly [number, number] | undefined): number {
    return range === undefined ? Number.POSITIVE_INFINITY : this.#random.between(...range);
  }

  #watch(socket: Socket, other: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => other.destroy());
    socket.on('close', () => {
      this.#sockets.delete(socket);
      other.destroy();
    });
  }
}
