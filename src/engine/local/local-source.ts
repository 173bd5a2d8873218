/**
 * The life of a source that is no Postgres but content of this process: asked for a history it begins one, and while it
 * streams it tells what is new, looking once for any number of wakes. Every start begins a new history, at which
 * replicas compare digests and fetch what differs.
 *
 *   idle --startHistory--> beginning --content has its rows--> begun --startStream--> streaming --lost, close--> idle
 */
import { messageOf, type TidelockError } from '../../core/errors.ts';
import { LSN_ZERO, type Lsn, type Ts } from '../../core/lsn.ts';
import type { TableDef } from '../../core/table.ts';
import type { EngineCore, SourcePort } from '../core.ts';
import type { RowTransaction } from '../exact-snapshot.ts';
import type { LogTask } from '../ingest.ts';
import type { EngineDriver } from '../live-engine.ts';

/** What is told of. All is called on the thread of the engine, never one within another. */
export type LocalContent = {
  readonly tables: readonly TableDef[];
  /** Changes of rows that this process told. */
  readonly changes: number;
  /** False: a history that was streamed is not gone on with yet. */
  readonly isReady: boolean;
  /** Forgets what was told. The position whose rows are what a history begins with; null: they are not there yet. */
  begin(): Ts | null;
  /** What is new behind a position, and up to where that is all; null: nothing. */
  tell(after: Ts): { readonly tasks: readonly LogTask[]; readonly upper: Ts } | null;
  /** Somebody waits for a position that the content may come to only when it asks others. */
  reach?(ts: Ts): void;
  /** The rows of this moment and their position. */
  openRows(): LocalRows;
  close(): void;
};

export type LocalRows = Pick<RowTransaction, 'rows'> & {
  readonly position: Ts;
  close(): void;
};

export class LocalSource implements SourcePort, EngineDriver {
  readonly firstContact: Promise<TidelockError | null> = Promise.resolve(null);
  readonly retainedWalBytes = null;
  readonly lagBytes = null;
  readonly #core: EngineCore;
  readonly #name: string;
  readonly #content: LocalContent;
  /** The history to be started. */
  #generation: number | null = null;
  #isStreaming = false;
  #isPaused = false;
  #isDue = false;
  #isClosed = false;
  #position: Ts = LSN_ZERO;

  /** The name stands for the cluster: positions of sources with other names are not of one log. */
  constructor(core: EngineCore, name: string, content: LocalContent) {
    this.#core = core;
    this.#name = name;
    this.#content = content;
  }

  get serverStart(): string {
    return this.#name;
  }

  get tables(): readonly TableDef[] {
    return this.#content.tables;
  }

  get tableStates(): EngineDriver['tableStates'] {
    return this.tables.map(({ name }) => ({ name, state: 'live' as const }));
  }

  get counters(): { readonly changes: number; readonly redelivered: number } {
    return { changes: this.#content.changes, redelivered: 0 };
  }

  connect(): void {
    const { clock, tail } = this.#core;
    this.#isPaused = false;
    clock.soon(() => {
      const { upper } = tail.store;
      const isFollowed = this.#position !== LSN_ZERO && this.#content.isReady;
      const slot = isFollowed ? { confirmed: upper, isLost: false, activePid: null } : null;
      const cluster = { systemId: this.#name, walTimeline: 1, switchedAt: undefined };
      const facts = { ...cluster, flushed: upper, slot };
      this.#core.dispatch({ kind: 'sourceConnected', now: clock.now(), facts });
    });
  }

  startHistory(generation: number): void {
    this.#generation = generation;
    this.wake();
  }

  startStream(): void {
    const { clock } = this.#core;
    clock.soon(() => {
      this.#isStreaming = true;
      this.#core.dispatch({ kind: 'streamStarted', now: clock.now() });
      this.wake();
    });
  }

  noteWalTimeline(): void {}

  confirm(_lsn: Lsn): void {}

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.wake();
  }

  nudge(ts: Ts): void {
    this.#content.reach?.(ts);
    this.wake();
  }

  async measure(): Promise<void> {}

  async close(): Promise<void> {
    this.#isStreaming = false;
    this.#isClosed = true;
    this.#content.close();
  }

  /** What was told holds no more: the next connection asks for a new history. */
  lose(reason: string): void {
    this.#isStreaming = false;
    this.#generation = null;
    this.#position = LSN_ZERO;
    this.#core.forgetUnwritten([]);
    this.#core.dispatch({
      kind: 'sourceLost',
      now: this.#core.clock.now(),
      reason,
      isUnfit: false,
    });
  }

  /** There may be something to tell. */
  wake(): void {
    if (this.#isDue || this.#isClosed) return;
    this.#isDue = true;
    this.#core.clock.soon(() => {
      this.#isDue = false;
      if (!this.#isClosed) this.#turn();
    });
  }

  /** What an exact snapshot is made of: the log reaches the position soon after. */
  openRows(): RowTransaction {
    const { position, rows, close } = this.#content.openRows();
    const next = position + 1;
    this.wake();
    return {
      snapshot: { xmin: next, xmax: next, xips: new Set() },
      text: `${next}:${next}:`,
      insertLsn: position,
      serverStart: this.#name,
      beganAt: async () => new Date(this.#core.clock.wallMicros() / 1000).toISOString(),
      rows,
      close: async () => close(),
    };
  }

  #turn(): void {
    if (this.#generation !== null) this.#begin(this.#generation);
    else if (this.#isStreaming && !this.#isPaused) this.#tell();
  }

  #begin(generation: number): void {
    const startTs = this.#asked(() => this.#content.begin());
    if (startTs === null) return;
    this.#generation = null;
    this.#position = startTs;
    const identity = { systemId: this.#name, walTimeline: 1, generation, startTs };
    this.#core.reset({ ...identity, startTxid: startTs }, this.tables);
  }

  /** Content that fails is a source that is away for now: it is gone on with when it can be read again. */
  #asked<T>(ask: () => T | null): T | null {
    try {
      return ask();
    } catch (error) {
      this.#isStreaming = false;
      this.#generation = null;
      const [now, reason] = [this.#core.clock.now(), messageOf(error)];
      this.#core.dispatch({ kind: 'sourceLost', now, reason, isUnfit: false });
      return null;
    }
  }

  #tell(): void {
    const news = this.#asked(() => this.#content.tell(this.#position));
    if (news === null) return;
    this.#position = news.upper;
    this.#core.received(news.tasks, news.upper);
  }
}
