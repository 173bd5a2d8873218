/**
 * Sends the local writes of a replica: performs what uploader-machine.ts decides, with the storage, network, clock
 * and chance it was given. One thing at a time.
 *
 * Order duty: a batch is sealed (numbered, durable) before it is sent, and its answer is stored before the next
 * batch is taken. So a kill anywhere leads to sending the same numbers again, which the server counts once.
 */
import { assert } from '../core/assert.ts';
import { TidelockError } from '../core/errors.ts';
import { formatLsn, LSN_ZERO, type Ts } from '../core/lsn.ts';
import type { CrashHook } from './crash-points.ts';
import { closedError, internalError, noAnswer, noProgress, tooManyWaits } from './errors.ts';
import type { ReplicaEvent } from './events.ts';
import type { LocalAnswer, LocalUpload, LocalWrites, ReplicaIdentity } from './store.ts';
import type { Clock } from './transport.ts';
import type { UploadApi, UploadRequest } from './upload-api.ts';
import {
  stepUploader,
  UPLOADER_INITIAL,
  type UploaderEffect,
  type UploaderEvent,
  type UploaderState,
} from './uploader-machine.ts';

/** Lines of one upload, before compression. */
const BATCH_BYTES_MAX = 4 * 1024 * 1024;
/** How long the server may take to answer; longer when there are so many changes that each may take a while. */
const ANSWER_MS_MAX = 120_000;
const CHANGE_MS_MAX = 2;
/** More waits than this at a time are refused: somebody forgot to wait for them. */
const WAITS_MAX = 10_000;

export type UploaderOptions = {
  readonly api: Pick<UploadApi, 'upload'>;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** The writes of the file; null while there is none. */
  readonly local: () => LocalWrites | null;
  /** Whose token it is; empty: nobody's, or not known. */
  readonly user: () => string;
  /** Asks the server: `user` is known then. Before the first upload of a file. */
  readonly identify: (signal: AbortSignal) => Promise<void>;
  readonly identity: () => ReplicaIdentity | null;
  /** Orders a difference snapshot; `hold` and `ready` follow, or only `ready`. */
  readonly resync: (reason: string) => void;
  readonly onEvent: (event: ReplicaEvent) => void;
  readonly crashPoint: CrashHook;
};

/** Row changes, since the uploader was made. */
export type UploadCounts = { readonly sent: number; readonly rejected: number };

type Wait = {
  /** Local transactions up to this number are waited for. */
  upTo: number;
  /** Also for their being in the base. */
  readonly isBase: boolean;
  readonly settle: (error: TidelockError | null) => void;
};

const ORDERED = Symbol('ordered');

export class Uploader {
  readonly #options: UploaderOptions;
  readonly #waits = new Set<Wait>();
  #machine = UPLOADER_INITIAL;
  #batch: LocalUpload | null = null;
  #batchBytesMax = BATCH_BYTES_MAX;
  #answer: LocalAnswer | null = null;
  #controller: AbortController | null = null;
  #sending: Promise<void> = Promise.resolve();
  #cancelWait: (() => void) | null = null;
  #sent = 0;
  #rejected = 0;
  #position: Ts = LSN_ZERO;
  #isToldIdle = false;

  constructor(options: UploaderOptions) {
    this.#options = options;
  }

  get state(): UploaderState {
    return this.#machine.state;
  }

  get counts(): UploadCounts {
    return { sent: this.#sent, rejected: this.#rejected };
  }

  /** Where Postgres stood after the last batch: what was sent is in every base from here on. */
  get position(): Ts {
    return this.#position;
  }

  start(): void {
    this.#dispatch({ kind: 'start' });
  }

  /** The base is there and whole; called again whenever the server is back. */
  ready(): void {
    this.#dispatch({ kind: 'ready' });
  }

  /** The base is being replaced: nothing is sealed before `ready`. */
  hold(): void {
    this.#dispatch({ kind: 'hold' });
  }

  /** Somebody may have written into the file. */
  written(): void {
    this.#dispatch({ kind: 'written' });
  }

  /** The base moved on. */
  moved(): void {
    this.#wake();
  }

  /**
   * Resolves when everything that was written until now has its outcome (`isBase`: and the base has it).
   * Rejects with the first trouble but `BUSY` (it is tried again all the same), `TIMEOUT`, or when closed.
   */
  settled(options: { readonly isBase: boolean; readonly timeoutMs: number }): Promise<void> {
    if (this.state.kind === 'closed') return Promise.reject(closedError());
    if (this.#waits.size >= WAITS_MAX) return Promise.reject(tooManyWaits(WAITS_MAX));
    return new Promise((resolve, reject) => {
      const { timeoutMs, isBase } = options;
      const cancel = this.#options.clock.after(timeoutMs, () => wait.settle(this.#late(timeoutMs)));
      const wait: Wait = {
        ...{ isBase, upTo: 0 },
        settle: (error) => {
          cancel();
          this.#waits.delete(wait);
          if (error === null) resolve();
          else reject(error);
        },
      };
      this.#add(wait);
    });
  }

  /** Stops; what is not sent stays in the file. */
  async close(): Promise<void> {
    this.#dispatch({ kind: 'close' });
    this.#fail(closedError());
    await this.#sending;
  }

  #add(wait: Wait): void {
    try {
      const { state } = this;
      // While the base is being replaced nothing can be numbered: the end of that counts for this wait too.
      wait.upTo = state.kind === 'held' ? Number.POSITIVE_INFINITY : this.#sealedUpTo();
    } catch (error) {
      wait.settle(translated(error));
      return;
    }
    this.#waits.add(wait);
    this.#dispatch({ kind: 'asked' });
    this.#wake();
  }

  #sealedUpTo(): number {
    const local = this.#local();
    local.seal();
    return local.last;
  }

  #dispatch(event: UploaderEvent): void {
    const before = this.#machine.state;
    const { uploader, effects } = stepUploader(this.#machine, event);
    this.#machine = uploader;
    this.#perform(effects);
    const { state } = this.#machine;
    if (state === before || state !== uploader.state) return; // an effect has said more already
    // A server that says itself that it will do it later is waited for, as long as each wait allows.
    const isLater = state.kind === 'waiting' && state.trouble.code === 'BUSY';
    if (state.kind === 'waiting' && !isLater) this.#fail(new TidelockError(state.trouble));
    if (state.kind === 'waiting' || state.kind === 'idle') this.#tell(state);
  }

  /** Stops at the first effect that throws: its trouble decides what comes next. */
  #perform(effects: readonly UploaderEffect[]): void {
    for (const effect of effects) {
      const { state } = this.#machine;
      try {
        this.#act(effect);
      } catch (error) {
        this.#trouble(error);
        return;
      }
      if (this.#machine.state !== state) return;
    }
  }

  #act(effect: UploaderEffect): void {
    switch (effect.kind) {
      case 'seal':
        this.#seal();
        return;
      case 'send':
        this.#send();
        return;
      case 'settle':
        this.#settle();
        return;
      case 'newSite':
        this.#newSite();
        return;
      case 'shrink':
        this.#shrink(effect.reason);
        return;
      case 'resync':
        this.#options.resync(effect.reason);
        return;
      case 'abort':
        this.#controller?.abort(ORDERED);
        this.#controller = null;
        return;
      case 'wait':
        this.#cancelWait = this.#options.clock.after(effect.delayMs, () =>
          this.#dispatch({ kind: 'timer' }),
        );
        return;
      default:
        this.#cancelWait?.();
    }
  }

  #seal(): void {
    const local = this.#local();
    this.#options.crashPoint('upload: before seal');
    local.seal();
    this.#claim(local);
    for (const message of local.cautions()) this.#options.onEvent({ kind: 'warning', message });
    this.#options.crashPoint('upload: after seal');
    for (const wait of this.#waits) wait.upTo = Math.min(wait.upTo, local.last);
    this.#batch = local.nextUpload(local.settled, this.#batchBytesMax);
    this.#wake();
    this.#dispatch({ kind: 'sealed', hasBatch: this.#batch !== null });
  }

  #send(): void {
    const controller = new AbortController();
    this.#controller = controller;
    const previous = this.#sending;
    this.#sending = previous.then(() => this.#attempt(controller));
  }

  /** Never rejects: what goes wrong is an event of the machine. */
  async #attempt(controller: AbortController): Promise<void> {
    const { signal } = controller;
    const batch = this.#batch;
    if (signal.aborted || batch === null) return;
    const { clock, api, crashPoint } = this.#options;
    const answerMs = Math.max(ANSWER_MS_MAX, batch.changes * CHANGE_MS_MAX);
    const cancel = clock.after(answerMs, () => controller.abort(noAnswer(answerMs)));
    try {
      await this.#identify(signal);
      crashPoint('upload: before send');
      const answer = await api.upload(this.#request(batch), signal);
      if (signal.aborted) return;
      if (answer.accepted < batch.first) throw noProgress(answer.accepted, batch.first);
      crashPoint('upload: answered');
      this.#answer = answer;
      this.#dispatch({ kind: 'answered' });
    } catch (error) {
      if (signal.reason !== ORDERED) this.#trouble(signal.aborted ? signal.reason : error);
    } finally {
      cancel();
    }
  }

  /** Nothing is sent before the file knows whose it is. */
  async #identify(signal: AbortSignal): Promise<void> {
    const local = this.#local();
    if (local.user !== null) return;
    await this.#options.identify(signal);
    this.#claim(local);
  }

  #claim(local: LocalWrites): void {
    const user = this.#options.user();
    if (user !== '' && !local.isBlocked) local.claim(user);
  }

  #request(batch: LocalUpload): UploadRequest {
    const identity = this.#options.identity();
    assert(identity !== null, 'who has local writes has a file');
    const { site, settled, user } = this.#local();
    const { timeline, position } = identity;
    return {
      site,
      settled,
      user: user ?? undefined,
      timeline,
      position,
      lines: batch.lines,
      rest: batch.rest,
    };
  }

  #settle(): void {
    const answer = this.#answer;
    const batch = this.#batch;
    assert(answer !== null && batch !== null, 'an answer is stored once, after it came');
    const local = this.#local();
    const rejections = local.settle(answer);
    this.#options.crashPoint('upload: after settle');
    this.#answer = null;
    this.#batch = null;
    const changes = batch.changes - rejections.length;
    this.#sent += changes;
    this.#rejected += rejections.length;
    if (answer.position > this.#position) this.#position = answer.position;
    const position = formatLsn(answer.position);
    for (const rejection of rejections) this.#options.onEvent({ kind: 'rejected', rejection });
    const { transactions } = batch;
    const { pending } = local.counts;
    this.#options.onEvent({ kind: 'sent', transactions, changes, position, pending });
    this.#isToldIdle = false;
    this.#wake();
  }

  #newSite(): void {
    const local = this.#local();
    local.renewSite();
    // Everything that waits is numbered anew, and nothing that was written later is numbered yet.
    for (const wait of this.#waits) wait.upTo = local.last;
  }

  #shrink(reason: string): void {
    const batch = this.#batch;
    assert(batch !== null, 'only what was sent can be too large');
    if (batch.transactions > 1) {
      this.#batchBytesMax = Math.floor(this.#batchBytesMax / 2); // at last one transaction alone
      return;
    }
    const message = `the server does not take so large a transaction (${batch.changes} row changes): ${reason}`;
    this.#local().park(batch.first, { code: 'TOO_LARGE', message });
  }

  #local(): LocalWrites {
    const local = this.#options.local();
    if (local !== null) return local;
    throw new TidelockError({
      code: 'NOT_READY',
      message: 'the replica has no file yet',
      hint: 'wait for the first copy',
    });
  }

  #wake(): void {
    if (this.#waits.size === 0) return;
    const local = this.#options.local();
    if (local === null) return;
    const { settled, included } = local;
    for (const wait of [...this.#waits]) {
      if (wait.upTo <= (wait.isBase ? included : settled)) wait.settle(null);
    }
  }

  #fail(error: TidelockError): void {
    for (const wait of [...this.#waits]) wait.settle(error);
  }

  #trouble(cause: unknown): void {
    const { code, message, hint } = translated(cause);
    const jitter = this.#options.random();
    this.#dispatch({ kind: 'trouble', trouble: { code, message, hint }, jitter });
  }

  /** Looks that find nothing are no news. */
  #tell(state: UploaderState & { kind: 'waiting' | 'idle' }): void {
    if (state.kind === 'idle' && this.#isToldIdle) return;
    this.#isToldIdle = state.kind === 'idle';
    const pending = this.#options.local()?.counts.pending ?? 0;
    this.#options.onEvent({ kind: 'upload', state, pending });
  }

  #late(timeoutMs: number): TidelockError {
    const { state } = this;
    const why = state.kind === 'waiting' ? `; the last trouble was ${state.trouble.code}` : '';
    return new TidelockError({
      code: 'TIMEOUT',
      message: `the local writes had no outcome within ${timeoutMs} ms${why}`,
      hint: 'they stay in the file and are sent when the server can be reached',
    });
  }
}

function translated(error: unknown): TidelockError {
  return error instanceof TidelockError ? error : internalError(error);
}
