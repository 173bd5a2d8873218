/** How the shell, the wire protocol and scripts reach SQL: the port between those who ask and the one who answers. */
import type { Column, SqlRow, SqlType, SqlValue } from './types.ts';

/** What a statement has done, in PostgreSQL's words: `SELECT 3`, `INSERT 0 1`, `CREATE VIEW`. */
export type CommandTag = string;

/** Where the results of a batch go, in order. A promise holds the producer back. */
export type ResultSink = {
  /** Rows follow; every `rows` has its `columns` before it. */
  columns(columns: readonly Column[]): void;
  rows(rows: readonly SqlRow[]): void | Promise<void>;
  /** A statement is done. */
  complete(tag: CommandTag): void;
  notice(message: string): void;
};

/** `idle` outside of a transaction, `open` in one, `failed` in one that can only be rolled back. */
export type TransactionStatus = 'idle' | 'open' | 'failed';

/** One connection. Calls are made one after the other, `cancel` of the backend aside. */
export type SqlSession = {
  readonly connection: number;
  /** Whoever knows it may cancel. */
  readonly secret: number;
  readonly status: TransactionStatus;
  /**
   * Runs a batch of statements (the simple protocol). Rejects with an `SqlError`, which has SQLSTATE and
   * place; statements before it in the batch are undone as PostgreSQL does it.
   */
  run(sql: string, sink: ResultSink): Promise<void>;
  /** Reads one statement for `execute`; `parameters` are the types that the client named, by position. */
  prepare(sql: string, parameters: readonly (SqlType | null)[]): Promise<PreparedStatement>;
  /** Carries it out with these values. Clients that want a few rows at a time hold the sink back. */
  execute(
    statement: PreparedStatement,
    values: readonly SqlValue[],
    sink: ResultSink,
  ): Promise<void>;
  /** Ends the implicit transaction of the extended protocol (Sync). */
  sync(): Promise<void>;
  /** Ends what runs, gives everything back. */
  close(): Promise<void>;
};

export type PreparedStatement = {
  readonly sql: string;
  readonly parameters: readonly SqlType[];
  /** Null for a statement that gives no rows. */
  readonly columns: readonly Column[] | null;
};

export type SqlBackend = {
  open(client: { readonly user: string; readonly database: string }): SqlSession;
  /** Cancels what the connection runs. A wrong secret is ignored without a word. */
  cancel(connection: number, secret: number): void;
};
