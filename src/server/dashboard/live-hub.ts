/**
 * Live views for many pages: one look at the engine per round for all of them, and to each page what changed since it
 * was last told. At most four rounds a second; fewer when a look is expensive, so that looking never takes more than
 * a twentieth of the time. Nobody watches: nothing runs. A look that fails ends the streams of its view with `event: error`,
 * not the server.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { TidelockError } from '../../core/errors.ts';
import { type JsonObject, patchOf } from '../../protocol/merge-patch.ts';
import type { Clock } from '../clock.ts';
import { errorEvent } from '../error-event.ts';

const ROUND_MS = 250;
/** A look that took `t` is followed by a rest of so many times `t`. */
const REST_TIMES = 20;
/** A comment line keeps proxies and readers sure that the stream lives. */
const BEAT_MS = 10_000;

export type HubOptions = {
  readonly clock: Clock;
  readonly stallMs: number;
  readonly watchersMax: number;
  /** A stream has ended with this. */
  readonly onError: (error: unknown) => void;
};

/** One kind of view: all its watchers see the same. */
export type LiveView = { readonly name: string; readonly look: () => JsonObject };

export type LiveGreeting = { readonly event: string; readonly data: unknown };

export type Watching = {
  readonly response: ServerResponse;
  readonly view: LiveView;
  /** Wall clock, milliseconds. */
  readonly expiresAtMs: number;
  /** Said once, behind the whole view, however long that is. */
  readonly greeting?: LiveGreeting | undefined;
};

type Watcher = Watching & {
  readonly socket: Socket | null;
  told: JsonObject;
  wroteAt: number;
  blockedAt: number | null;
};

/** What the watchers of one round share. */
type Round = {
  readonly start: number;
  readonly looks: Map<LiveView, JsonObject>;
  readonly patches: Map<JsonObject, JsonObject | null>;
};

export class LiveHub {
  readonly #options: HubOptions;
  readonly #watchers = new Set<Watcher>();
  readonly #sockets = new WeakSet<Socket>();
  #stopRounds: (() => void) | null = null;
  #restUntil = 0;
  /** Of the last round. */
  #looks: ReadonlyMap<LiveView, JsonObject> = new Map();

  constructor(options: HubOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#watchers.size;
  }

  /** True while the socket belongs to a stream: nothing else may be written to it. */
  carries(socket: Socket): boolean {
    return this.#sockets.has(socket);
  }

  /** Throws `BUSY` when there are too many already. Call before the response's header is written. */
  requireRoom(): void {
    if (this.#watchers.size < this.#options.watchersMax) return;
    throw new TidelockError({
      code: 'BUSY',
      message: `${this.#watchers.size} pages are watched already`,
      hint: 'close some of them',
    });
  }

  /**
   * Sends the whole view, then what changes, until the page goes, its token expires or it takes nothing for too long.
   * Returns the way to send events of another name to this watcher alone; while its socket is full they are left out.
   */
  watch(watching: Watching): (event: string, data: unknown) => void {
    const { response, view, greeting } = watching;
    const now = this.#options.clock.now();
    const { socket } = response;
    const watcher: Watcher = { ...watching, socket, told: {}, wroteAt: now, blockedAt: null };
    this.#watchers.add(watcher);
    if (socket !== null) this.#sockets.add(socket);
    response.once('close', () => this.#forget(watcher));
    try {
      watcher.told = this.#seen(view, now);
    } catch (error) {
      this.#fail(watcher, error);
      return () => undefined;
    }
    this.#write(watcher, 'state', watcher.told);
    if (greeting !== undefined) this.#write(watcher, greeting.event, greeting.data);
    this.#stopRounds ??= this.#options.clock.every(ROUND_MS, () => this.#round());
    return (event, data) => {
      if (!response.writableNeedDrain) this.#write(watcher, event, data);
    };
  }

  /** Ends all streams: the pages connect again. */
  close(): void {
    for (const watcher of [...this.#watchers]) this.#end(watcher);
  }

  /** While a look has to rest, those who come see what was seen last: a storm of them costs no looks. */
  #seen(view: LiveView, now: number): JsonObject {
    const last = now < this.#restUntil ? this.#looks.get(view) : undefined;
    return last ?? view.look();
  }

  #round(): void {
    const { clock } = this.#options;
    const start = clock.now();
    if (start < this.#restUntil) return;
    const round: Round = { start, looks: new Map(), patches: new Map() };
    for (const watcher of [...this.#watchers]) {
      try {
        if (!this.#isOver(watcher, start)) this.#tell(watcher, round);
      } catch (error) {
        this.#fail(watcher, error);
      }
    }
    this.#looks = round.looks;
    this.#restUntil = start + (clock.now() - start) * REST_TIMES;
  }

  #tell(watcher: Watcher, { start, looks, patches }: Round): void {
    const { view, told } = watcher;
    const now = looks.get(view) ?? view.look();
    looks.set(view, now);
    const patch = patches.has(told) ? patches.get(told) : patchOf(told, now);
    patches.set(told, patch ?? null);
    watcher.told = now;
    if (patch != null) this.#write(watcher, 'patch', patch);
    else if (start - watcher.wroteAt >= BEAT_MS) this.#beat(watcher);
  }

  #fail(watcher: Watcher, error: unknown): void {
    this.#options.onError(error);
    if (!watcher.response.destroyed) watcher.response.write(errorEvent(error));
    this.#end(watcher);
  }

  /** True for a watcher that gets nothing this time: its socket is full, or it is gone. */
  #isOver(watcher: Watcher, now: number): boolean {
    const { clock, stallMs } = this.#options;
    if (watcher.response.destroyed || clock.wallMs() >= watcher.expiresAtMs) {
      this.#end(watcher);
      return true;
    }
    if (!watcher.response.writableNeedDrain) {
      watcher.blockedAt = null;
      return false;
    }
    watcher.blockedAt ??= now;
    if (now - watcher.blockedAt >= stallMs) {
      this.#forget(watcher);
      watcher.response.destroy();
    }
    return true;
  }

  #write(watcher: Watcher, event: string, data: unknown): void {
    watcher.wroteAt = this.#options.clock.now();
    watcher.response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  #beat(watcher: Watcher): void {
    watcher.wroteAt = this.#options.clock.now();
    watcher.response.write(': still here\n\n');
  }

  #end(watcher: Watcher): void {
    this.#forget(watcher);
    watcher.response.end();
    watcher.socket?.destroySoon();
  }

  #forget(watcher: Watcher): void {
    this.#watchers.delete(watcher);
    if (this.#watchers.size > 0) return;
    this.#stopRounds?.();
    this.#stopRounds = null;
    this.#looks = new Map();
  }
}
