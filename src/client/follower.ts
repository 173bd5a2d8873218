/**
 * Drives one replica: performs what machine.ts decides, with the storage, network, clock and chance it was
 * given. One activity (first copy, feed, difference snapshot) runs at a time; the next one starts when the
 * previous one has let go of the store.
 *
 * Order duty: the position is what the store committed. Nothing is announced (events, waits, leases) before
 * the commit that it speaks of.
 */
import { assert } from '../core/assert.ts';
import { messageOf, TidelockError } from '../core/errors.ts';
import { formatLsn, LSN_ZERO, type Ts } from '../core/lsn.ts';
import { type ActivityTools, copy, follow, HEARTBEAT_S, resyncBy } from './activities.ts';
import { type FeedApplier, type FeedNews, stalledTables } from './applier.ts';
import type { CrashHook } from './crash-points.ts';
import { describeDifferences } from './digest-history.ts';
import { closedError, internalError } from './errors.ts';
import type { ReplicaEvent } from './events.ts';
import { LeaseReporter } from './lease.ts';
import {
  type Activity,
  type FollowerEffect,
  type FollowerEvent,
  type FollowerState,
  INITIAL,
  isCaughtUp,
  step,
} from './machine.ts';
import { Nudge } from './nudge.ts';
import { staleness } from './resync.ts';
import type { ServerApi } from './server-api.ts';
import type { LocalWrites, ReplicaFiles, ReplicaIdentity, ReplicaStore } from './store.ts';
import type { Clock } from './transport.ts';
import { Waiters } from './waiters.ts';

export type FollowerOptions = {
  readonly api: ServerApi;
  readonly files: ReplicaFiles;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly newId: () => string;
  /** The server's address as it is written into the file. */
  readonly server: string;
  /** What to hold; null: what `session` says, and until it does what the file holds. */
  readonly selectors: readonly string[] | null;
  /** Asks the server, before every connection, which selectors this user may hold. */
  readonly session?: ((signal: AbortSignal) => Promise<readonly string[]>) | undefined;
  readonly onEvent: (event: ReplicaEvent) => void;
  /** Called after every commit that moved the position. */
  readonly onMoved?: (() => void) | undefined;
  readonly crashPoint?: CrashHook;
  readonly heartbeatS?: number;
  readonly leaseReportMs?: number;
  readonly openBytesMax?: number;
  /** A wait before the next try ends sooner: for tests. */
  readonly retryMsMax?: number;
  /** Compare what the file holds with the server before following, and fetch what differs. */
  readonly repair?: boolean;
};

/** The reason of an abort that the machine ordered. */
const ORDERED = Symbol('ordered');

export class Follower {
  readonly #options: FollowerOptions;
  readonly #waiters: Waiters;
  readonly #lease: LeaseReporter;
  readonly #nudge: Nudge;
  readonly #crashPoint: CrashHook;
  /** The id of a replica whose file does not exist yet. */
  readonly #newReplica: string;
  #machine = INITIAL;
  #selectors: readonly string[];
  #store: ReplicaStore | null = null;
  #lastIdentity: ReplicaIdentity | null = null;
  #applier: FeedApplier | null = null;
  #controller: AbortController | null = null;
  #running: Promise<void> = Promise.resolve();
  #cancelWait: (() => void) | null = null;
  #hasLock = false;
  readonly #ready = Promise.withResolvers<void>();

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#crashPoint = options.crashPoint ?? (() => {});
    this.#newReplica = options.newId();
    this.#selectors = options.selectors ?? [];
    this.#waiters = new Waiters(options.clock, LSN_ZERO);
    this.#lease = new LeaseReporter({
      clock: options.clock,
      delayMs: options.leaseReportMs,
      position: () => this.position,
      report: (position, signal) => this.#reportLease(position, signal),
    });
    this.#nudge = new Nudge({
      api: options.api,
      target: () => this.#waiters.target,
      identity: () => (isCaughtUp(this.state) ? this.identity : null),
      onMarker: (line) => this.#guarded(() => this.#applier?.take([line], 0)),
    });
    this.#ready.promise.catch(() => {}); // whoever waits gets it from `ready`
  }

  get state(): FollowerState {
    return this.#machine.state;
  }

  /** What the file says (after `close`: said last), or null before the first copy. */
  get identity(): ReplicaIdentity | null {
    return this.#store?.identity ?? this.#lastIdentity;
  }

  get position(): Ts {
    return this.identity?.position ?? LSN_ZERO;
  }

  /** Settles when the file can be read; rejects when the machine fails or is closed before. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Takes the file's lock and starts. Throws `REPLICA_IN_USE`, `REPLICA_UNFIT`. */
  start(): void {
    const { files, selectors, repair = false } = this.#options;
    files.lock();
    this.#hasLock = true;
    this.#adopt(files.open());
    const store = this.#store;
    this.#selectors = selectors ?? store?.identity.selectors ?? [];
    const asked = repair ? 'a repair was asked for' : null;
    const stale = store === null ? null : (asked ?? staleness(store, this.#selectors));
    this.#dispatch({ kind: 'start', hasFile: store !== null, stale });
  }

  /** The local writes in the file; null before the first copy, and when it was not opened for writing. */
  get local(): LocalWrites | null {
    return this.#store?.local ?? null;
  }

  /** What is held, or wanted before the first copy. */
  get selectors(): readonly string[] {
    return this.#selectors;
  }

  /** Orders a difference snapshot, if the feed is followed or about to be. */
  resyncFor(reason: string): void {
    this.#dispatch({ kind: 'resyncNeeded', reason, isMismatch: false });
  }

  /** Somebody has reason to believe that trying again helps: a pause ends. */
  retryNow(): void {
    if (this.state.kind !== 'waiting') return;
    this.#cancelWait?.();
    this.#dispatch({ kind: 'timer' });
  }

  /** Resolves when the position is at `ts` or past it, and no table waits for its rows. Rejects with `TIMEOUT`, or when closed or failed. */
  waitFor(ts: Ts, timeoutMs: number): Promise<void> {
    const { state } = this;
    if (state.kind === 'failed') return Promise.reject(new TidelockError(state.trouble));
    if (state.kind === 'closed') return Promise.reject(closedError());
    const waiting = this.#waiters.wait(ts, timeoutMs);
    this.#nudge.start();
    return waiting;
  }

  /** Stops, finishes nothing that is not committed, releases the file. Calling it again is harmless. */
  async close(): Promise<void> {
    this.#dispatch({ kind: 'close' });
    await this.#running;
    this.#lastIdentity = this.identity;
    this.#store?.close();
    this.#store = null;
    if (this.#hasLock) this.#options.files.close();
    this.#hasLock = false;
  }

  #dispatch(event: FollowerEvent): void {
    const before = this.#machine.state;
    const { follower, effects } = step(this.#machine, event);
    this.#machine = follower;
    for (const effect of effects) this.#perform(effect);
    if (follower.state !== before) this.#emit({ kind: 'state', state: follower.state });
    if (event.kind === 'caughtUp') this.#nudge.start();
  }

  #perform(effect: FollowerEffect): void {
    switch (effect.kind) {
      case 'abort':
        this.#controller?.abort(ORDERED);
        this.#controller = null;
        return;
      case 'run':
        this.#run(effect.activity, effect.reason);
        return;
      case 'wait':
        this.#cancelWait = this.#options.clock.after(
          Math.min(effect.delayMs, this.#options.retryMsMax ?? effect.delayMs),
          () => this.#dispatch({ kind: 'timer' }),
        );
        return;
      case 'cancelWait':
        this.#cancelWait?.();
        return;
      default:
        this.#settle();
    }
  }

  #settle(): void {
    const { state } = this.#machine;
    const error = state.kind === 'failed' ? new TidelockError(state.trouble) : closedError();
    this.#nudge.stop();
    this.#lease.stop();
    this.#waiters.end(error);
    this.#ready.reject(error);
  }

  #run(activity: Activity, reason: string): void {
    const controller = new AbortController();
    this.#controller = controller;
    const previous = this.#running;
    this.#running = previous.then(() => this.#attempt(activity, reason, controller));
  }

  /** Never rejects: what goes wrong is an event of the machine. */
  async #attempt(activity: Activity, reason: string, controller: AbortController): Promise<void> {
    const { signal } = controller;
    if (signal.aborted) return;
    try {
      if (await this.#isMoved(activity, signal)) return;
      if (activity === 'bootstrap') await this.#bootstrap(controller);
      else if (activity === 'resync') await this.#resync(reason, controller);
      else await this.#follow(controller);
    } catch (error) {
      if (signal.reason !== ORDERED) this.#trouble(signal.aborted ? signal.reason : error);
    }
  }

  /** Asks what this user may hold now. True when that is not what the file holds: a resync was ordered. */
  async #isMoved(activity: Activity, signal: AbortSignal): Promise<boolean> {
    const { session } = this.#options;
    if (session === undefined) return false;
    this.#selectors = await session(signal);
    if (activity !== 'feed') return false;
    const reason = staleness(this.#held(), this.#selectors);
    if (reason === null) return false;
    this.#dispatch({ kind: 'resyncNeeded', reason, isMismatch: false });
    return true;
  }

  async #bootstrap(controller: AbortController): Promise<void> {
    this.#adopt(await copy(this.#tools(), this.#newReplica, controller));
    this.#dispatch({ kind: 'copied' });
  }

  async #resync(reason: string, controller: AbortController): Promise<void> {
    const store = this.#held();
    const counts = await resyncBy(this.#tools(), store, controller);
    const { position, timeline } = store.identity;
    this.#emit({ kind: 'resync', reason, ts: formatLsn(position), timeline, ...counts });
    this.#tellWaiters();
    this.#options.onMoved?.();
    this.#dispatch({ kind: 'resynced' });
  }

  #follow(controller: AbortController): Promise<void> {
    const { openBytesMax, heartbeatS = HEARTBEAT_S } = this.#options;
    return follow(this.#tools(), {
      ...{ store: this.#held(), controller, heartbeatS, openBytesMax },
      onNews: (news) => this.#news(news),
      onApplier: (applier) => {
        this.#applier = applier;
      },
    });
  }

  #tools(): ActivityTools {
    const { api, files, clock, server } = this.#options;
    return {
      ...{ api, files, clock, server, selectors: this.#selectors, crashPoint: this.#crashPoint },
      emit: (event) => this.#emit(event),
    };
  }

  #news(news: FeedNews): void {
    switch (news.kind) {
      case 'hello':
        this.#dispatch({ kind: 'hello' });
        return;
      case 'applied': {
        const appliedAtMs = this.#options.clock.now();
        this.#emit({ ...news, ts: formatLsn(news.ts), appliedAtMs });
        this.#moved();
        return;
      }
      case 'marker':
        this.#moved();
        this.#dispatch({ kind: 'caughtUp' });
        return;
      case 'verified':
        this.#emit({ kind: 'verified', ts: formatLsn(news.ts) });
        this.#dispatch({ kind: 'verified' });
        return;
      case 'mismatch':
        this.#emit({ ...news, ts: formatLsn(news.ts) });
        this.#dispatch({
          ...{ kind: 'resyncNeeded', isMismatch: true },
          reason: describeDifferences(news.differences),
        });
        return;
      case 'resync':
        this.#dispatch({
          ...{ kind: 'resyncNeeded', isMismatch: false },
          reason: `${news.table}: ${news.reason}`,
        });
        return;
      default:
        this.#emit({
          kind: 'warning',
          message: `the server sent a line of type ${news.type}, which this version does not know`,
        });
    }
  }

  #moved(): void {
    this.#tellWaiters();
    this.#options.onMoved?.();
    this.#lease.moved();
    this.#dispatch({ kind: 'advanced' });
    if (isCaughtUp(this.state)) this.#nudge.start();
  }

  /** Who waits wants to see everything up to a position: not yet while a table stands still. */
  #tellWaiters(): void {
    if (stalledTables(this.#held()).length === 0) this.#waiters.moved(this.position);
  }

  #adopt(store: ReplicaStore | null): void {
    this.#store = store;
    if (store === null) return;
    this.#tellWaiters();
    this.#ready.resolve();
  }

  async #reportLease(position: Ts, signal: AbortSignal): Promise<void> {
    const { identity } = this;
    if (identity === null) return;
    this.#crashPoint('lease: before report');
    try {
      await this.#options.api.lease(identity.replica, position, signal);
    } catch (error) {
      this.#emit({ kind: 'warning', message: `lease report failed: ${messageOf(error)}` });
    }
  }

  /** Runs something that touches the store outside of an activity. */
  #guarded(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#trouble(error);
    }
  }

  #trouble(cause: unknown): void {
    const error = cause instanceof TidelockError ? cause : internalError(cause);
    this.#emit({ kind: 'error', error });
    const { code, message, hint } = error;
    const jitter = this.#options.random();
    this.#dispatch({ kind: 'trouble', trouble: { code, message, hint }, jitter });
  }

  /** A listener that throws is the owner's bug: it must surface, but not in the middle of our work. */
  #emit(event: ReplicaEvent): void {
    try {
      this.#options.onEvent(event);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  #held(): ReplicaStore {
    assert(this.#store !== null, 'a feed or a resync runs only when there is a file');
    return this.#store;
  }
}
