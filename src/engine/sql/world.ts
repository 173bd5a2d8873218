/**
 * One life of the machine of SQL: events go in, effects are performed in order, feedback of the worker comes back as
 * events. Nothing here waits; who asked is told through their session.
 *
 *   session --event--> machine --effects--> worker, sessions          worker --feedback--> machine
 *   tables of Postgres --feed--> worker
 */
import { type Description, describe } from '../../coordinator/sql/describe.ts';
import { step } from '../../coordinator/sql/machine.ts';
import { SQL_PROFILES } from '../../coordinator/sql/profiles.ts';
import {
  newSqlCoordinator,
  POSTGRES_TIMELINE,
  type SqlCoordinator,
} from '../../coordinator/sql/state.ts';
import type { ConnectionId, Response, SqlEffect, SqlEvent } from '../../coordinator/sql/types.ts';
import type { WorkerCommand } from '../../coordinator/sql/worker.ts';
import { unreachable } from '../../core/assert.ts';
import { messageOf } from '../../core/errors.ts';
import { quoteName, type TableDef } from '../../core/table.ts';
import { sqlError } from '../../sql/errors.ts';
import { parseBatch } from '../../sql/parse/batch.ts';
import type { Statement } from '../../sql/statement.ts';
import type { ItemId, SqlType } from '../../sql/types.ts';
import type { CollectionStore } from '../../sqlite/collections/collection-store.ts';
import { DdlJournal, type DdlRecord } from '../../sqlite/collections/ddl-journal.ts';
import type { TimerHandle } from '../clock.ts';
import { CatalogJournal, type DdlPlace } from './catalog-journal.ts';
import { readHeader } from './file-header.ts';
import { checkFiles } from './file-rule.ts';
import { HeldAnswers } from './held-answers.ts';
import { LiveSession, type SessionHost, type SessionListener } from './live-session.ts';
import type { SqlServiceOptions } from './options.ts';
import { PostgresFeed } from './postgres-feed.ts';
import { columnsOfTable, layoutOf, tableOfNote } from './postgres-types.ts';
import type { Readers } from './readers/read-port.ts';
import { ViewPublisher } from './view-publisher.ts';
import { SqlWorker } from './worker.ts';

export type SqlWorldOptions = SqlServiceOptions & {
  readonly store: CollectionStore;
  readonly readers: Readers;
  readonly onSessionClosed: (session: LiveSession) => void;
  readonly onOtherHistory: () => void;
};

const CATALOG_CHANGES: ReadonlySet<Response['kind']> = new Set<Response['kind']>([
  'created',
  'dropped',
]);

/** The connection that brings the catalog back. */
const OWN_CONNECTION = 0;

const SILENT = {
  columns: () => undefined,
  rows: () => undefined,
  complete: () => undefined,
  notice: () => undefined,
};

type SessionEffect = Extract<SqlEffect, { readonly connection: ConnectionId }>;

export class SqlWorld implements SessionHost {
  readonly #options: SqlWorldOptions;
  readonly #state: SqlCoordinator;
  readonly #worker: SqlWorker;
  readonly #feed: PostgresFeed | null;
  readonly #journal: CatalogJournal;
  readonly #held: HeldAnswers;
  readonly #sessions = new Map<ConnectionId, SessionListener>();
  readonly #views: ViewPublisher | null;
  #isCatalogChanged = false;
  /** What runs, by connection, when it is one statement: DDL stands alone. */
  readonly #alone = new Map<ConnectionId, DdlPlace>();
  readonly #events: SqlEvent[] = [];
  readonly #timers = new Set<TimerHandle>();
  #isStepping = false;
  #isOpen = false;
  #tablesTold = '';

  constructor(options: SqlWorldOptions) {
    const { store, readers, rows, clock, onNotice, onOtherHistory } = options;
    this.#options = options;
    const { statementTimeoutMs = 0 } = options;
    this.#state = newSqlCoordinator({ ...SQL_PROFILES.ours, statementTimeoutMs });
    this.#worker = new SqlWorker({
      ...{ store, readers, nameOf: (id) => this.#nameOf(id) },
      tell: (feedback) => this.dispatch({ kind: 'feedback', feedback }),
    });
    this.#journal = new CatalogJournal(new DdlJournal(store.sql), this.#state);
    this.#held = new HeldAnswers((effect) => this.#tell(effect));
    const { views = null } = options;
    this.#views =
      views === null
        ? null
        : new ViewPublisher({
            ...{ state: this.#state, sink: views, onNotice },
            dispatch: (event) => this.dispatch(event),
            listen: (connection, listener) => this.#sessions.set(connection, listener),
            unlisten: (connection) => this.#sessions.delete(connection),
          });
    const onSettled = (id: string): void => this.#held.release(id);
    this.#feed =
      rows === null
        ? null
        : new PostgresFeed({
            ...{ rows, clock, worker: this.#worker, onSettled, onOtherHistory, onNotice },
          });
  }

  /** Brings the catalog back. Statements that fail now are told, and what they made is gone. */
  async open(): Promise<void> {
    this.#advanceClock();
    this.#tellTables();
    const { database } = this.#state.options;
    const session = this.connect(OWN_CONNECTION, 0, { user: '', database });
    await this.#journal.replay(
      (record) => this.#redo(session, record),
      ({ text }, error) =>
        this.#options.onNotice(`this is not brought back: ${text}: ${messageOf(error)}`),
    );
    await session.close();
    this.#dropOrphans();
    this.#isOpen = true;
    this.#views?.sync();
    this.#options.views?.ready();
  }

  connect(
    connection: ConnectionId,
    secret: number,
    { user, database }: { readonly user: string; readonly database: string },
  ): LiveSession {
    const { catalog, options } = this.#state;
    const isOwnName = database === user && !catalog.databases.has(database);
    const name = isOwnName ? options.database : database;
    if (!catalog.databases.has(name)) {
      throw sqlError('3D000', `database "${name}" does not exist`, {
        hint: `connect to ${options.database}`,
      });
    }
    this.dispatch({ kind: 'connect', connection, secret, database: name, user });
    const session = new LiveSession(this, connection, secret);
    this.#sessions.set(connection, session);
    return session;
  }

  cancel(connection: ConnectionId, secret: number): void {
    const session = this.#sessions.get(connection);
    if (!(session instanceof LiveSession) || session.secret !== secret) return;
    if (this.#held.letGo(connection)) {
      session.notice('the source is still being filled; it can be read when it is');
      return;
    }
    this.dispatch({ kind: 'cancel', connection, secret });
  }

  wake(): void {
    this.#feed?.wake();
    this.#options.views?.wake();
  }

  tick(): void {
    if (!this.#isOpen) return;
    this.#advanceClock();
    this.#worker.tick(this.#state.now);
  }

  async close(): Promise<void> {
    this.#isOpen = false;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    this.#options.views?.forget();
    await this.#feed?.close();
  }

  /** Forgets the rows of everything that stands on the positions of Postgres. */
  dropReplicated(): void {
    const { store } = this.#options;
    for (const [id, { timeline }] of this.#state.fronts) {
      if (timeline === POSTGRES_TIMELINE && store.has(id)) store.drop(id);
    }
  }

  dispatch(event: SqlEvent): void {
    this.#note(event);
    this.#events.push(event);
    if (this.#isStepping) return;
    this.#isStepping = true;
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
        const connection = 'connection' in next ? next.connection : null;
        for (const effect of step(this.#state, next)) this.#perform(effect, connection);
      }
    } finally {
      this.#isStepping = false;
    }
    if (!this.#isCatalogChanged || !this.#isOpen) return;
    this.#isCatalogChanged = false;
    this.#views?.sync();
  }

  parse(sql: string): readonly Statement[] {
    return parseBatch(sql);
  }

  check(statements: readonly Statement[]): void {
    if (!this.#isOpen) return;
    if (statements.some(asksForTables)) this.#tellTables();
    for (const statement of statements) checkFiles(statement, this.#options.files);
  }

  describe(
    connection: ConnectionId,
    statement: Statement,
    types: readonly (SqlType | null)[],
  ): Description {
    const session = this.#state.sessions.get(connection);
    if (session === undefined) throw sqlError('57014', 'the connection is closed');
    return describe(this.#state, session, { statement, types });
  }

  took(peek: number): void {
    this.#worker.took(peek);
  }

  closed(session: LiveSession): void {
    this.#held.letGo(session.connection);
    this.#sessions.delete(session.connection);
    this.#alone.delete(session.connection);
    this.#options.onSessionClosed(session);
  }

  #note(event: SqlEvent): void {
    if (event.kind !== 'run' && event.kind !== 'execute') return;
    const session = this.#state.sessions.get(event.connection);
    const [first, second] = event.kind === 'run' ? event.statements : [event.statement];
    if (session === undefined || first === undefined || second !== undefined) return;
    const { database, schema } = session;
    this.#alone.set(event.connection, { text: first.text, database, schema });
  }

  #perform(effect: SqlEffect, connection: ConnectionId | null): void {
    switch (effect.kind) {
      case 'worker':
        this.#command(effect.command, connection);
        return;
      case 'readHeader': {
        const result = readHeader(effect.path);
        this.#events.push({ kind: 'headerRead', connection: effect.connection, result });
        return;
      }
      case 'setTimer':
        this.#setTimer(effect.at);
        return;
      case 'respond': {
        const place = this.#alone.get(effect.connection);
        if (place !== undefined) this.#journal.note(effect.response, place);
        if (CATALOG_CHANGES.has(effect.response.kind)) this.#isCatalogChanged = true;
        this.#held.tell(effect);
        return;
      }
      default:
        this.#held.tell(effect);
    }
  }

  #command(command: WorkerCommand, connection: ConnectionId | null): void {
    if (command.kind !== 'createPostgresSource') {
      if (command.kind === 'peek') this.#reach(command);
      if (command.kind === 'drop') for (const id of command.ids) this.#feed?.drop(id);
      this.#worker.handle(command);
      return;
    }
    const { id, columns, schema } = command;
    const name = `${schema}.${command.table}`;
    const table = this.#tables().find((one) => one.name === name);
    const key = table === undefined ? undefined : layoutOf(columns, table)?.key;
    this.#worker.handle(key === undefined ? command : { ...command, key });
    if (connection !== null && connection !== OWN_CONNECTION) this.#held.hold(connection, id);
    this.#feed?.add({ id, table: name, columns });
  }

  /** A read of replicated tables at a time that is still to come. */
  #reach({ peek, time }: WorkerCommand & { readonly kind: 'peek' }): void {
    const ids = this.#state.peeks.get(peek)?.ids ?? [];
    const isPosition = ids.some((id) => this.#state.fronts.get(id)?.timeline === POSTGRES_TIMELINE);
    if (isPosition) this.#feed?.reach(time);
  }

  #tell(effect: SessionEffect): void {
    const session = this.#sessions.get(effect.connection);
    if (session === undefined) return;
    switch (effect.kind) {
      case 'respond':
        session.respond(effect.response);
        return;
      case 'streamColumns':
        session.columns(effect.columns);
        return;
      case 'streamRows':
        if (!session.rows(effect.rows, effect.peek)) this.#endStream(session, effect.connection);
        return;
      case 'fail':
        session.fail(effect.error);
        return;
      case 'ready':
        session.ready(effect.status);
        return;
      case 'readHeader':
        return;
      default:
        unreachable(effect);
    }
  }

  #endStream(session: SessionListener, connection: ConnectionId): void {
    session.fail(sqlError('54000', 'the subscription has more rows than its reader takes'));
    const secret = this.#state.sessions.get(connection)?.secret ?? 0;
    this.#events.push({ kind: 'cancel', connection, secret });
  }

  /** Of an index, that of what it is on. */
  #nameOf(id: ItemId): string {
    const item = this.#state.catalog.items.get(id);
    if (item?.kind === 'index') return this.#nameOf(item.on);
    return item === undefined ? 'what was read' : item.at.name;
  }

  #advanceClock(): void {
    this.dispatch({ kind: 'clock', now: this.#nowMs() });
  }

  #nowMs(): number {
    return Math.floor(this.#options.clock.wallMicros() / 1000);
  }

  #setTimer(at: number): void {
    const timer = this.#options.clock.after(at - this.#nowMs(), () => {
      this.#timers.delete(timer);
      if (this.#isOpen) this.#advanceClock();
    });
    this.#timers.add(timer);
  }

  /** Those of the engine, and those that sources were made of in an earlier life. */
  #tables(): readonly TableDef[] {
    const { store, rows } = this.#options;
    const tables = new Map<string, TableDef>();
    for (const id of store.ids) {
      const table = tableOfNote(store.note(id));
      if (table !== null) tables.set(table.name, table);
    }
    for (const table of rows?.tables ?? []) tables.set(table.name, table);
    return [...tables.values()];
  }

  #tellTables(): void {
    const { rows } = this.#options;
    if (rows === null) return;
    const told = this.#tables().map((table) => {
      const [schema = '', ...rest] = table.name.split('.');
      return { schema, table: rest.join('.'), columns: columnsOfTable(table) };
    });
    const text = JSON.stringify(told);
    if (text === this.#tablesTold) return;
    this.#tablesTold = text;
    this.dispatch({ kind: 'replicatedTables', tables: told });
  }

  async #redo(session: LiveSession, { text, database, schema }: DdlRecord): Promise<void> {
    await session.run(`SET database = ${quoteName(database)}`, SILENT);
    await session.run(`SET schema = ${quoteName(schema)}`, SILENT);
    await session.run(text, SILENT);
  }

  /** Rows whose items are gone: a crash came between. */
  #dropOrphans(): void {
    const { store } = this.#options;
    for (const id of store.ids) {
      if (/^u\d+$/.test(id) && !this.#state.catalog.items.has(id)) store.drop(id);
    }
  }
}

/** Which tables are replicated is looked at when somebody asks. */
function asksForTables(statement: Statement): boolean {
  if (statement.kind === 'show') return statement.what === 'replicated tables';
  return statement.kind === 'createPostgresSource';
}
