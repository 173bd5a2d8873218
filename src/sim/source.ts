/**
 * The source port on a simulated Postgres: what engine/source-driver.ts does on a real one. Everything that
 * decides (coordinator, ingest, tables, history probe) is the product's.
 */
import { messageOf, TidelockError } from '../core/errors.ts';
import type { Lsn, Ts } from '../core/lsn.ts';
import type { SourceHandler } from '../core/source.ts';
import type { EngineCore, SourcePort } from '../engine/core.ts';
import { HistoryProbe } from '../engine/history-probe.ts';
import { Ingest } from '../engine/ingest.ts';
import { ReplicatedTables } from '../engine/replicated-tables.ts';
import type { Chance } from './chance.ts';
import type { ServerOptions, StreamOptions } from './plan.ts';
import type { SimPostgres } from './postgres.ts';
import type { Life, Scheduler } from './scheduler.ts';
import { TABLES } from './tables.ts';
import { Walsender } from './walsender.ts';

export type SimSourceOptions = {
  readonly core: EngineCore;
  readonly postgres: SimPostgres;
  readonly scheduler: Scheduler;
  readonly chance: Chance;
  readonly life: Life;
  readonly stream: StreamOptions;
  readonly server: ServerOptions;
  readonly wrapHandler: (handler: SourceHandler) => SourceHandler;
  readonly onRedelivered: (count: number) => void;
};

const CONNECT_MS_MAX = 40;

export class SimSource implements SourcePort {
  readonly #options: SimSourceOptions;
  #attempt = 0;
  #sender: Walsender | null = null;
  #ingest: Ingest | null = null;
  #isConnected = false;
  #isPaused = false;
  #nextTxid = 0;

  constructor(options: SimSourceOptions) {
    this.#options = options;
  }

  /** When the server started that the stream comes from; null while it does not run. */
  get serverStart(): string | null {
    return this.#sender === null ? null : this.#options.postgres.serverStart;
  }

  connect(): void {
    this.#attempt += 1;
    this.#disconnect();
    this.#later('source: connect', () => {
      const { postgres, core, scheduler } = this.#options;
      const { slot } = postgres;
      const switched = { walTimeline: 1, switchedAt: undefined };
      const facts = { systemId: postgres.systemId, ...switched, flushed: postgres.walEnd };
      const divergence = this.#probe();
      this.#isConnected = true;
      this.#nextTxid = postgres.nextXid;
      const found = slot && { confirmed: slot.confirmed, isLost: slot.isLost, activePid: null };
      core.crashPoint('connected');
      core.dispatch({
        kind: 'sourceConnected',
        now: core.clock.now(),
        facts: { ...facts, divergence, slot: found },
      });
      scheduler.trace.add(scheduler.now, `source: slot at ${slot?.confirmed ?? 'none'}`);
    });
  }

  startHistory(generation: number, _reason: string): void {
    this.#later('source: new slot', () => {
      const { postgres, core, scheduler, life } = this.#options;
      const attempt = this.#attempt;
      postgres.slot = null;
      core.crashPoint('slotDropped');
      postgres.createSlot((startTs) =>
        scheduler.after(
          1,
          'source: slot created',
          () =>
            this.#tried(attempt, () => {
              core.crashPoint('slotCreated');
              const startTxid = postgres.nextXid - 1;
              const { systemId } = postgres;
              core.reset({ systemId, walTimeline: 1, generation, startTs, startTxid }, TABLES);
            }),
          life,
        ),
      );
    });
  }

  startStream(after: Ts): void {
    this.#later('source: stream', () => {
      const { postgres, core } = this.#options;
      const { slot } = postgres;
      if (slot === null || slot.isLost) throw down('the slot is gone');
      const ingest = this.#newIngest(after);
      this.#ingest = ingest;
      const handler = this.#options.wrapHandler(ingest);
      this.#sender = this.#newSender(handler, this.#startOf(slot.confirmed, after));
      slot.isActive = true;
      if (this.#isPaused) this.#sender.pause();
      core.dispatch({ kind: 'streamStarted', now: core.clock.now() });
    });
  }

  noteWalTimeline(): void {}

  confirm(lsn: Lsn): void {
    const { core } = this.#options;
    core.crashPoint('beforeConfirm');
    this.#sender?.confirm(lsn);
    core.crashPoint('afterConfirm');
  }

  pause(): void {
    this.#isPaused = true;
    this.#sender?.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#sender?.resume();
  }

  nudge(): void {
    this.#sender?.nudge();
  }

  /** Something is there to be sent. */
  wake(): void {
    this.#sender?.wake();
  }

  /** The connection breaks. */
  break(reason: string): void {
    if (this.#isConnected || this.#sender !== null) this.#lost(down(reason), this.#attempt);
  }

  #later(what: string, work: () => void): void {
    const { scheduler, chance, life, postgres } = this.#options;
    const attempt = this.#attempt;
    scheduler.after(
      chance.between(1, CONNECT_MS_MAX),
      what,
      () =>
        this.#tried(attempt, () => {
          if (!postgres.isUp) throw down('Postgres does not run');
          work();
        }),
      life,
    );
  }

  /** What fails is the end of this attempt. */
  #tried(attempt: number, work: () => void): void {
    if (attempt !== this.#attempt) return;
    try {
      work();
    } catch (error) {
      if (!(error instanceof TidelockError)) throw error;
      this.#lost(error, attempt);
    }
  }

  #lost(error: unknown, attempt: number): void {
    const { core } = this.#options;
    if (attempt !== this.#attempt) return;
    this.#attempt += 1;
    this.#disconnect();
    core.dispatch({
      ...{ kind: 'sourceLost', now: core.clock.now(), isUnfit: false },
      reason: messageOf(error),
    });
  }

  #disconnect(): void {
    const ingest = this.#ingest;
    this.#sender?.close();
    this.#sender = null;
    this.#ingest = null;
    this.#isConnected = false;
    this.#isPaused = false;
    if (ingest !== null) this.#options.core.forgetUnwritten(ingest.openXids);
  }

  /** Whether what the slot would send again is what the log has. */
  #probe(): string | undefined {
    const { postgres, core } = this.#options;
    const { store } = core.tail;
    const { slot } = postgres;
    if (slot === null || slot.isLost || store.identity === null) return undefined;
    if (slot.confirmed >= store.upper) return undefined;
    const probe = new HistoryProbe(store, slot.confirmed);
    this.#newSender(probe, slot.confirmed).drain();
    this.#options.onRedelivered(probe.redelivered);
    return probe.divergence;
  }

  /** Postgres itself leaves out what the log has; a proxy or a later version may not. */
  #startOf(confirmed: Lsn, after: Ts): Lsn {
    const { chance, stream } = this.#options;
    if (chance.hits(stream.resends)) return confirmed;
    return confirmed > after ? confirmed : after;
  }

  #newSender(handler: SourceHandler, from: Lsn): Walsender {
    const { postgres, scheduler, chance, stream, life } = this.#options;
    const attempt = this.#attempt;
    return new Walsender({
      ...{ postgres, scheduler, chance, stream, life, from, handler },
      onFailure: (error) => {
        if (!(error instanceof TidelockError)) scheduler.fail(error);
        else this.#lost(error, attempt);
      },
    });
  }

  #newIngest(after: Ts): Ingest {
    const { core, server, onRedelivered } = this.#options;
    const { store } = core.tail;
    const tables = new ReplicatedTables({
      known: store.tables,
      unfit: [],
      held: new Map(),
      hasTriggers: true,
      catalog: {
        describe: (name) => Promise.reject(down(`nobody asks about ${name}`)),
        parse: () => null,
      },
    });
    const { groupBytesMax, partBytesMax } = server;
    return new Ingest({
      ...{ tables, after, nextTxid: this.#nextTxid, limits: { groupBytesMax, partBytesMax } },
      stage: (xid, part) => {
        core.crashPoint('beforeStage');
        const ref = store.stage(xid, part);
        core.crashPoint('afterStage');
        return ref;
      },
      crashPoint: core.crashPoint,
      onRead: (tasks, upTo) => core.received(tasks, upTo),
      onRedelivered: () => onRedelivered(1),
    });
  }
}

function down(message: string): TidelockError {
  return new TidelockError({ code: 'SOURCE_DOWN', message });
}
