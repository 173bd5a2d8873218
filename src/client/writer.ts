/**
 * Two-way synchronisation of one replica: the follower brings Postgres down, the uploader takes local writes up.
 * Joins the two: the uploader waits while the base is replaced, and learns when it moved.
 */
import { assert } from '../core/assert.ts';
import { hasCode } from '../core/errors.ts';
import type { Ts } from '../core/lsn.ts';
import type { CrashHook } from './crash-points.ts';
import type { ReplicaEvent } from './events.ts';
import type { Follower } from './follower.ts';
import type { LocalRejection } from './store.ts';
import type { Clock } from './transport.ts';
import type { UploadApi } from './upload-api.ts';
import { Uploader } from './uploader.ts';

export type WriterOptions = {
  readonly follower: Follower;
  readonly api: UploadApi;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onEvent: (event: ReplicaEvent) => void;
  readonly crashPoint: CrashHook;
};

/** Row changes: accepted by Postgres, and refused by it. */
export type SendCounts = { readonly sent: number; readonly rejected: number };
/** Row changes that came from Postgres, one's own among them. */
export type CheckCounts = { readonly received: number };

export class Writer {
  readonly #options: WriterOptions;
  readonly #uploader: Uploader;
  #received = 0;
  /** Null while it is not known. */
  #user: string | null = null;

  constructor(options: WriterOptions) {
    const { follower, api, clock, random, onEvent, crashPoint } = options;
    this.#options = options;
    this.#uploader = new Uploader({
      ...{ api, clock, random, crashPoint },
      onEvent: (event) => {
        if (event.kind === 'sent') follower.retryNow(); // the server is back
        onEvent(event);
      },
      local: () => follower.local,
      user: () => this.#user ?? '',
      identify: async (signal) => {
        this.#user ??= (await api.session(signal)).user;
      },
      identity: () => follower.identity,
      resync: (reason) => follower.resyncFor(reason),
    });
  }

  /** Call before the follower starts. */
  start(): void {
    this.#uploader.start();
  }

  /** The server has told whose token it is; empty: nobody's. */
  isOf(user: string): void {
    this.#user = user;
  }

  /** Everything that the follower tells. */
  event(event: ReplicaEvent): void {
    if (event.kind === 'applied') this.#received += event.changes;
    if (event.kind === 'resync') {
      this.#received += event.inserted + event.updated + event.deleted;
    }
    if (event.kind !== 'state') return;
    const { state } = event;
    if (state.kind === 'resyncing' || state.kind === 'bootstrapping') this.#uploader.hold();
    const isFit = state.kind === 'connecting' && this.#uploader.state.kind === 'held';
    if (isFit || state.kind === 'live') this.#uploader.ready();
  }

  /** The base moved; what was found written on the way is sealed already. */
  moved(): void {
    this.#uploader.moved();
    this.written();
  }

  /** Somebody may have written into the file. */
  written(): void {
    this.#uploader.written();
  }

  /** Sends everything that was written until now. Rejects with the first trouble, and `TIMEOUT`. */
  async send(timeoutMs: number): Promise<SendCounts> {
    const before = this.#uploader.counts;
    await this.#uploader.settled({ isBase: false, timeoutMs });
    const { sent, rejected } = this.#uploader.counts;
    return { sent: sent - before.sent, rejected: rejected - before.rejected };
  }

  /** Fetches everything that is committed in Postgres now. Rejects with `TIMEOUT`, or what the server says. */
  async check(timeoutMs: number): Promise<CheckCounts> {
    const startedMs = this.#options.clock.now();
    const before = this.#received;
    const position = await this.#postgresPosition(timeoutMs);
    this.#options.follower.retryNow();
    await this.#reach(position, timeoutMs - (this.#options.clock.now() - startedMs));
    return { received: this.#received - before };
  }

  /** Sends, then fetches what is committed then: one's own writes and everybody else's. */
  async sync(timeoutMs: number): Promise<SendCounts & CheckCounts> {
    const startedMs = this.#options.clock.now();
    const before = this.#received;
    const sent = await this.send(timeoutMs);
    const leftMs = timeoutMs - (this.#options.clock.now() - startedMs);
    if (sent.sent === 0) return { ...sent, ...(await this.check(leftMs)) };
    await this.#reach(this.#uploader.position, leftMs);
    return { ...sent, received: this.#received - before };
  }

  /** Resolves when everything that was written until now is in the base (or was refused). */
  async included(timeoutMs: number): Promise<void> {
    const startedMs = this.#options.clock.now();
    await this.#uploader.settled({ isBase: false, timeoutMs });
    const leftMs = timeoutMs - (this.#options.clock.now() - startedMs);
    await this.#reach(this.#uploader.position, leftMs);
    await this.#uploader.settled({ isBase: true, timeoutMs: leftMs });
  }

  /** Local transactions without an outcome. */
  get pending(): number {
    const { local } = this.#options.follower;
    if (local === null) return 0;
    try {
      if (!local.isBlocked) local.seal();
    } catch {
      // Another program is in the middle of a write: what is numbered so far is counted.
    }
    return local.counts.pending;
  }

  rejections(): readonly LocalRejection[] {
    return this.#options.follower.local?.rejections() ?? [];
  }

  forgetRejections(upTo: number): void {
    this.#options.follower.local?.forgetRejections(upTo);
  }

  close(): Promise<void> {
    return this.#uploader.close();
  }

  #reach(position: Ts, timeoutMs: number): Promise<void> {
    return this.#options.follower.waitFor(position, Math.max(0, timeoutMs));
  }

  /** An upload without transactions is answered with where Postgres stands; a token may forbid even that. */
  async #postgresPosition(timeoutMs: number): Promise<Ts> {
    const { follower, api } = this.#options;
    const { identity, local } = follower;
    assert(identity !== null && local !== null, 'a replica that is open has a file');
    const { site, settled } = local;
    const { timeline, position } = identity;
    const signal = AbortSignal.timeout(Math.max(1, timeoutMs));
    try {
      const asked = { site, settled, timeline, position, lines: [] };
      return (await api.upload(asked, signal)).position;
    } catch (error) {
      if (hasCode(error, 'TOKEN_FORBIDS') || hasCode(error, 'SITE_TAKEN'))
        return api.logEnd(signal);
      throw error;
    }
  }
}
