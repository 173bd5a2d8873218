/** The subscribers of the fan-out benchmark: raw sockets in one process that only count the bytes of lines. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { answer, Peer } from './lib/peer.ts';

const ROLE = 'fanout-clients';
const OPEN_AT_ONCE = 100;
const REACH_MS_MAX = 30_000;
const QUIET_MS = 300;

export type ClientsProcess = {
  /** Opens so many subscribers; returns their number when all have received something and it is quiet. */
  open(port: number, count: number): Promise<number>;
  bytes(): Promise<number>;
  /** Resolves when so many bytes have arrived in all. */
  reach(bytes: number): Promise<void>;
  /** Stops reading. */
  pause(): Promise<void>;
  stop(): void;
};

export async function forkClients(): Promise<ClientsProcess> {
  const peer = new Peer(fileURLToPath(import.meta.url), ROLE);
  return {
    open: (port, count) => peer.call('open', { port, count }),
    bytes: () => peer.call('bytes'),
    reach: (bytes) => peer.call('reach', bytes),
    pause: () => peer.call('pause'),
    stop: () => peer.stop(),
  };
}

const CR = 13;
const LF = 10;

/** Counts the bytes of one chunked answer's body, without what frames them. */
class BodyCounter {
  #state: 'header' | 'size' | 'data' | 'end' = 'header';
  /** The size of the present chunk as far as it is read, then what of it is to come. */
  #left = 0;
  /** Line ends in a row: two end the header. */
  #lineEnds = 0;

  count(bytes: Uint8Array, length: number): number {
    let counted = 0;
    for (let at = 0; at < length; ) {
      if (this.#state === 'data') {
        const taken = Math.min(this.#left, length - at);
        counted += taken;
        at += taken;
        this.#left -= taken;
        if (this.#left === 0) this.#state = 'end';
      } else {
        this.#frame(bytes[at] ?? 0);
        at += 1;
      }
    }
    return counted;
  }

  #frame(byte: number): void {
    if (byte === CR) return;
    if (byte !== LF) {
      this.#lineEnds = 0;
      if (this.#state === 'size') this.#left = this.#left * 16 + digit(byte);
      return;
    }
    this.#lineEnds += 1;
    if (this.#state === 'size') this.#state = 'data';
    else if (this.#state === 'end' || this.#lineEnds === 2) this.#state = 'size';
  }
}

/** The value of a hexadecimal digit, as written by `toString(16)`. */
function digit(byte: number): number {
  return byte < 58 ? byte - 48 : byte - 87;
}

function serve(): void {
  const sockets: Socket[] = [];
  const buffer = Buffer.alloc(64 * 1024);
  let bytes = 0;
  const openOne = async (port: number): Promise<void> => {
    const body = new BodyCounter();
    const onread = {
      buffer,
      callback: (size: number): boolean => {
        bytes += body.count(buffer, size);
        return true;
      },
    };
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, onread });
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.write('GET /v1/feed?selector=FR&heartbeat_s=60 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    sockets.push(socket);
  };
  answer({
    open: async ({ port, count }: { port: number; count: number }) => {
      for (let opened = 0; opened < count; opened += OPEN_AT_ONCE) {
        const batch = Math.min(OPEN_AT_ONCE, count - opened);
        await Promise.all(Array.from({ length: batch }, () => openOne(port)));
      }
      for (let seen = -1; seen !== bytes; ) {
        seen = bytes;
        await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
      }
      return count;
    },
    bytes: () => bytes,
    reach: async (wanted: number) => {
      const end = performance.now() + REACH_MS_MAX;
      while (bytes < wanted) {
        if (performance.now() > end) throw new Error(`${bytes} of ${wanted} bytes arrived`);
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    pause: () => {
      for (const socket of sockets) socket.pause();
    },
  });
}

if (process.argv[2] === ROLE) serve();
