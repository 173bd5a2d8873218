/**
 * Changes of a run database as server-sent events: pages from `since` until the reader has caught up, then what changed,
 * at most four times a second. A reader that takes nothing is not written to; when it goes on it gets the last
 * state of each row, so nothing piles up for it.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { TidelockError } from '../../core/errors.ts';
import type { Clock } from '../clock.ts';
import type { RunsPort } from './port.ts';

const ROUND_MS = 250;
const PAGE_ROWS = 2000;
const BEAT_MS = 10_000;
const READERS_MAX = 64;

type Reader = {
  readonly response: ServerResponse;
  readonly socket: Socket | null;
  readonly expiresAtMs: number;
  seq: number;
  /** It gets an answer even when nothing has changed. */
  isNew: boolean;
  isBehind: boolean;
  wroteAt: number;
  blockedAt: number | null;
};

export class ChangeStreams {
  readonly #port: RunsPort;
  readonly #clock: Clock;
  readonly #stallMs: number;
  readonly #readers = new Set<Reader>();
  readonly #sockets = new WeakSet<Socket>();
  #stopRounds: (() => void) | null = null;

  constructor(port: RunsPort, clock: Clock, stallMs: number) {
    this.#port = port;
    this.#clock = clock;
    this.#stallMs = stallMs;
  }

  get count(): number {
    return this.#readers.size;
  }

  /** True while the socket belongs to a stream: nothing else may be written to it. */
  carries(socket: Socket): boolean {
    return this.#sockets.has(socket);
  }

  /** Throws `BUSY`. Call before the head of the answer is written. */
  requireRoom(): void {
    if (this.#readers.size < READERS_MAX) return;
    throw new TidelockError({
      code: 'BUSY',
      message: `${this.#readers.size} readers follow the runs already`,
      hint: 'close some pages, or follow with a replica',
    });
  }

  follow(response: ServerResponse, since: number, expiresAtMs: number): void {
    const { socket } = response;
    const wroteAt = this.#clock.now();
    const reader = { response, socket, expiresAtMs, seq: since, wroteAt, blockedAt: null };
    const entry: Reader = { ...reader, isNew: true, isBehind: true };
    this.#readers.add(entry);
    if (socket !== null) this.#sockets.add(socket);
    response.once('close', () => this.#forget(entry));
    this.#tell(entry);
    this.#stopRounds ??= this.#rounds();
  }

  close(): void {
    for (const reader of [...this.#readers]) this.#end(reader);
  }

  #rounds(): () => void {
    const unlisten = this.#port.onChange(() => {
      for (const reader of this.#readers) reader.isBehind = true;
    });
    const timer = this.#clock.every(ROUND_MS, () => {
      for (const reader of [...this.#readers]) this.#visit(reader);
    });
    return () => {
      unlisten();
      timer();
    };
  }

  #visit(reader: Reader): void {
    const now = this.#clock.now();
    if (reader.response.destroyed || this.#clock.wallMs() >= reader.expiresAtMs) {
      this.#end(reader);
    } else if (reader.response.writableNeedDrain) {
      reader.blockedAt ??= now;
      if (now - reader.blockedAt >= this.#stallMs) reader.response.destroy();
    } else {
      reader.blockedAt = null;
      if (reader.isBehind) this.#tell(reader);
      else if (now - reader.wroteAt >= BEAT_MS) this.#write(reader, ': still here\n\n');
    }
  }

  /** One page: the next one follows in the next round. */
  #tell(reader: Reader): void {
    const query = { kind: 'changes', since: reader.seq, limit: PAGE_ROWS } as const;
    const { changes } = this.#port.read(query);
    if (changes === undefined) return;
    reader.isBehind = changes.isMore;
    if (changes.seq === reader.seq && !reader.isNew) return;
    reader.isNew = false;
    reader.seq = changes.seq;
    const data = JSON.stringify(changes);
    this.#write(reader, `id: ${changes.seq}\nevent: changes\ndata: ${data}\n\n`);
  }

  #write(reader: Reader, words: string): void {
    reader.wroteAt = this.#clock.now();
    reader.response.write(words);
  }

  #end(reader: Reader): void {
    this.#forget(reader);
    reader.response.end();
    reader.socket?.destroySoon();
  }

  #forget(reader: Reader): void {
    this.#readers.delete(reader);
    if (this.#readers.size > 0) return;
    this.#stopRounds?.();
    this.#stopRounds = null;
  }
}
