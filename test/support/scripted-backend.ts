/** A backend of SQL that knows a few made-up statements: what the wire server does is then known exactly. */
import { sqlError } from '../../src/sql/errors.ts';
import type {
  PreparedStatement,
  ResultSink,
  SqlBackend,
  SqlSession,
  TransactionStatus,
} from '../../src/sql/session.ts';
import type { Column, SqlRow, SqlType, SqlValue } from '../../src/sql/types.ts';

/** The answer to a statement. `values` are those of its parameters. */
export type ScriptedAnswer = {
  readonly columns: readonly Column[] | null;
  readonly parameters?: readonly SqlType[];
  readonly tag: string;
  /** Each list is handed over by one call. */
  readonly rows?: (values: readonly SqlValue[]) => Iterable<readonly SqlRow[]>;
  readonly notice?: string;
  /** Goes on until it is canceled. */
  readonly isEndless?: boolean;
};

export type Script = Readonly<Record<string, ScriptedAnswer>>;

export function column(name: string, type: SqlType): Column {
  return { name, type, isNullable: true };
}

export class ScriptedBackend implements SqlBackend {
  readonly script: Script;
  readonly sessions = new Set<ScriptedSession>();
  /** Rows that were handed over so far, by anybody. */
  rowsMade = 0;
  readonly clients: { user: string; database: string }[] = [];

  constructor(script: Script) {
    this.script = script;
  }

  open(client: { readonly user: string; readonly database: string }): SqlSession {
    this.clients.push(client);
    const session = new ScriptedSession(this, this.clients.length);
    this.sessions.add(session);
    return session;
  }

  cancel(connection: number, secret: number): void {
    for (const session of this.sessions) {
      if (session.connection === connection && session.secret === secret) session.cancel();
    }
  }
}

class ScriptedSession implements SqlSession {
  readonly connection: number;
  readonly secret = 0x7654_3210;
  status: TransactionStatus = 'idle';
  readonly #backend: ScriptedBackend;
  #cancel: (() => void) | null = null;

  constructor(backend: ScriptedBackend, connection: number) {
    this.#backend = backend;
    this.connection = connection;
  }

  cancel(): void {
    this.#cancel?.();
  }

  async run(sql: string, sink: ResultSink): Promise<void> {
    for (const text of sql.split(';')) {
      if (text.trim() !== '')
        await this.#answer(text.trim(), [], { sink, offset: sql.indexOf(text.trim()) });
    }
  }

  async prepare(sql: string): Promise<PreparedStatement> {
    const { columns, parameters = [] } = this.#find(sql, 0);
    return { sql, columns, parameters };
  }

  async execute(
    { sql }: PreparedStatement,
    values: readonly SqlValue[],
    sink: ResultSink,
  ): Promise<void> {
    await this.#answer(sql, values, { sink, offset: 0 });
  }

  async sync(): Promise<void> {}

  async close(): Promise<void> {
    this.cancel();
    this.#backend.sessions.delete(this);
  }

  #find(sql: string, offset: number): ScriptedAnswer {
    const found = this.#backend.script[sql.trim()];
    if (found === undefined)
      throw sqlError('42601', `nobody wrote "${sql}"`, { offset, hint: 'write it' });
    return found;
  }

  async #answer(
    sql: string,
    values: readonly SqlValue[],
    { sink, offset }: { sink: ResultSink; offset: number },
  ): Promise<void> {
    if (this.status === 'failed' && sql !== 'ROLLBACK')
      throw sqlError('25P02', 'the transaction has failed');
    try {
      const answer = this.#find(sql, offset);
      await this.#tell(answer, values, sink);
    } catch (error) {
      if (this.status === 'open') this.status = 'failed';
      throw error;
    }
    if (sql === 'BEGIN') this.status = 'open';
    if (sql === 'COMMIT' || sql === 'ROLLBACK') this.status = 'idle';
  }

  async #tell(
    answer: ScriptedAnswer,
    values: readonly SqlValue[],
    sink: ResultSink,
  ): Promise<void> {
    if (answer.notice !== undefined) sink.notice(answer.notice);
    if (answer.columns !== null) sink.columns(answer.columns);
    let isCanceled = false;
    const canceled = new Promise<void>((resolve) => {
      this.#cancel = () => {
        isCanceled = true;
        resolve();
      };
    });
    for (const rows of answer.rows?.(values) ?? []) {
      await sink.rows(rows);
      this.#backend.rowsMade += rows.length;
      if (isCanceled) throw sqlError('57014', 'canceling statement due to user request');
    }
    if (answer.isEndless === true) {
      await canceled;
      throw sqlError('57014', 'canceling statement due to user request');
    }
    this.#cancel = null;
    sink.complete(answer.tag);
  }
}
