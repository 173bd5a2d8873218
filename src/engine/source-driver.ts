/**
 * The real source: one connection for questions and set-up, one for the stream. Does what the coordinator
 * asks and reports; every failure becomes `sourceLost`, and the coordinator decides when to try again.
 */
import { TidelockError } from '../core/errors.ts';
import type { Lsn, Ts } from '../core/lsn.ts';
import type { SourceHandler } from '../core/source.ts';
import type { TableDef } from '../core/table.ts';
import { BARRIER_SQL, installTriggers } from '../postgres/ddl.ts';
import { requireFit } from '../postgres/fit.ts';
import { nextTxid, txidBehindAll } from '../postgres/next-txid.ts';
import { dropBlindSlot, reconcilePublication } from '../postgres/publication.ts';
import { clearMarkSql, readMark } from '../postgres/publication-mark.ts';
import type { ReplicaIdentityMode } from '../postgres/replica-identity.ts';
import { PgSession } from '../postgres/session.ts';
import { createSlot, dropSlot, type SlotWait } from '../postgres/slot.ts';
import { SlotReader } from '../postgres/slot-reader.ts';
import type { TableDeclaration, TableDescription } from '../postgres/table-fitness.ts';
import { announceChanges } from './announce-changes.ts';
import type { TableState } from './api.ts';
import type { EngineCore, SourcePort } from './core.ts';
import { DescribedTables } from './described-tables.ts';
import { FullIdentity } from './full-identity.ts';
import { type ProbedFacts, readProbedFacts } from './history-probe.ts';
import type { Ingest, IngestLimits } from './ingest.ts';
import type { ReplicatedTables } from './replicated-tables.ts';
import { SourceCatalog } from './source-catalog.ts';
import { lossOf } from './source-loss.ts';
import { SourceWatch } from './source-watch.ts';
import { toUnfitSource, waitingFor, withoutTriggers } from './source-words.ts';
import { confirmTo, noteWalTimeline, openIngest, tablesOf } from './stream-ingest.ts';
import { TwowaySource } from './twoway-source.ts';

/** The stream brings a transaction a little earlier than Postgres makes it visible. */
const VISIBLE_MS = 50;

export type SourceOptions = {
  readonly url: string;
  readonly slot: string;
  readonly publication: string;
  /** Tells this server's connections from those of others. */
  readonly instance: string;
  readonly declarations: readonly TableDeclaration[];
  readonly limits: IngestLimits;
  readonly streaming: boolean | undefined;
  /** Something between the stream and the ingest. */
  readonly wrapHandler: ((handler: SourceHandler) => SourceHandler) | undefined;
  readonly silenceMsMax: number | undefined;
  readonly replicaIdentity: ReplicaIdentityMode;
  readonly keepsOldRows: boolean;
  readonly onNotice: (notice: string) => void;
};

type Connection = {
  readonly session: PgSession;
  readonly facts: ProbedFacts;
  readonly described: readonly TableDescription[];
  readonly nextTxid: number;
  readonly hasTriggers: boolean;
  /** Tables that were not published for a while: what was written to them then is not in the stream. */
  readonly unseen: readonly string[];
};

export class SourceDriver implements SourcePort {
  readonly #options: SourceOptions;
  readonly #core: EngineCore;
  readonly #identity: FullIdentity;
  readonly #described: DescribedTables;
  #connection: Connection | null = null;
  #reader: SlotReader | null = null;
  #tables: ReplicatedTables | null = null;
  #ingest: Ingest | null = null;
  #isPaused = false;
  /** Told to the operator when it changes, not at every attempt. */
  #isUp = true;
  readonly #contact: PromiseWithResolvers<TidelockError | null> = Promise.withResolvers();
  #isClosed = false;
  /** Raised with every connect: answers of older attempts are dropped. */
  #attempt = 0;
  /** The next connection asks for whole transactions, once. */
  #needsWholeTransactions = false;
  /** The stream said that changes were left out of this slot. */
  #needsNewSlot = false;
  #redelivered = 0;
  readonly #watch: SourceWatch;
  readonly #twoway: TwowaySource;
  #isAnnouncing = false;
  #changesBefore = 0;
  /** Ends the wait of a table that is being added. */
  #adding = new AbortController();

  constructor(core: EngineCore, options: SourceOptions) {
    this.#core = core;
    this.#options = options;
    this.#identity = new FullIdentity(options);
    this.#described = new DescribedTables(options);
    this.#watch = new SourceWatch(options);
    this.#twoway = new TwowaySource(options);
  }

  /** How the first attempt to reach the source ended: an error that only an operator can mend, or null. */
  get firstContact(): Promise<TidelockError | null> {
    return this.#contact.promise;
  }

  get tables(): readonly TableDef[] {
    return this.#tables?.tables ?? this.#core.tail.store.tables;
  }

  /** When the server started that the stream comes from; null while it does not run. */
  get serverStart(): string | null {
    return this.#reader === null ? null : (this.#connection?.facts.serverStart ?? null);
  }

  get tableStates(): readonly TableState[] {
    return (this.#tables?.states ?? []).map((state) => this.#watch.judge(state));
  }

  get counters(): { readonly changes: number; readonly redelivered: number } {
    const changes = this.#changesBefore + (this.#ingest?.changes ?? 0);
    return { changes, redelivered: this.#redelivered };
  }

  get retainedWalBytes(): number | null {
    return this.#watch.retainedWalBytes;
  }

  get lagBytes(): number | null {
    return this.#watch.lagBytes;
  }

  connect(): void {
    this.#attempt += 1;
    this.#supervise(this.#connect());
  }

  startHistory(generation: number, reason: string): void {
    this.#supervise(this.#startHistory(generation, reason));
  }

  startStream(after: Ts): void {
    this.#supervise(this.#startStream(after));
  }

  noteWalTimeline(walTimeline: number): void {
    noteWalTimeline(this.#core, walTimeline);
  }

  confirm(lsn: Lsn): void {
    confirmTo(this.#core, this.#reader, lsn);
  }

  pause(): void {
    this.#isPaused = true;
    this.#reader?.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#reader?.resume();
  }

  /** A tiny transaction of our own: when it arrives, everything that committed before it has arrived. */
  nudge(): void {
    this.#connection?.session.query(BARRIER_SQL).catch(() => undefined); // its loss is reported by `closed`
  }

  /** Asks Postgres how far it is, and whether the stream still brings everything: else it is made anew. */
  async measure(also?: (session: PgSession) => Promise<void>): Promise<void> {
    const session = this.#connection?.session;
    if (session === undefined || session.isLost || this.#reader === null) {
      this.#watch.forget();
      return;
    }
    const hasTriggers = this.#connection?.hasTriggers === true;
    const attempt = this.#attempt;
    const tables = this.#isAnnouncing ? null : this.tables.map(({ name }) => name);
    try {
      await this.#watch.look({ session, upper: this.#core.tail.store.upper, tables });
      await also?.(session);
      const isFree = await this.#identity.retry(session, this.tableStates);
      const isOther =
        (await this.#described.haveChanged(session)) ||
        (await this.#twoway.haveChanged(session, this.tableStates));
      if ((isFree && !hasTriggers) || isOther) throw new Error('other tables: connecting again');
    } catch (error) {
      this.#lost(error, attempt);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#attempt += 1;
    await this.#disconnect();
  }

  #supervise(work: Promise<void>): void {
    const attempt = this.#attempt;
    work.catch((error: unknown) => this.#lost(error, attempt));
  }

  #lost(error: unknown, attempt: number): void {
    if (this.#isClosed || attempt !== this.#attempt) return;
    this.#attempt += 1;
    const { reason, isUnfit, needsWholeTransactions, needsNewSlot } = lossOf(error);
    this.#needsWholeTransactions ||= needsWholeTransactions;
    this.#needsNewSlot ||= needsNewSlot;
    if (this.#isUp) this.#options.onNotice(`the source is lost: ${reason}`);
    this.#isUp = false;
    this.#contact.resolve(isUnfit ? toUnfitSource(error) : null);
    this.#supervise(this.#disconnect());
    this.#core.dispatch({ kind: 'sourceLost', now: this.#core.clock.now(), reason, isUnfit });
  }

  async #disconnect(): Promise<void> {
    const reader = this.#reader;
    const connection = this.#connection;
    const ingest = this.#ingest;
    this.#reader = null;
    this.#connection = null;
    this.#ingest = null;
    this.#isPaused = false;
    this.#adding.abort();
    if (ingest !== null) {
      this.#changesBefore += ingest.changes;
      this.#core.forgetUnwritten(ingest.openXids);
    }
    await reader?.close();
    await connection?.session.end();
  }

  async #connect(): Promise<void> {
    await this.#disconnect();
    const { url, slot, publication, instance, onNotice } = this.#options;
    const attempt = this.#attempt;
    const session = await PgSession.connect({
      url,
      isReplication: true,
      applicationName: 'tidelock',
      onLost: (error) => this.#lost(error, attempt),
    });
    try {
      await requireFit(session);
      const declarations = await this.#declare(session);
      const triggers = await installTriggers(session, { ...this.#options, declarations });
      if (triggers.kind === 'skipped') onNotice(withoutTriggers(triggers.reason));
      if (await dropBlindSlot(session, { publication, slot, instance })) {
        onNotice('the publication was dropped: changes have passed unseen, a new history starts');
      }
      if (this.#needsNewSlot) await dropSlot(session, slot, instance);
      this.#needsNewSlot = false;
      await this.#identity.give(session);
      const described = await this.#describe(session, declarations);
      const live = described.filter((table) => table.kind === 'table');
      const change = await reconcilePublication(
        session,
        publication,
        live.map(({ name }) => name),
      );
      this.#core.crashPoint('published');
      if (change.added.length > 0) onNotice(`published: ${change.added.join(', ')}`);
      const facts = await readProbedFacts(session, {
        ...this.#options,
        log: this.#core.tail.store,
      });
      this.#redelivered += facts.redelivered;
      const next = await nextTxid(session);
      if (attempt !== this.#attempt) return void (await session.end());
      const hasTriggers = triggers.kind === 'installed';
      const unseen = await readMark(session, publication);
      this.#connection = { session, facts, described, nextTxid: next, hasTriggers, unseen };
    } catch (error) {
      await session.end();
      throw error;
    }
    const { facts } = this.#connection;
    this.#core.crashPoint('connected');
    this.#tellHolder(facts);
    this.#contact.resolve(null);
    this.#core.dispatch({ kind: 'sourceConnected', now: this.#core.clock.now(), facts });
  }

  #declare(session: PgSession): Promise<readonly TableDeclaration[]> {
    return this.#twoway.read(session, this.#core.tail.store.tables);
  }

  #describe(
    session: PgSession,
    declarations: readonly TableDeclaration[],
  ): Promise<readonly TableDescription[]> {
    const known = this.#core.tail.store.tables.map(({ name }) => name);
    return this.#described.read(session, declarations, known);
  }

  async #startHistory(generation: number, reason: string): Promise<void> {
    const { session, facts, described } = this.#connected();
    const { slot, publication, instance, onNotice } = this.#options;
    onNotice(`starting history ${generation}: ${reason}`);
    await dropSlot(session, slot, instance);
    this.#core.crashPoint('slotDropped');
    const observer = await PgSession.connect({ url: this.#options.url });
    let startTs: Lsn;
    try {
      const onWait = (waits: readonly SlotWait[]): void => onNotice(waitingFor(waits));
      startTs = await createSlot({ session, slot, observer, onWait });
    } finally {
      await observer.end();
    }
    this.#core.crashPoint('slotCreated');
    // Everything is copied anew.
    const unmark = await clearMarkSql(session, publication);
    if (unmark !== '') await session.query(unmark);
    const tables = tablesOf(described, await this.#describe(session, await this.#declare(session)));
    const { systemId, walTimeline } = facts;
    const startTxid = (await txidBehindAll(session)) - 1;
    this.#core.reset({ systemId, walTimeline, generation, startTs, startTxid }, tables);
  }

  async #startStream(after: Ts): Promise<void> {
    const { session, described, nextTxid, hasTriggers, unseen } = this.#connected();
    const { url, slot, publication, instance, limits, streaming, silenceMsMax } = this.#options;
    const { keepsOldRows, onNotice } = this.#options;
    const { store } = this.#core.tail;
    const catalog = new SourceCatalog(session, this.#twoway.declarations, {
      withheld: this.#described.withheld,
      onTwoway: () => this.#core.clock.after(VISIBLE_MS, () => void this.measure()),
    });
    const { tables, ingest } = openIngest(this.#core, {
      ...{ catalog, described, hasTriggers, keepsOldRows, onNotice, limits, after, nextTxid },
      onRedelivered: () => {
        this.#redelivered += 1;
      },
    });
    this.#tables = tables;
    this.#ingest = ingest;
    const attempt = this.#attempt;
    const reader = await SlotReader.start({
      ...{ url, slot, publication, instance, after, silenceMsMax },
      handler: this.#options.wrapHandler?.(ingest) ?? ingest,
      ...(this.#needsWholeTransactions ? { streaming: false } : { streaming }),
    });
    this.#needsWholeTransactions = false;
    if (attempt !== this.#attempt) return reader.close();
    this.#reader = reader;
    if (this.#isPaused) reader.pause();
    reader.closed.then(
      (reason) => this.#lost(reason ?? new Error('the stream ended'), attempt),
      (error: unknown) => this.#lost(error, attempt),
    );
    this.#isUp = true;
    this.#contact.resolve(null);
    onNotice('the source streams');
    this.#core.dispatch({ kind: 'streamStarted', now: this.#core.clock.now() });
    this.#adding = new AbortController();
    this.#isAnnouncing = true;
    const changes = { catalog, session, publication, described, unseen, known: store.tables };
    const isAnnounced = await announceChanges({ ...changes, signal: this.#adding.signal });
    this.#isAnnouncing = false;
    if (isAnnounced) this.#core.crashPoint('announced');
    await this.measure();
  }

  #tellHolder({ slot }: ProbedFacts): void {
    if (typeof slot?.activePid !== 'number') return;
    this.#options.onNotice(
      `replication slot ${this.#options.slot} is held by process ${slot.activePid}: waiting for it`,
    );
  }

  #connected(): Connection {
    if (this.#connection === null) {
      throw new TidelockError({
        code: 'SOURCE_DOWN',
        message: 'the connection to Postgres is gone',
      });
    }
    return this.#connection;
  }
}
