/** Two-way replicas on real parts: Postgres with an enabled table, engine, HTTP server, replicas that write. */
import { DatabaseSync } from 'node:sqlite';
import { expect, inject, onTestFinished } from 'vitest';
import { hasCode } from '../../src/core/errors.ts';
import type { TokenSource } from '../../src/http-transport.ts';
import { PgSession } from '../../src/postgres/session.ts';
import { enableTwoway } from '../../src/postgres/twoway/enable.ts';
import { openReplicaWith, type ReplicaHooks, type WritableReplica } from '../../src/replica.ts';
import { Stack, type StackOptions, until } from './stack.ts';

/** `note_audit` has one row for every change that Postgres really made: nothing is done twice. */
const NOTE_SCHEMA = `
  CREATE TABLE note (id text PRIMARY KEY, title text NOT NULL DEFAULT '', body text, n bigint);
  CREATE TABLE note_audit (at bigserial PRIMARY KEY, op text, id text, title text);
  CREATE FUNCTION note_audit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    INSERT INTO note_audit (op, id, title) VALUES (TG_OP, coalesce(NEW.id, OLD.id), coalesce(NEW.title, OLD.title));
    RETURN NULL; END $$;
  CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON note FOR EACH ROW EXECUTE FUNCTION note_audit();
`;

export type Note = {
  readonly id: string;
  readonly title: string;
  readonly body: string | null;
  readonly n: number | null;
};

const NOTES_SQL = 'SELECT id, title, body, n FROM note ORDER BY id';

export class TwowayBed {
  readonly stack: Stack;
  readonly #replicas = new Map<string, WritableReplica>();

  private constructor(stack: Stack) {
    this.stack = stack;
  }

  /** `tables`: enabled for writing, with their selector rules. */
  static async open(
    options: Partial<StackOptions> & {
      readonly enabled?: Readonly<Record<string, string | undefined>>;
    } = {},
  ): Promise<TwowayBed> {
    const { enabled = { 'public.note': '*' }, ...stackOptions } = options;
    const stack = await Stack.prepare({
      ...{ postgresUrl: inject('postgresUrl'), tables: {}, ...stackOptions },
      schema: 'SELECT',
    });
    const bed = new TwowayBed(stack);
    onTestFinished(() => bed.#close());
    await stack.sql.query(
      stackOptions.schema === undefined ? NOTE_SCHEMA : 'CREATE TABLE first (id text PRIMARY KEY)',
    );
    if (stackOptions.schema !== undefined) {
      await enable(stack.url, 'public.first'); // policies call functions that come with the first table
      await stack.sql.query(stackOptions.schema);
    }
    for (const [table, rule] of Object.entries(enabled)) await enable(stack.url, table, rule);
    await stack.start();
    return bed;
  }

  /** Opens the replica, or gives the one that is open. */
  async replica(
    name: string,
    hooks: ReplicaHooks = {},
    options: { readonly token?: TokenSource; readonly server?: string } = {},
  ): Promise<WritableReplica> {
    const open = this.#replicas.get(name);
    if (open !== undefined) return open;
    const replica = await openReplicaWith(
      { server: this.stack.server, file: this.stack.file(name), write: true, ...options },
      { heartbeatS: 1, ...hooks },
    );
    this.#replicas.set(name, replica);
    return replica;
  }

  async closeReplica(name: string): Promise<void> {
    await this.#replicas.get(name)?.close();
    this.#replicas.delete(name);
  }

  /** What any reader of the file sees. */
  notes(name: string): readonly Note[] {
    return readFile(this.stack.file(name), NOTES_SQL) as Note[];
  }

  async notesInPostgres(): Promise<readonly Note[]> {
    const { rows } = await this.stack.sql.query<Note>(NOTES_SQL);
    return rows.map((row) => ({ ...row, n: row.n === null ? null : Number(row.n) }));
  }

  /** Everything is sent and fetched; then every file shows what Postgres has, and its digests agree. */
  async converge(...names: readonly string[]): Promise<readonly Note[]> {
    const replicas = await Promise.all(names.map((name) => this.replica(name)));
    for (const replica of replicas) await until('all is sent', () => hasSynced(replica));
    for (const replica of replicas) await replica.check({ timeoutMs: 20_000 });
    const notes = await this.notesInPostgres();
    for (const name of names) expect(this.notes(name), name).toEqual(notes);
    return notes;
  }

  async #close(): Promise<void> {
    for (const name of [...this.#replicas.keys()]) await this.closeReplica(name);
    await this.stack.close();
  }
}

/** False when a try was still under way to a server that has been started meanwhile. */
async function hasSynced(replica: WritableReplica): Promise<boolean> {
  try {
    await replica.sync({ timeoutMs: 20_000 });
    return true;
  } catch (error) {
    if (hasCode(error, 'SERVER_UNREACHABLE')) return false;
    throw error;
  }
}

/** A plain program's way of reading or writing the file. */
export function readFile(file: string, sql: string): readonly Record<string, unknown>[] {
  const db = new DatabaseSync(file, { readOnly: true, timeout: 5000 });
  try {
    return db
      .prepare(sql)
      .all()
      .map((row) => ({ ...row }));
  } finally {
    db.close();
  }
}

/** Another program writes: one connection, no function of ours. */
export function writeFile(file: string, sql: string): void {
  const db = new DatabaseSync(file, { timeout: 5000 });
  try {
    db.exec(sql);
  } finally {
    db.close();
  }
}

async function enable(url: string, table: string, rule?: string): Promise<void> {
  const session = await PgSession.connect({ url });
  try {
    await enableTwoway(session, { table, rule });
  } finally {
    await session.end();
  }
}
