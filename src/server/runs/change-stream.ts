/**
 * Changes of a run database as server-sent events: pages from `since` until the reader has caught up, then what changed,
 * at most four times a second, each time as many pages as there are, a turn of the process for each. A reader that takes
 * nothing is not written to; when it goes on it gets the last state of each row, so nothing piles up for it. Readers that
 * stand at the same place share one page. A database that fails ends the streams with `event: error`, not the server.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { TidelockError } from '../../core/errors.ts';
import type { Clock } from '../clock.ts';
import { errorEvent } from '../error-event.ts';
import type { RunsPort } from './port.ts';

const ROUND_MS = 250;
const PAGE_ROWS = 2000;
/** Of one round: so much follows a large change at once. */
const PAGES_MAX = 16;
const BEAT_MS = 10_000;
const READERS_MAX = 64;

export type Following = {
  readonly response: ServerResponse;
  readonly since: number;
  /** Wall clock, milliseconds. */
  readonly expiresAtMs: number;
  /** Without steps, data and events. */
  readonly isBrief: boolean;
};

type Reader = Omit<Following, 'since'> & {
  readonly socket: Socket | null;
  seq: number;
  /** It gets an answer even when nothing has changed. */
  isNew: boolean;
  isBehind: boolean;
  wroteAt: number;
  blockedAt: number | null;
};

/** What follows a sequence, as it was last read. */
type Page = {
  readonly seq: number;
  readonly isMore: boolean;
  readonly words: string;
};

export type ChangeStreamsOptions = {
  readonly port: RunsPort;
  readonly clock: Clock;
  readonly stallMs: number;
  /** A stream has ended with this. */
  readonly onError: (error: unknown) => void;
};

export class ChangeStreams {
  readonly #port: RunsPort;
  readonly #clock: Clock;
  readonly #stallMs: number;
  readonly #onError: (error: unknown) => void;
  readonly #readers = new Set<Reader>();
  readonly #sockets = new WeakSet<Socket>();
  #stopRounds: (() => void) | null = null;
  /** Of this round, until something changes. */
  readonly #pages = new Map<string, Page>();

  constructor({ port, clock, stallMs, onError }: ChangeStreamsOptions) {
    this.#port = port;
    this.#clock = clock;
    this.#stallMs = stallMs;
    this.#onError = onError;
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

  follow({ since, ...following }: Following): void {
    const { response } = following;
    const { socket } = response;
    const state = { seq: since, wroteAt: this.#clock.now(), blockedAt: null };
    const entry: Reader = { ...following, ...state, socket, isNew: true, isBehind: true };
    this.#readers.add(entry);
    if (socket !== null) this.#sockets.add(socket);
    response.once('close', () => this.#forget(entry));
    this.#guarded(entry, () => {
      this.#tell(entry, PAGES_MAX);
      this.#stopRounds ??= this.#rounds();
    });
  }

  close(): void {
    for (const reader of [...this.#readers]) this.#end(reader);
  }

  #rounds(): () => void {
    const unlisten = this.#port.onChange(() => {
      this.#pages.clear();
      for (const reader of this.#readers) reader.isBehind = true;
    });
    const timer = this.#clock.every(ROUND_MS, () => {
      for (const reader of [...this.#readers]) this.#guarded(reader, () => this.#visit(reader));
      this.#pages.clear();
    });
    return () => {
      unlisten();
      timer();
    };
  }

  /** Whoever cannot be told is told that, and comes again. */
  #guarded(reader: Reader, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#onError(error);
      if (!reader.response.destroyed) reader.response.write(errorEvent(error));
      this.#end(reader);
    }
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
      if (reader.isBehind) this.#tell(reader, PAGES_MAX);
      else if (now - reader.wroteAt >= BEAT_MS) this.#write(reader, ': still here\n\n');
    }
  }

  /** One page now; the next ones of this round in turns of their own, while the reader takes them. */
  #tell(reader: Reader, pages: number): void {
    const page = this.#pageFor(reader);
    reader.isBehind = page.isMore;
    if (page.seq === reader.seq && !reader.isNew) return;
    reader.isNew = false;
    reader.seq = page.seq;
    this.#write(reader, page.words);
    if (!page.isMore || pages <= 1) return;
    setImmediate(() => {
      if (!this.#readers.has(reader) || reader.response.writableNeedDrain) return;
      this.#guarded(reader, () => this.#tell(reader, pages - 1));
    });
  }

  #pageFor({ seq: since, isBrief }: Reader): Page {
    const place = `${since} ${isBrief}`;
    const known = this.#pages.get(place);
    if (known !== undefined) return known;
    const query = { kind: 'changes', since, limit: PAGE_ROWS, isBrief } as const;
    const { changes } = this.#port.read(query);
    if (changes === undefined) return { seq: since, isMore: false, words: '' };
    const { seq, isMore } = changes;
    const words = `id: ${seq}\nevent: changes\ndata: ${JSON.stringify(changes)}\n\n`;
    const page = { seq, isMore, words };
    this.#pages.set(place, page);
    return page;
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
