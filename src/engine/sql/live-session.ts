/**
 * One connection to the service: what the coordinator tells comes at once, and waits here for the one who asked.
 *
 *   idle --run, execute, sync--> running --ready--> idle        any --close--> closed
 */
import type { Response, SqlEvent } from '../../coordinator/sql/types.ts';
import { sqlError } from '../../sql/errors.ts';
import { loadPgParser } from '../../sql/pg-parser.ts';
import type {
  PreparedStatement,
  ResultSink,
  SqlSession,
  TransactionStatus,
} from '../../sql/session.ts';
import type { Statement } from '../../sql/statement.ts';
import type { Column, SqlRow, SqlType, SqlValue } from '../../sql/types.ts';
import { noticeOf, tagOf } from './responses.ts';

/** Rows of a stream that wait for their reader; beyond them the stream ends. */
const WAITING_ROWS_MAX = 100_000;

/** What a session needs of the service. */
export type SessionHost = {
  dispatch(event: SqlEvent): void;
  /** Throws for what cannot be read. */
  parse(sql: string): readonly Statement[];
  /** Throws for what this connection may not do. */
  check(statements: readonly Statement[]): void;
  describe(
    connection: number,
    statement: Statement,
    parameters: readonly (SqlType | null)[],
  ): { readonly parameters: readonly SqlType[]; readonly columns: readonly Column[] | null };
  /** Rows of a SELECT were handed over: it may make more. */
  took(peek: number): void;
  closed(session: LiveSession): void;
};

/** Who is told what the coordinator answers to a connection. At once, in order. */
export type SessionListener = {
  columns(columns: readonly Column[]): void;
  /** Of a stream. False when its reader is too far behind. With a peek, its next rows come after these were taken. */
  rows(rows: readonly SqlRow[], peek?: number): boolean;
  respond(response: Response): void;
  fail(error: unknown): void;
  ready(status: TransactionStatus): void;
};

type Told =
  | { readonly kind: 'columns'; readonly columns: readonly Column[] }
  | { readonly kind: 'rows'; readonly rows: readonly SqlRow[]; readonly peek: number | null }
  | { readonly kind: 'complete'; readonly tag: string }
  | { readonly kind: 'notice'; readonly message: string }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'ready' };

type Prepared = PreparedStatement & { readonly statement: Statement };

export class LiveSession implements SqlSession, SessionListener {
  readonly connection: number;
  readonly secret: number;
  readonly #host: SessionHost;
  #status: TransactionStatus = 'idle';
  #told: Told[] = [];
  #waitingRows = 0;
  #wake: (() => void) | null = null;
  #isRunning = false;
  #end: Error | null = null;

  constructor(host: SessionHost, connection: number, secret: number) {
    this.#host = host;
    this.connection = connection;
    this.secret = secret;
  }

  get status(): TransactionStatus {
    return this.#status;
  }

  async run(sql: string, sink: ResultSink): Promise<void> {
    await loadPgParser();
    const statements = this.#read(sql);
    if (statements.length === 0) return;
    await this.#do({ kind: 'run', connection: this.connection, statements }, sink);
  }

  async prepare(sql: string, types: readonly (SqlType | null)[]): Promise<PreparedStatement> {
    await loadPgParser();
    this.#requireOpen();
    const [statement, second] = this.#read(sql);
    if (statement === undefined || second !== undefined) {
      throw sqlError('42601', 'a prepared statement is one statement', { offset: second?.offset });
    }
    const described = this.#host.describe(this.connection, statement, types);
    const prepared: Prepared = { sql, ...described, statement };
    return prepared;
  }

  async execute(
    prepared: PreparedStatement,
    values: readonly SqlValue[],
    sink: ResultSink,
  ): Promise<void> {
    const { connection } = this;
    const { statement, parameters: types } = prepared as Prepared;
    const parameters = { values, types };
    await this.#do({ kind: 'execute', connection, statement, parameters }, sink);
  }

  async sync(): Promise<void> {
    await this.#do({ kind: 'sync', connection: this.connection }, SILENT);
  }

  async close(): Promise<void> {
    if (this.#end !== null) return;
    this.end(sqlError('57014', 'the connection is closed'));
    this.#host.dispatch({ kind: 'disconnect', connection: this.connection });
    this.#host.closed(this);
  }

  /** What runs fails with this, and so does everything after it. */
  end(error: Error): void {
    this.#end ??= error;
    this.#push({ kind: 'failed', error });
    this.#push({ kind: 'ready' });
  }

  columns(columns: readonly Column[]): void {
    this.#push({ kind: 'columns', columns });
  }

  rows(rows: readonly SqlRow[], peek?: number): boolean {
    this.#push({ kind: 'rows', rows, peek: peek ?? null });
    if (peek !== undefined) return true;
    this.#waitingRows += rows.length;
    return this.#waitingRows <= WAITING_ROWS_MAX;
  }

  respond(response: Response): void {
    if (response.kind === 'canceled') {
      this.fail(sqlError('57014', 'canceling statement due to user request'));
      return;
    }
    const notice = noticeOf(response);
    if (notice !== null) this.#push({ kind: 'notice', message: notice });
    if (response.kind === 'rows') {
      if (response.toldRows === undefined) this.columns(response.columns);
      this.rows(response.rows);
    }
    this.#push({ kind: 'complete', tag: tagOf(response) });
  }

  notice(message: string): void {
    this.#push({ kind: 'notice', message });
  }

  fail(error: unknown): void {
    this.#push({ kind: 'failed', error });
  }

  ready(status: TransactionStatus): void {
    this.#status = status;
    this.#push({ kind: 'ready' });
  }

  /** Statements with parse errors fail before anything is begun, but they fail an open transaction too. */
  #read(sql: string): readonly Statement[] {
    this.#requireOpen();
    const statements = this.#host.parse(sql);
    this.#host.check(statements);
    return statements;
  }

  #requireOpen(): void {
    if (this.#end !== null) throw this.#end;
  }

  async #do(event: SqlEvent, sink: ResultSink): Promise<void> {
    this.#requireOpen();
    if (this.#isRunning) throw sqlError('55000', 'this connection runs another statement');
    this.#isRunning = true;
    try {
      this.#host.dispatch(event);
      await this.#deliver(sink);
    } finally {
      this.#isRunning = false;
    }
  }

  /** Hands over what is told until the batch is over. Every turn takes one, or waits for one. */
  async #deliver(sink: ResultSink): Promise<void> {
    let failure: { readonly error: unknown } | null = null;
    for (;;) {
      const told = this.#told.shift();
      if (told === undefined) await this.#news();
      else if (told.kind === 'ready') break;
      else if (told.kind === 'failed') failure ??= told;
      else if (failure === null) {
        try {
          await this.#hand(told, sink);
        } catch (error) {
          failure = { error };
          // Nobody takes the rows that are still to come.
          const { connection, secret } = this;
          this.#host.dispatch({ kind: 'cancel', connection, secret });
        }
      }
    }
    if (failure !== null) throw failure.error;
  }

  async #hand(told: Told, sink: ResultSink): Promise<void> {
    switch (told.kind) {
      case 'columns':
        sink.columns(told.columns);
        return;
      case 'rows':
        await sink.rows(told.rows);
        if (told.peek === null) this.#waitingRows -= told.rows.length;
        else this.#host.took(told.peek);
        return;
      case 'complete':
        sink.complete(told.tag);
        return;
      case 'notice':
        sink.notice(told.message);
        return;
      default:
    }
  }

  #news(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #push(told: Told): void {
    this.#told.push(told);
    this.#wake?.();
    this.#wake = null;
  }
}

const SILENT: ResultSink = {
  columns: () => undefined,
  rows: () => undefined,
  complete: () => undefined,
  notice: () => undefined,
};
