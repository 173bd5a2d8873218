/**
 * What is said after the start-up: simple and extended queries. Messages are taken one after the other; after an error
 * of the extended protocol everything up to the next Sync is passed over.
 */
import { sqlError } from '../sql/errors.ts';
import type { PreparedStatement, ResultSink, SqlSession } from '../sql/session.ts';
import type { SqlType } from '../sql/types.ts';
import { CopySink, copiedQuery } from './copy.ts';
import type { ClientMessage, Target } from './incoming.ts';
import type { WireLimits } from './limits.ts';
import { oidOf, typeOfOid } from './oids.ts';
import type { Outbox } from './outbox.ts';
import { readValues } from './parameters.ts';
import { Portal } from './portal.ts';
import { isSubscription, Stopwatch, type WireCounts } from './wire-counts.ts';
import { errorFields, protocolError } from './wire-error.ts';

export type ConversationOptions = {
  readonly session: SqlSession;
  readonly outbox: Outbox;
  readonly limits: WireLimits;
  readonly counts: WireCounts;
  /** Ends what the session runs. */
  readonly cancel: () => void;
  /** A failure that is a bug of ours. */
  readonly onBug: (error: unknown) => void;
};

/** PostgreSQL's code for a session that an administrator ends. */
const SHUT_DOWN = '57P01';

type Of<K extends ClientMessage['kind']> = Extract<ClientMessage, { readonly kind: K }>;

type Prepared = {
  /** Null for a text without words. */
  readonly statement: PreparedStatement | null;
  readonly sql: string;
  readonly sizeBytes: number;
};

export class Conversation {
  readonly #options: ConversationOptions;
  readonly #statements = new Map<string, Prepared>();
  readonly #portals = new Map<string, { readonly portal: Portal; readonly sql: string }>();
  #heldBytes = 0;
  #isSkipping = false;
  #isOver = false;

  constructor(options: ConversationOptions) {
    this.#options = options;
  }

  /** The session was ended by the server: the client is told, and connects again. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Never rejects for what the client or its statement did wrong. */
  async take(message: ClientMessage): Promise<void> {
    if (message.kind === 'sync') return await this.#sync();
    if (this.#isSkipping) return;
    if (message.kind === 'query') return await this.#query(message.sql);
    try {
      await this.#extended(message);
    } catch (error) {
      this.#isSkipping = true;
      this.#fail(error, this.#textOf(message));
      if (this.#isOver) this.#options.outbox.flush();
    }
  }

  /** Ends what runs behind a portal. */
  async close(): Promise<void> {
    await this.#closePortals();
  }

  async #query(sql: string): Promise<void> {
    const { outbox } = this.#options;
    await this.#closePortal('');
    this.#forget('');
    const time = new Stopwatch();
    const { counts } = this.#options;
    const streams = isSubscription(sql) ? 1 : 0;
    counts.subscriptions += streams;
    try {
      await this.#requireIdle();
      await this.#run(sql, time);
    } catch (error) {
      counts.failed(copiedQuery(sql) ?? sql, error, time.lap());
      this.#fail(error, sql);
    } finally {
      counts.subscriptions -= streams;
    }
    if (!this.#isOver) await this.#ready();
    outbox.flush();
  }

  async #run(sql: string, time: Stopwatch): Promise<void> {
    const { session, outbox, counts } = this.#options;
    const copied = copiedQuery(sql);
    if (copied !== null) {
      await session.run(copied, counts.through(new CopySink(outbox), time));
      return;
    }
    const sink = new SimpleSink(outbox);
    await session.run(sql, counts.through(sink, time));
    if (sink.isEmpty) outbox.write.sign('emptyQuery');
  }

  async #extended(message: ClientMessage): Promise<void> {
    switch (message.kind) {
      case 'parse':
        return await this.#parse(message);
      case 'bind':
        return await this.#bind(message);
      case 'describe':
        return this.#describe(message.target, message.name);
      case 'execute':
        return await this.#execute(message);
      case 'close':
        return await this.#close(message.target, message.name);
      case 'flush':
        return this.#options.outbox.flush();
      case 'copy':
        return;
      default:
        throw protocolError(`a message of kind ${message.kind} has no place here`);
    }
  }

  async #parse({ name, sql, oids, sizeBytes }: Of<'parse'>): Promise<void> {
    const { session, outbox, limits } = this.#options;
    if (name === '') this.#forget('');
    else if (this.#statements.has(name)) {
      throw sqlError('42P05', `prepared statement "${name}" already exists`);
    }
    if (this.#statements.size >= limits.statementsMax) {
      throw sqlError('54000', `there are ${limits.statementsMax} prepared statements already`);
    }
    this.#hold(sizeBytes);
    try {
      const types = oids.map(parameterType);
      await this.#requireIdle();
      const statement = isNothing(sql) ? null : await session.prepare(sql, types);
      this.#statements.set(name, { statement, sql, sizeBytes });
    } catch (error) {
      this.#heldBytes -= sizeBytes;
      throw error;
    }
    outbox.write.sign('parseComplete');
  }

  async #bind(message: Of<'bind'>): Promise<void> {
    const { session, outbox, limits, counts } = this.#options;
    const { portal: name, formats, values, resultFormats, sizeBytes } = message;
    const { statement, sql } = this.#statement(message.statement);
    if (name === '') await this.#closePortal('');
    else if (this.#portals.has(name)) throw sqlError('42P03', `cursor "${name}" already exists`);
    if (this.#portals.size >= limits.portalsMax) {
      throw sqlError('54000', `there are ${limits.portalsMax} portals already`);
    }
    const width = statement?.columns?.length ?? 0;
    if (resultFormats.length > 1 && resultFormats.length !== width) {
      throw protocolError('there must be no result format, one, or one for each column');
    }
    const read = readValues(statement?.parameters ?? [], values, formats);
    this.#hold(sizeBytes);
    const portal = new Portal({
      ...{ session, outbox, counts, statement, values: read, formats: resultFormats, sizeBytes },
      keptRowsMax: limits.keptRowsMax,
    });
    this.#portals.set(name, { portal, sql });
    outbox.write.sign('bindComplete');
  }

  #describe(target: Target, name: string): void {
    const { write } = this.#options.outbox;
    if (target === 'portal') {
      const { columns, formats } = this.#portal(name);
      if (columns === null) write.sign('noData');
      else write.rowDescription(columns, formats);
      return;
    }
    const { statement } = this.#statement(name);
    write.parameterDescription((statement?.parameters ?? []).map(oidOf));
    if (statement === null || statement.columns === null) write.sign('noData');
    else write.rowDescription(statement.columns, []);
  }

  async #execute({ portal: name, rowsMax }: Of<'execute'>): Promise<void> {
    const { write } = this.#options.outbox;
    const portal = this.#portal(name);
    await this.#requireIdle(portal);
    if (portal.isEmpty) {
      write.sign('emptyQuery');
      return;
    }
    const tag = await this.#counted(portal, rowsMax === 0 ? Number.POSITIVE_INFINITY : rowsMax);
    if (tag === null) write.sign('portalSuspended');
    else write.commandComplete(tag);
  }

  /** A statement is counted when it ends, with the time of its last part. */
  async #counted(portal: Portal, rowsMax: number): Promise<string | null> {
    const { counts } = this.#options;
    const time = new Stopwatch();
    const streams = isSubscription(portal.sql) ? 1 : 0;
    counts.subscriptions += streams;
    try {
      const tag = await portal.execute(rowsMax);
      if (tag !== null) counts.ended(tag, 'ok', time.lap());
      return tag;
    } catch (error) {
      counts.failed(portal.sql, error, time.lap());
      throw error;
    } finally {
      counts.subscriptions -= streams;
    }
  }

  async #close(target: Target, name: string): Promise<void> {
    if (target === 'portal') await this.#closePortal(name);
    else this.#forget(name);
    this.#options.outbox.write.sign('closeComplete');
  }

  async #sync(): Promise<void> {
    const { session, outbox } = this.#options;
    const isFailed = this.#isSkipping;
    this.#isSkipping = false;
    try {
      if (isFailed || session.status !== 'open') await this.#closePortals();
      if (![...this.#portals.values()].some(({ portal }) => portal.isRunning)) await session.sync();
    } catch (error) {
      this.#fail(error, null);
    }
    if (!this.#isOver) await this.#ready();
    outbox.flush();
  }

  /** Portals do not outlive their transaction. */
  async #ready(): Promise<void> {
    const { session, outbox } = this.#options;
    if (session.status === 'idle') await this.#closePortals();
    outbox.write.ready(session.status);
  }

  #fail(error: unknown, sql: string | null): void {
    const { outbox, onBug } = this.#options;
    const fields = errorFields(error, sql);
    if (fields.sqlState === 'XX000') onBug(error);
    this.#isOver ||= fields.sqlState === SHUT_DOWN;
    outbox.write.error(fields, this.#isOver ? 'FATAL' : 'ERROR');
    void outbox.push()?.catch(() => undefined);
  }

  /** The session does one thing at a time; a portal with very many rows may still be at it. */
  async #requireIdle(mine?: Portal): Promise<void> {
    const busy = [...this.#portals.values()].find(({ portal }) => portal.isRunning);
    if (busy === undefined || busy.portal === mine) return;
    throw sqlError('55000', 'another portal of this connection is still making rows', {
      hint: 'read it to its end, or close it',
    });
  }

  #textOf(message: ClientMessage): string | null {
    if (message.kind === 'parse') return message.sql;
    if (message.kind === 'execute') return this.#portals.get(message.portal)?.sql ?? null;
    return null;
  }

  #statement(name: string): Prepared {
    const prepared = this.#statements.get(name);
    if (prepared !== undefined) return prepared;
    throw sqlError('26000', `prepared statement "${name}" does not exist`);
  }

  #portal(name: string): Portal {
    const found = this.#portals.get(name);
    if (found !== undefined) return found.portal;
    throw sqlError('34000', `portal "${name}" does not exist`);
  }

  #hold(sizeBytes: number): void {
    const { preparedBytesMax } = this.#options.limits;
    if (this.#heldBytes + sizeBytes > preparedBytesMax) {
      throw sqlError('54000', `prepared statements and portals hold ${preparedBytesMax} bytes`, {
        hint: 'close those that are not needed any more',
      });
    }
    this.#heldBytes += sizeBytes;
  }

  #forget(name: string): void {
    const prepared = this.#statements.get(name);
    if (prepared === undefined) return;
    this.#heldBytes -= prepared.sizeBytes;
    this.#statements.delete(name);
  }

  async #closePortals(): Promise<void> {
    for (const name of [...this.#portals.keys()]) await this.#closePortal(name);
  }

  async #closePortal(name: string): Promise<void> {
    const found = this.#portals.get(name);
    if (found === undefined) return;
    this.#portals.delete(name);
    this.#heldBytes -= found.portal.sizeBytes;
    await found.portal.close(this.#options.cancel);
  }
}

/** Results of a simple query, as they come. */
class SimpleSink implements ResultSink {
  isEmpty = true;
  readonly #outbox: Outbox;
  #columns: Parameters<ResultSink['columns']>[0] = [];

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
  }

  columns(columns: Parameters<ResultSink['columns']>[0]): void {
    this.isEmpty = false;
    this.#columns = columns;
    this.#outbox.write.rowDescription(columns, []);
    void this.#outbox.push()?.catch(() => undefined);
  }

  async rows(rows: Parameters<ResultSink['rows']>[0]): Promise<void> {
    for (const row of rows) {
      this.#outbox.write.dataRow(this.#columns, [], row);
      const waits = this.#outbox.push();
      if (waits !== undefined) await waits;
    }
  }

  complete(tag: string): void {
    this.isEmpty = false;
    this.#outbox.write.commandComplete(tag);
  }

  notice(message: string): void {
    this.#outbox.write.notice(message);
  }
}

function parameterType(oid: number): SqlType | null {
  if (oid === 0 || oid === 705) return null;
  const type = typeOfOid(oid);
  if (type !== undefined) return type;
  throw sqlError('0A000', `the parameter type with the number ${oid} is not supported`);
}

/** Blanks, comments, semicolons. */
function isNothing(sql: string): boolean {
  return sql.replace(/--[^\n]*|\/\*[\s\S]*?\*\/|[\s;]+/g, '') === '';
}
