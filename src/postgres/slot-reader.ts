/**
 * Reads a replication slot: socket -> messages -> `PgoutputDecoder` -> `SourceHandler`, and reports back
 * how far the log is durable.
 *
 *   starting --CopyBoth--> streaming --close(), error, silence--> closed
 *
 * Redelivery: the stream is started at `after`, the end of the last transaction that the log holds.
 * Postgres itself leaves out every transaction whose commit record starts before that, which is exactly
 * those at or before `after`; so nothing is sent twice and nothing is filtered here. The caller may
 * still compare each commit's `ts` with its own end as a guard.
 *
 * Nothing is buffered here beyond one socket read and one unfinished message: who cannot keep up calls
 * `pause`, and TCP makes the server wait.
 */
import type { Duplex } from 'node:stream';
import { TidelockError } from '../core/errors.ts';
import { formatLsn, LSN_ZERO, type Lsn, lsnFromHalves, type Ts } from '../core/lsn.ts';
import type { SourceHandler } from '../core/source.ts';
import { quoteName } from '../core/table.ts';
import { FrameSplitter } from './frames.ts';
import { Pacer } from './pacer.ts';
import { parseServerError, type ServerError } from './pg-errors.ts';
import { PgoutputDecoder } from './pgoutput.ts';
import { notPgoutput } from './pgoutput-announce.ts';
import { PgSession } from './session.ts';
import { holderName } from './slot.ts';
import { standbyStatus, streamError } from './slot-wire.ts';
import { realTimers, type TimerHandle, type Timers } from './timers.ts';

export type SlotReaderOptions = {
  readonly url: string;
  readonly slot: string;
  /** Tells this server from others of ours: only its own earlier connection may be ended at once. */
  readonly instance: string;
  readonly publication: string;
  /** The end of the last transaction that is durable in the log; `LSN_ZERO` for the slot's own position. */
  readonly after: Ts;
  readonly handler: SourceHandler;
  readonly timers?: Timers | undefined;
  /** Pieces of large open transactions; by default on. Off, the server keeps them until their commit. */
  readonly streaming?: boolean | undefined;
  /** A connection without a byte for so long is dead; 60 s by default. At half of it the server is asked for a sign. */
  readonly silenceMsMax?: number | undefined;
  /** Fewer, larger socket reads under load; by default on for TCP, off for unix sockets. */
  readonly isPaced?: boolean | undefined;
};

/** A status is sent at least this often, so that the server does not take us for dead while paused. */
const STATUS_MS = 10_000;
/** Confirmations are sent together, at most this much later. */
const CONFIRM_DELAY_MS = 100;
const SILENCE_MS_MAX = 60_000;
/** Letter, position, position, time; then the message itself. */
const WAL_HEADER_BYTES = 25;
/** Letter, position, time, wish for an answer: the shortest frame there is. */
const KEEPALIVE_BYTES = 18;

export class SlotReader {
  /** Null after `close`, the reason otherwise. Rejects only when the handler threw (a bug). */
  readonly closed: Promise<TidelockError | null>;
  readonly #options: SlotReaderOptions;
  readonly #handler: SourceHandler;
  readonly #timers: Timers;
  readonly #decoder: PgoutputDecoder;
  readonly #splitter: FrameSplitter;
  readonly #settle: PromiseWithResolvers<TidelockError | null> = Promise.withResolvers();
  readonly #started: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #pacer: Pacer;
  readonly #silenceMsMax: number;
  #session: PgSession | null = null;
  #socket: Duplex | null = null;
  #timer: TimerHandle | null = null;
  #confirmTimer: TimerHandle | null = null;
  #received: Lsn = LSN_ZERO;
  #confirmed: Lsn;
  #sentConfirmed: Lsn = LSN_ZERO;
  #lastStatusAt = 0;
  #lastBytesAt = 0;
  #isAsked = false;
  #isPausedByCaller = false;
  #isWaiting = false;
  #isClosed = false;

  private constructor(options: SlotReaderOptions) {
    this.#options = options;
    this.#handler = options.handler;
    this.#timers = options.timers ?? realTimers;
    this.#decoder = new PgoutputDecoder(options.handler);
    this.#splitter = new FrameSplitter((type, b, start, end) => this.#frame(type, b, start, end));
    this.#confirmed = options.after;
    this.#silenceMsMax = options.silenceMsMax ?? SILENCE_MS_MAX;
    this.#pacer = new Pacer(
      this.#timers,
      options.isPaced ?? !/@%2F|[?&]host=(%2F|\/)/i.test(options.url),
    );
    this.closed = this.#settle.promise;
  }

  /**
   * Resolves when the stream runs. Throws `SOURCE_DOWN`, `SLOT_BUSY` (another reader holds the slot) and
   * `SLOT_LOST` (no such slot, or Postgres has removed WAL that it needed).
   */
  static async start(options: SlotReaderOptions): Promise<SlotReader> {
    const reader = new SlotReader(options);
    await reader.#start();
    return reader;
  }

  /** The last position given to `confirm`. */
  get confirmed(): Lsn {
    return this.#confirmed;
  }

  /** Lets Postgres forget everything up to `lsn`. Call only with what is durable in the log. */
  confirm(lsn: Lsn): void {
    if (lsn <= this.#confirmed || this.#isClosed) return;
    this.#confirmed = lsn;
    const dueIn = this.#lastStatusAt + CONFIRM_DELAY_MS - this.#timers.now();
    if (dueIn <= 0) this.#sendStatus();
    else this.#confirmTimer ??= this.#timers.set(() => this.#sendStatus(), dueIn);
  }

  /** Stops reading the socket. What is left of the present read is still delivered. */
  pause(): void {
    this.#isPausedByCaller = true;
    this.#flow();
  }

  resume(): void {
    this.#isPausedByCaller = false;
    this.#lastBytesAt = this.#timers.now();
    this.#flow();
  }

  /** Confirms what is confirmed and ends the connection. `closed` resolves with null. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    if (this.#confirmed > this.#sentConfirmed) this.#sendStatus();
    this.#finish(null);
    await this.#session?.end();
  }

  async #start(): Promise<void> {
    const { url, slot } = this.#options;
    this.#session = await PgSession.connect({
      url,
      isReplication: true,
      reusesBuffer: true,
      applicationName: holderName(slot, this.#options.instance),
      onLost: (error) => this.#finish(error),
    });
    const taken = this.#session.takeOver(this.#command(), (b) => this.#read(b));
    this.#socket = taken.socket;
    this.#lastBytesAt = this.#timers.now();
    this.closed.then(
      (reason) => this.#started.reject(reason ?? closedEarly()),
      (error) => this.#started.reject(error),
    );
    await this.#started.promise;
    this.#sendStatus();
    this.#watch();
  }

  #command(): string {
    const { slot, after, publication, streaming } = this.#options;
    const names = quoteName(publication).replaceAll("'", "''");
    const options = `proto_version '2', publication_names '${names}', messages 'true', streaming '${streaming === false ? 'off' : 'on'}'`;
    return `START_REPLICATION SLOT ${quoteName(slot)} LOGICAL ${formatLsn(after)} (${options})`;
  }

  #read(bytes: Buffer): void {
    if (this.#isClosed) return;
    this.#lastBytesAt = this.#timers.now();
    this.#isAsked = false;
    try {
      this.#afterCut(this.#splitter.push(bytes));
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (this.#pacer.wantsPause(bytes.length, () => this.#flow())) this.#flow();
  }

  /** Waits for the handler where it asks for it, and tells it when the read is used up. */
  #afterCut(waiting: Promise<void> | undefined): void {
    if (waiting === undefined) {
      this.#handler.endOfRead();
      return;
    }
    this.#isWaiting = true;
    this.#flow();
    waiting.then(() => this.#goOn()).catch((error: unknown) => this.#fail(error));
  }

  #goOn(): void {
    if (this.#isClosed) return;
    this.#isWaiting = false;
    this.#lastBytesAt = this.#timers.now(); // while nobody read, there was nothing to hear
    this.#afterCut(this.#splitter.resume());
    this.#flow();
  }

  #frame(type: number, b: Buffer, start: number, end: number): Promise<void> | undefined {
    if (this.#isClosed) return undefined;
    if (type === 100) {
      // d: CopyData
      if (end - start < KEEPALIVE_BYTES) throw notPgoutput('a frame cut short');
      if (b[start] === 119) {
        // w: WAL data behind 3 numbers of 8 bytes
        const lsn = lsnFromHalves(b.readUInt32BE(start + 1), b.readUInt32BE(start + 5));
        if (lsn > this.#received) this.#received = lsn;
        return this.#decoder.message(b, start + WAL_HEADER_BYTES, end);
      }
      if (b[start] === 107) this.#keepalive(b, start);
      return undefined;
    }
    this.#control(type, b, start, end);
    return undefined;
  }

  #keepalive(b: Buffer, start: number): void {
    const walEnd = lsnFromHalves(b.readUInt32BE(start + 1), b.readUInt32BE(start + 5));
    if (walEnd > this.#received) this.#received = walEnd;
    // Between the changes of a transaction the position lies before its commit and promises nothing new.
    if (this.#decoder.isBetween) this.#handler.keepalive(walEnd);
    if (b[start + 17] === 1) this.#sendStatus();
  }

  #control(type: number, b: Buffer, start: number, end: number): void {
    switch (type) {
      case 87: // W: CopyBothResponse
        this.#started.resolve();
        return;
      case 69: // E
        this.#fail(this.#translate(parseServerError(b, start, end)));
        return;
      case 78: {
        // N: since version 18 a missing publication is only a warning, and changes are left out
        const warning = parseServerError(b, start, end);
        if (warning.routine === 'LoadPublications') this.#fail(this.#translate(warning));
        return;
      }
      case 99: // c: CopyDone
        this.#fail(down('Postgres ended the stream'));
        return;
      default:
    }
  }

  #translate(error: ServerError): TidelockError {
    return streamError(error, {
      slot: this.#options.slot,
      publication: this.#options.publication,
      where: this.#session?.where ?? '',
    });
  }

  /** One timer serves the regular status and the search for signs of life. */
  #watch(): void {
    if (this.#isClosed) return;
    const now = this.#timers.now();
    const silenceMs = this.#isReading ? now - this.#lastBytesAt : 0;
    if (silenceMs >= this.#silenceMsMax) {
      this.#fail(down(`no sign of life for ${Math.round(silenceMs / 1000)} s`));
      return;
    }
    if (silenceMs >= this.#silenceMsMax / 2 && !this.#isAsked) {
      this.#isAsked = true;
      this.#sendStatus({ wantsReply: true });
    } else if (now - this.#lastStatusAt >= STATUS_MS) this.#sendStatus();
    const statusIn = Math.min(this.#lastStatusAt + STATUS_MS - now, this.#silenceMsMax / 4);
    this.#timer = this.#timers.set(() => this.#watch(), Math.max(1, statusIn));
  }

  #sendStatus(wish: { readonly wantsReply: boolean } = { wantsReply: false }): void {
    if (this.#confirmTimer !== null) this.#timers.clear(this.#confirmTimer);
    this.#confirmTimer = null;
    if (this.#isClosed || this.#socket?.writable !== true) return;
    this.#lastStatusAt = this.#timers.now();
    this.#sentConfirmed = this.#confirmed;
    const received = Math.max(this.#received, this.#confirmed) as Lsn;
    this.#socket.write(standbyStatus({ received, confirmed: this.#confirmed, ...wish }));
  }

  get #isReading(): boolean {
    return !this.#isPausedByCaller && !this.#isWaiting;
  }

  #flow(): void {
    if (this.#isClosed || this.#socket === null) return;
    if (this.#isReading && !this.#pacer.isPausing) this.#socket.resume();
    else this.#socket.pause();
  }

  #fail(error: unknown): void {
    if (error instanceof TidelockError) this.#finish(error);
    else {
      this.#settle.reject(error);
      this.#finish(null);
    }
    this.#session?.destroy();
  }

  #finish(reason: TidelockError | null): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const timer of [this.#timer, this.#confirmTimer]) {
      if (timer !== null) this.#timers.clear(timer);
    }
    this.#pacer.close();
    this.#settle.resolve(reason);
    this.#socket?.resume(); // what still comes is dropped, so that the end is seen
  }
}

function down(why: string): TidelockError {
  return new TidelockError({
    code: 'SOURCE_DOWN',
    message: `the replication connection is of no use: ${why}`,
    hint: 'it is made again by itself; look into the log of Postgres when this repeats',
  });
}

function closedEarly(): TidelockError {
  return down('it was closed before the stream ran');
}
