/**
 * The source port on a simulated Postgres: what engine/source-driver.ts does on a real one. Everything that
 * decides (coordinator, ingest, tables, history probe, what a loss means, what is announced) is the product's.
 */
import { TidelockError } from '../core/errors.ts';
import type { Lsn, Ts } from '../core/lsn.ts';
import type { SourceHandler } from '../core/source.ts';
import type { TableDef } from '../core/table.ts';
import { tablesToAnnounce } from '../engine/announce-changes.ts';
import type { EngineCore, SourcePort } from '../engine/core.ts';
import { HistoryProbe, isInDoubt } from '../engine/history-probe.ts';
import type { Ingest } from '../engine/ingest.ts';
import type { ReplicatedTables } from '../engine/replicated-tables.ts';
import { lossOf } from '../engine/source-loss.ts';
import { confirmTo, noteWalTimeline, openIngest, tablesOf } from '../engine/stream-ingest.ts';
import { type Description, descriptionOf, SimCatalog } from './catalog.ts';
import type { Chance } from './chance.ts';
import type { ServerOptions, StreamOptions } from './plan.ts';
import type { SimPostgres } from './postgres.ts';
import type { Life, Scheduler } from './scheduler.ts';
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
  readonly onRedelivered: (count: number, by: 'stream' | 'probe') => void;
  /** The log's history goes on with what this Postgres has. */
  readonly onFollow: () => void;
  readonly note: (what: string) => void;
};

/** What a connection found. */
type Connection = {
  readonly systemId: string;
  readonly walTimeline: number;
  readonly described: readonly Description[];
  readonly nextTxid: number;
};

const CONNECT_MS_MAX = 40;

export class SimSource implements SourcePort {
  readonly #options: SimSourceOptions;
  #attempt = 0;
  #sender: Walsender | null = null;
  #ingest: Ingest | null = null;
  #tables: ReplicatedTables | null = null;
  #connection: Connection | null = null;
  #isPaused = false;
  /** The next stream brings large transactions whole, once. */
  #needsWholeTransactions = false;
  #needsNewSlot = false;

  constructor(options: SimSourceOptions) {
    this.#options = options;
  }

  /** When the server started that the stream comes from; null while it does not run. */
  get serverStart(): string | null {
    return this.#sender === null ? null : this.#options.postgres.serverStart;
  }

  get tables(): readonly TableDef[] {
    return this.#tables?.tables ?? this.#options.core.tail.store.tables;
  }

  connect(): void {
    this.#attempt += 1;
    this.#disconnect();
    this.#later('source: connect', () => {
      const { postgres, core, scheduler } = this.#options;
      const { systemId, walTimeline, switchedAt, walEnd: flushed } = postgres;
      if (this.#needsNewSlot) postgres.slot = null;
      this.#needsNewSlot = false;
      core.crashPoint('published');
      const { slot } = postgres;
      const found = slot && { confirmed: slot.confirmed, isLost: slot.isLost, activePid: null };
      const facts = { systemId, walTimeline, switchedAt, flushed, slot: found };
      const divergence = this.#probe(facts);
      const described = postgres.tables.map(descriptionOf);
      this.#connection = { systemId, walTimeline, described, nextTxid: postgres.nextXid };
      core.crashPoint('connected');
      const now = core.clock.now();
      core.dispatch({ kind: 'sourceConnected', now, facts: { ...facts, divergence } });
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
              const { systemId, walTimeline, described } = this.#connected();
              const startTxid = postgres.nextXid - 1;
              const identity = { systemId, walTimeline, generation, startTs, startTxid };
              core.reset(identity, tablesOf(described, postgres.tables.map(descriptionOf)));
              this.#options.onFollow();
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
      const ingest = this.#openIngest(after);
      const handler = this.#options.wrapHandler(ingest);
      const isWhole = this.#needsWholeTransactions;
      this.#needsWholeTransactions = false;
      if (isWhole) this.#options.note('a large transaction was asked for as a whole');
      this.#options.onFollow();
      this.#sender = this.#newSender(handler, this.#startOf(slot.confirmed, after), isWhole);
      slot.isActive = true;
      if (this.#isPaused) this.#sender.pause();
      core.dispatch({ kind: 'streamStarted', now: core.clock.now() });
      this.#announce();
    });
  }

  noteWalTimeline(walTimeline: number): void {
    noteWalTimeline(this.#options.core, walTimeline);
    this.#options.note('a promotion was followed');
  }

  confirm(lsn: Lsn): void {
    confirmTo(this.#options.core, this.#sender, lsn);
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
    if (this.#connection !== null || this.#sender !== null) this.#lost(down(reason), this.#attempt);
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
    const { reason, isUnfit, needsWholeTransactions, needsNewSlot } = lossOf(error);
    this.#needsWholeTransactions ||= needsWholeTransactions;
    this.#needsNewSlot ||= needsNewSlot;
    this.#disconnect();
    core.dispatch({ kind: 'sourceLost', now: core.clock.now(), reason, isUnfit });
  }

  #disconnect(): void {
    const ingest = this.#ingest;
    this.#sender?.close();
    this.#sender = null;
    this.#ingest = null;
    this.#connection = null;
    this.#isPaused = false;
    if (ingest !== null) this.#options.core.forgetUnwritten(ingest.openXids);
  }

  /** Whether what the slot would send again is what the log has. */
  #probe(facts: Parameters<typeof isInDoubt>[0]): string | undefined {
    const { store } = this.#options.core.tail;
    if (facts.slot === null || !isInDoubt(facts, store)) return undefined;
    const { confirmed } = facts.slot;
    const probe = new HistoryProbe(store, confirmed);
    this.#newSender(probe, confirmed, false).drain();
    this.#options.onRedelivered(probe.redelivered, 'probe');
    if (probe.divergence !== undefined) this.#options.note('another history was found out');
    return probe.divergence;
  }

  /** What changed in the schema before the stream began is put into it. */
  #announce(): void {
    const { postgres, core, scheduler, life, note } = this.#options;
    const { described } = this.#connected();
    const attempt = this.#attempt;
    const { names } = tablesToAnnounce({ known: core.tail.store.tables, described, unseen: [] });
    if (names.length === 0) return;
    const announce = (): void => {
      note('tables were announced');
      postgres.announce(postgres.tables.filter(({ name }) => names.includes(name)));
      core.crashPoint('announced');
    };
    const later = (): void =>
      void scheduler.after(
        1,
        'source: announce',
        () => this.#tried(attempt, () => postgres.isUp && announce()),
        life,
      );
    postgres.whenEnded(later);
  }

  /** Postgres itself leaves out what the log has; a proxy or a later version may not. */
  #startOf(confirmed: Lsn, after: Ts): Lsn {
    const { chance, stream } = this.#options;
    if (chance.hits(stream.resends)) return confirmed;
    return confirmed > after ? confirmed : after;
  }

  #newSender(handler: SourceHandler, from: Lsn, isWhole: boolean): Walsender {
    const { postgres, scheduler, chance, stream, life } = this.#options;
    const attempt = this.#attempt;
    return new Walsender({
      ...{ postgres, scheduler, chance, stream, life, from, handler, isWhole },
      onFailure: (error) => {
        if (!(error instanceof TidelockError)) scheduler.fail(error);
        else this.#lost(error, attempt);
      },
    });
  }

  #openIngest(after: Ts): Ingest {
    const { core, server, onRedelivered } = this.#options;
    const { described, nextTxid } = this.#connected();
    const { groupBytesMax, partBytesMax } = server;
    const { tables, ingest } = openIngest(core, {
      ...{ catalog: new SimCatalog(this.#options), described, hasTriggers: true, after, nextTxid },
      limits: { groupBytesMax, partBytesMax },
      onRedelivered: () => onRedelivered(1, 'stream'),
    });
    this.#tables = tables;
    this.#ingest = ingest;
    return ingest;
  }

  #connected(): Connection {
    if (this.#connection === null) throw down('the connection to Postgres is gone');
    return this.#connection;
  }
}

function down(message: string): TidelockError {
  return new TidelockError({ code: 'SOURCE_DOWN', message });
}
