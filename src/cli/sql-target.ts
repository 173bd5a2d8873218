/** What the SQL shell works on: a service of its own, or one that is reached by the wire protocol. */
import { typeOfOid } from '../pgwire/oids.ts';
import { SqlClient } from '../postgres/sql-client.ts';
import type { ResultSink, SqlBackend } from '../sql/session.ts';
import { fromPostgresText } from '../sql/text-values.ts';
import type { Column, SqlRow } from '../sql/types.ts';

export type SqlTarget = {
  run(sql: string, sink: ResultSink): Promise<void>;
  /** Ends what runs. */
  cancel(): void;
  close(): Promise<void>;
};

/** `close` ends the backend too. */
export function localTarget(backend: SqlBackend, closeBackend: () => Promise<void>): SqlTarget {
  const session = backend.open({ user: 'local', database: 'tidelock' });
  return {
    run: (sql, sink) => session.run(sql, sink),
    cancel: () => backend.cancel(session.connection, session.secret),
    close: async () => {
      await session.close();
      await closeBackend();
    },
  };
}

/** Throws `SERVER_UNREACHABLE`, `TOKEN_INVALID`, `TOKEN_FORBIDS`. */
export async function remoteTarget(url: string, token: string | undefined): Promise<SqlTarget> {
  const client = await SqlClient.connect({ url, password: token });
  return {
    run: (sql, sink) => client.run(sql, wireSink(sink)),
    cancel: () => client.cancel(),
    close: () => client.close(),
  };
}

function wireSink(sink: ResultSink): Parameters<SqlClient['run']>[1] {
  let columns: readonly Column[] = [];
  return {
    columns: (told) => {
      columns = told.map(({ name, oid }) => ({
        ...{ name, type: typeOfOid(oid) ?? 'text', isNullable: true },
      }));
      sink.columns(columns);
    },
    row: (row) => {
      const values: SqlRow = columns.map(({ type }, index) =>
        fromPostgresText(type, row[index] ?? null),
      );
      void sink.rows([values]);
    },
    complete: (tag) => sink.complete(tag),
    notice: (message) => sink.notice(message),
  };
}
