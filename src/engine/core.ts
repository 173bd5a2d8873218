/**
 * The loop around the coordinator: takes an event, calls `step`, performs the effects in order.
 * Everything that decides is in coordinator/; everything here acts.
 */

import { step as coordinatorStep } from '../coordinator/coordinator.ts';
import { type CoordinatorState, createCoordinator } from '../coordinator/state.ts';
import type { CoordinatorEffect, CoordinatorEvent, Policy } from '../coordinator/types.ts';
import { unreachable } from '../core/assert.ts';
import { hasCode, messageOf, TidelockError } from '../core/errors.ts';
import { LSN_ZERO, type Lsn, type Ts } from '../core/lsn.ts';
import type { TableDef } from '../core/table.ts';
import type { MergeLimits } from '../log/merge.ts';
import type { LogIdentity, LogStore } from '../log/port.ts';
import type { FeedRequest } from './api.ts';
import type { Clock, TimerHandle } from './clock.ts';
import type { EngineCrashHook } from './crash-points.ts';
import type { DigestMarkers } from './digest-markers.ts';
import type { LogTask } from './ingest.ts';
import { LeaseBook } from './lease-book.ts';
import { logAtOpen, timelineOf } from './log-at-open.ts';
import { LogFeed } from './log-feed.ts';
import { LogMerger } from './log-merger.ts';
import { LogTail } from './log-tail.ts';
import { LogTeller } from './log-teller.ts';
import { LogWriter, priceOf } from './log-writer.ts';
import { endError, rejection, stopping, waitError } from './reader-errors.ts';

/** What the core asks of the source; engine/source-driver.ts does it on a real Postgres. */
export interface SourcePort {
  connect(): void;
  startHistory(generation: number, reason: string): void;
  startStream(after: Ts): void;
  noteWalTimeline(walTimeline: number): void;
  confirm(lsn: Lsn): void;
  /** The next connection is not paused any more. */
  pause(): void;
  resume(): void;
  /** Makes the source say where it is, soon: somebody waits for this position. */
  nudge(ts: Ts): void;
}

export type CoreOptions = {
  readonly log: LogStore;
  readonly policy: Policy;
  readonly clock: Clock;
  readonly tailBytesMax: number;
  /** When old groups are merged. */
  readonly merge?: MergeLimits | undefined;
  /** For tests: called at named places, where the process may be killed. */
  readonly crashPoint?: EngineCrashHook | undefined;
  /** What an operator wants to know. */
  readonly onNotice?: ((notice: string) => void) | undefined;
  /** For tests: a coordinator with a bug in the place of ours. */
  readonly step?: typeof coordinatorStep | undefined;
  readonly onAppended?: (() => void) | undefined;
};

type Wait = { resolve: (upper: Ts) => void; reject: (error: TidelockError) => void };

export class EngineCore {
  readonly tail: LogTail;
  readonly clock: Clock;
  readonly crashPoint: EngineCrashHook;
  readonly #writer: LogWriter;
  readonly #merger: LogMerger;
  readonly #leases: LeaseBook;
  readonly #state: CoordinatorState;
  readonly #feeds = new Map<number, LogFeed>();
  readonly #waits = new Map<number, Wait>();
  readonly #rejected = new Map<number, TidelockError['code']>();
  readonly #events: CoordinatorEvent[] = [];
  #source: SourcePort | null = null;
  #isStepping = false;
  #timer: TimerHandle | null = null;
  #nextId = 1;
  #deliveredUpTo: Lsn = LSN_ZERO;
  #toNote: Lsn | null = null;
  #lastCommitLagS: number | null = null;
  #isWriteDue = false;
  readonly #teller: LogTeller;
  readonly #step: typeof coordinatorStep;
  readonly #onAppended: (() => void) | undefined;
  #isStopped = false;

  constructor(options: CoreOptions) {
    const { log } = options;
    this.clock = options.clock;
    this.tail = new LogTail(log, options.tailBytesMax);
    this.crashPoint = options.crashPoint ?? (() => undefined);
    this.#onAppended = options.onAppended;
    this.#step = options.step ?? coordinatorStep;
    this.#teller = new LogTeller(options.onNotice ?? (() => undefined));
    this.#writer = new LogWriter(this.tail, this.crashPoint);
    this.#merger = new LogMerger({
      ...{ tail: this.tail, clock: this.clock, limits: options.merge, crashPoint: this.crashPoint },
      onMerged: (firstSeq, { seq, ...head }) =>
        this.dispatch({ kind: 'groupsMerged', firstSeq, seq, sizeBytes: priceOf(head) }),
    });
    this.#leases = new LeaseBook(log, options.clock);
    this.#state = createCoordinator({ policy: options.policy, log: logAtOpen(log) });
  }

  start(source: SourcePort): void {
    this.#source = source;
    const leases = this.#leases.load();
    this.dispatch({ kind: 'leasesLoaded', now: this.clock.now(), leases });
    this.dispatch({ kind: 'start', now: this.clock.now() });
    this.#merger.start();
  }

  /** Transactions appended since the start. */
  get transactions(): number {
    return this.#writer.transactions;
  }

  get isFlooded(): boolean {
    return this.#writer.isFlooded;
  }

  /** Seconds from the last transaction's commit in Postgres to its append here; null before the first. */
  get lastCommitLagS(): number | null {
    return this.#lastCommitLagS;
  }

  /** The coordinator's state, as a view shows it. */
  look<T>(view: (state: CoordinatorState) => T): T {
    return view(this.#state);
  }

  dispatch(event: CoordinatorEvent): void {
    this.#events.push(event);
    if (this.#isStepping) return;
    this.#isStepping = true;
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
        for (const effect of this.#step(this.#state, next)) this.#perform(effect);
      }
    } finally {
      this.#isStepping = false;
    }
    this.#teller.tell(this.#state.log);
  }

  /**
   * What a socket read of the source completed. All reads that are ready in one turn of the event loop are
   * written by one append with one fsync: groups grow with the backlog, and nothing waits on an idle line.
   */
  received(tasks: readonly LogTask[], deliveredUpTo: Lsn): void {
    this.crashPoint('decoded');
    this.#writer.add(tasks);
    this.#deliveredUpTo = deliveredUpTo;
    if (this.#isWriteDue) return;
    this.#isWriteDue = true;
    this.clock.soon(() => {
      this.#isWriteDue = false;
      if (!this.#isStopped) this.#writeLog();
    });
  }

  /** Starts a new, empty history: the slot of this identity has just been created. */
  reset(identity: LogIdentity, tables: readonly TableDef[]): void {
    this.#writer.clear();
    this.#leases.clear();
    this.#toNote = null;
    this.#deliveredUpTo = identity.startTs;
    this.tail.store.reset(identity, tables);
    this.tail.rebuild();
    this.crashPoint('afterReset');
    this.dispatch({
      kind: 'historyStarted',
      now: this.clock.now(),
      timeline: timelineOf(this.tail.store) ?? '',
      startTs: identity.startTs,
    });
  }

  /**
   * The stream ended: what was not written, and transactions that were still open, will be delivered again
   * from their start. Call before `sourceLost` is reported.
   */
  forgetUnwritten(openXids: readonly number[]): void {
    const xids = new Set([...openXids, ...this.#writer.clear()]);
    this.#toNote = null;
    this.#deliveredUpTo = this.tail.store.upper;
    for (const xid of xids) this.#discard(xid);
  }

  /** Pieces that stay because the disk is full are swept at the next start. */
  #discard(xid: number): void {
    try {
      this.tail.store.discard(xid);
    } catch (error) {
      if (!hasCode(error, 'LOG_WRITE_FAILED')) throw error;
    }
  }

  /** Throws `TOO_OLD`, `TIMELINE_CHANGED`, `NOT_READY`, `BUSY`. */
  openFeed(request: FeedRequest, head: () => Uint8Array, markers?: DigestMarkers): LogFeed {
    // Every position that was ever told is durable: one that is ahead is not of this history.
    if (request.since > this.tail.store.upper && this.tail.store.identity !== null) {
      throw endError('TIMELINE_CHANGED');
    }
    const id = this.#nextId++;
    const feed = new LogFeed({
      tail: this.tail,
      selectors: request.selectors,
      since: request.since,
      head,
      nowMicros: () => this.clock.wallMicros(),
      crashPoint: this.crashPoint,
      onCaughtUp: (ts) => this.dispatch({ kind: 'caughtUp', id, ts }),
      onAdvanced: (ts) => this.dispatch({ kind: 'advanced', id, ts }),
      onClose: () => this.#closeFeed(id),
      markers: request.wantsDigests ? markers : undefined,
    });
    this.#feeds.set(id, feed);
    const { selectors, since, timeline, replica } = request;
    const now = this.clock.now();
    this.dispatch({ kind: 'subscribe', now, id, selectors, since, timeline, replica });
    const code = this.#rejected.get(id);
    if (code === undefined) return feed;
    this.#rejected.delete(id);
    this.#feeds.delete(id);
    const { store } = this.tail;
    throw rejection(code, { request, since: store.since, timeline: timelineOf(store) });
  }

  waitFor(ts: Ts, timeoutMs: number, signal: AbortSignal): Promise<Ts> {
    if (this.tail.store.upper >= ts) return Promise.resolve(this.tail.store.upper);
    // Nobody would end this wait any more, and with it whatever its caller holds open.
    if (this.#isStopped) return Promise.reject(stopping());
    if (signal.aborted) return Promise.reject(signal.reason);
    const id = this.#nextId++;
    const now = this.clock.now();
    return new Promise<Ts>((resolve, reject) => {
      this.#waits.set(id, { resolve, reject });
      signal.addEventListener('abort', () => this.#abortWait(id, signal.reason), { once: true });
      this.dispatch({ kind: 'wait', now, id, ts, deadline: now + timeoutMs });
      this.#source?.nudge(ts);
    });
  }

  /** Keeps the log from `ts` on until the returned function is called. */
  hold(name: string, ts: Ts): () => void {
    const hold = `${name}-${this.#nextId++}`;
    this.dispatch({ kind: 'hold', now: this.clock.now(), hold, ts });
    return () => this.dispatch({ kind: 'release', now: this.clock.now(), hold });
  }

  /** Ends everything that waits. */
  stop(): void {
    this.dispatch({ kind: 'drain', now: this.clock.now() });
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#merger.stop();
    const error = stopping();
    for (const feed of [...this.#feeds.values()]) feed.end(error);
    for (const wait of this.#waits.values()) wait.reject(error);
    this.#waits.clear();
    this.#leases.close();
  }

  /** Writes what is waiting, then the position to note, and reports. Safe to call again after a failure. */
  #writeLog(): void {
    const { appended, failure, isNews } = this.#writer.write();
    const now = this.clock.now();
    if (appended.length > 0) {
      this.#lastCommitLagS = (this.clock.wallMicros() - this.#writer.lastCommitMicros) / 1e6;
    }
    if (isNews) this.dispatch({ kind: 'appended', now, groups: appended });
    if (appended.length > 0) this.#onAppended?.();
    if (failure !== null) {
      this.dispatch({ kind: 'appendFailed', now, reason: failure });
      return;
    }
    if (this.#toNote !== null) this.#noteUpper(this.#toNote);
    if (this.#deliveredUpTo > this.tail.store.upper) {
      this.dispatch({ kind: 'keepalive', now, lsn: this.#deliveredUpTo });
    }
  }

  #noteUpper(lsn: Lsn): void {
    const now = this.clock.now();
    this.crashPoint('beforeNoteUpper');
    try {
      if (lsn > this.tail.store.upper) this.tail.store.noteUpper(lsn);
    } catch (error) {
      if (!hasCode(error, 'LOG_WRITE_FAILED')) throw error;
      this.dispatch({ kind: 'appendFailed', now, reason: messageOf(error) });
      return;
    }
    this.#toNote = null;
    this.crashPoint('afterNoteUpper');
    this.dispatch({ kind: 'upperNoted', now, lsn });
  }

  #perform(effect: CoordinatorEffect): void {
    const source = this.#source;
    switch (effect.kind) {
      case 'connectSource':
        source?.connect();
        return;
      case 'startHistory':
        source?.startHistory(effect.generation, effect.reason);
        return;
      case 'startStream':
        source?.startStream(effect.after);
        return;
      case 'noteWalTimeline':
        source?.noteWalTimeline(effect.walTimeline);
        return;
      case 'confirmSlot':
        source?.confirm(effect.lsn);
        return;
      case 'noteUpper':
        this.#toNote = effect.lsn;
        this.#writeLog();
        return;
      case 'pauseSource':
        source?.pause();
        return;
      case 'resumeSource':
        source?.resume();
        return;
      case 'retryAppend':
        this.#writeLog();
        return;
      default:
        this.#performForReaders(effect);
    }
  }

  #performForReaders(effect: ReaderEffect): void {
    switch (effect.kind) {
      case 'acceptSubscriber':
        return;
      case 'rejectSubscriber':
        this.#rejected.set(effect.id, effect.code);
        return;
      case 'wake':
        for (const id of effect.ids) this.#feeds.get(id)?.wake(effect.after);
        return;
      case 'endSubscribers':
        for (const id of effect.ids) this.#feeds.get(id)?.end(endError(effect.code));
        return;
      case 'finishWait':
        this.#finishWait(effect.id, effect.outcome);
        return;
      case 'purge':
        this.crashPoint('beforePurge');
        this.tail.purge(effect.seq);
        this.crashPoint('afterPurge');
        return;
      case 'storeLeases':
        this.#leases.add(effect);
        return;
      case 'setTimer':
        this.#setTimer(effect.at);
        return;
      default:
        unreachable(effect);
    }
  }

  #setTimer(at: number): void {
    this.#timer?.cancel();
    this.#timer = this.clock.after(at - this.clock.now(), () =>
      this.dispatch({ kind: 'tick', now: this.clock.now() }),
    );
  }

  #closeFeed(id: number): void {
    if (this.#feeds.delete(id)) this.dispatch({ kind: 'unsubscribe', now: this.clock.now(), id });
  }

  #finishWait(id: number, outcome: 'reached' | 'timeout' | 'ended' | 'busy'): void {
    const wait = this.#waits.get(id);
    this.#waits.delete(id);
    if (outcome === 'reached') wait?.resolve(this.tail.store.upper);
    else wait?.reject(waitError(outcome, { ...this.#state, upper: this.tail.store.upper }));
  }

  #abortWait(id: number, reason: unknown): void {
    const wait = this.#waits.get(id);
    if (wait === undefined) return;
    this.#waits.delete(id);
    this.dispatch({ kind: 'endWait', id });
    wait.reject(
      new TidelockError({ code: 'TIMEOUT', message: 'the wait was given up', cause: reason }),
    );
  }
}

type ReaderEffect = Extract<CoordinatorEffect, { readonly kind: ReaderEffectKind }>;
type ReaderEffectKind =
  | `${'accept' | 'reject'}Subscriber`
  | ('wake' | 'endSubscribers' | 'finishWait')
  | ('purge' | 'storeLeases' | 'setTimer');
