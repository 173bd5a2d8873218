/**
 * The durable run database in a Postgres: schema `tidelock_runs`, one copy per area, every row under its area and key.
 *
 * A batch is one transaction with the copy's new mark; rows travel as one JSON array per page and table.
 */
import { hasCode, messageOf, TidelockError } from '../../core/errors.ts';
import { quoteName } from '../../core/table.ts';
import type {
  CopyBatch,
  CopyMark,
  CopyPage,
  CopyRow,
  DurableStore,
  LeaseRequest,
  SyncLease,
} from '../../planner/run-durable.ts';
import {
  COPIED_TABLES,
  copiedColumns,
  sqlName as plainName,
  type RunColumn,
  type RunColumnKind,
  type RunTable,
  type RunTableName,
  runTable,
} from '../../planner/run-tables.ts';
import { type PgRow, PgSession } from '../session.ts';

const SCHEMA = 'tidelock_runs';
/** `new` and `old` are columns of ours. */
const sqlName = (field: string): string => quoteName(plainName(field));

const PAGE_ROWS = 2000;
const CONNECT_MS = 3000;
/** A statement that hangs is a database that is away: the bound of the sync is seconds. */
const STATEMENT_MS = 4000;
/** Serialises those that make the schema. */
const LOCK_KEY = 7_402_118;

const TYPES: Readonly<Record<RunColumnKind, string>> = {
  ...{ int: 'bigint', real: 'double precision', text: 'text', bool: 'boolean', json: 'json' },
};

const FACTS = `CREATE TABLE IF NOT EXISTS ${SCHEMA}.copies (
  area text PRIMARY KEY, history text, seq bigint, syncer text, syncer_until bigint)`;

export class DurablePostgres implements DurableStore {
  readonly where: string;
  readonly #url: string;
  readonly #area: string;
  #session: PgSession | null = null;
  /** Calls go one after the other: a transaction is several statements. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(url: string, area: string) {
    this.#url = url;
    this.#area = area;
    const { host, pathname } = new URL(url);
    this.where = `postgres://${host}${pathname}`;
  }

  lease({ owner, now, ms, gone }: LeaseRequest): Promise<SyncLease> {
    return this.#do(async (session) => {
      const rows = await session.query(
        `UPDATE ${SCHEMA}.copies SET syncer = $2, syncer_until = $3
         WHERE area = $1 AND (syncer IS NULL OR syncer IN ($2, $5) OR syncer_until <= $4)
         RETURNING area`,
        [this.#area, owner, String(now + ms), String(now), gone ?? owner],
      );
      if (rows.length > 0) return { isOurs: true };
      const held = await this.#copy(session);
      return { isOurs: false, owner: held?.syncer ?? '', until: Number(held?.syncer_until ?? 0) };
    });
  }

  release(owner: string): Promise<void> {
    return this.#do(async (session) => {
      await session.query(
        `UPDATE ${SCHEMA}.copies SET syncer = NULL, syncer_until = NULL WHERE area = $1 AND syncer = $2`,
        [this.#area, owner],
      );
    });
  }

  mark(): Promise<CopyMark | null> {
    return this.#do(async (session) => markOf(await this.#copy(session)));
  }

  apply(batch: CopyBatch): Promise<void> {
    return this.#do(async (session) => {
      await session.query('BEGIN');
      try {
        await this.#requirePlace(session, batch);
        for (const page of batch.pages) await this.#writePage(session, page);
        await session.query(`UPDATE ${SCHEMA}.copies SET history = $2, seq = $3 WHERE area = $1`, [
          this.#area,
          batch.to.history,
          String(batch.to.seq),
        ]);
        await session.query('COMMIT');
      } catch (error) {
        await session.query('ROLLBACK').catch(() => undefined); // it is gone with its connection
        throw error;
      }
    });
  }

  async *pages(): AsyncIterable<{
    readonly table: RunTableName;
    readonly rows: readonly CopyRow[];
  }> {
    for (const table of COPIED_TABLES) {
      for (let after = 0; ; ) {
        const rows = await this.#do((session) => this.#page(session, table, after));
        if (rows.length === 0) break;
        yield { table: table.name, rows };
        after = Number(rows.at(-1)?.[table.key]);
      }
    }
  }

  async close(): Promise<void> {
    await this.#last.catch(() => undefined);
    await this.#forget();
  }

  #do<T>(work: (session: PgSession) => Promise<T>): Promise<T> {
    const result = this.#last.then(async () => {
      try {
        return await work(await this.#open());
      } catch (error) {
        if (hasCode(error, 'SYNC_TAKEN')) throw error;
        await this.#forget();
        throw downError(this.where, error);
      }
    });
    this.#last = result.catch(() => undefined); // its caller hears of it
    return result;
  }

  async #open(): Promise<PgSession> {
    if (this.#session !== null) return this.#session;
    const session = await PgSession.connect({
      ...{ url: this.#url, applicationName: 'tidelock:runs', connectTimeoutMs: CONNECT_MS },
      settings: { statement_timeout: String(STATEMENT_MS), synchronous_commit: 'on' },
    });
    try {
      await prepare(session, this.#area);
    } catch (error) {
      await session.end();
      throw error;
    }
    this.#session = session;
    return session;
  }

  async #forget(): Promise<void> {
    const session = this.#session;
    this.#session = null;
    await session?.end().catch(() => undefined); // a lost connection has no end to wait for
  }

  async #copy(session: PgSession): Promise<PgRow | undefined> {
    const [row] = await session.query(
      `SELECT history, seq, syncer, syncer_until FROM ${SCHEMA}.copies WHERE area = $1`,
      [this.#area],
    );
    return row;
  }

  /** Locks the copy's row: nobody else writes until the commit. */
  async #requirePlace(session: PgSession, { owner, from }: CopyBatch): Promise<void> {
    await session.query(`SELECT 1 FROM ${SCHEMA}.copies WHERE area = $1 FOR UPDATE`, [this.#area]);
    const copy = await this.#copy(session);
    const mark = markOf(copy);
    const isHere = mark?.seq === from?.seq && mark?.history === from?.history;
    if (copy?.syncer === owner && isHere) return;
    throw new TidelockError({
      code: 'SYNC_TAKEN',
      message: `the durable run database is not ours to write: ${copy?.syncer ?? 'nobody'} has it`,
    });
  }

  async #writePage(session: PgSession, { removed, rows }: CopyPage): Promise<void> {
    for (const { table, id } of removed) {
      const key = sqlName(runTable(table).key);
      await session.query(`DELETE FROM ${SCHEMA}.${table} WHERE area = $1 AND ${key} = $2`, [
        this.#area,
        String(id),
      ]);
    }
    for (const part of rows) {
      if (part.rows.length === 0) continue;
      await session.query(upsert(runTable(part.table)), [JSON.stringify(recordsOf(part))]);
    }
  }

  async #page(session: PgSession, table: RunTable, after: number): Promise<readonly CopyRow[]> {
    const columns = copiedColumns(table);
    const key = sqlName(table.key);
    const list = columns.map(({ field }) => sqlName(field)).join(', ');
    const found = await session.query(
      `SELECT ${list} FROM ${SCHEMA}.${table.name} WHERE area = $1 AND ${key} > $2
       ORDER BY ${key} LIMIT ${PAGE_ROWS}`,
      [this.#area, String(after)],
    );
    return found.map((row) =>
      Object.fromEntries(columns.map((column) => [column.field, cellOf(column, row)])),
    );
  }
}

async function prepare(session: PgSession, area: string): Promise<void> {
  await session.query('BEGIN');
  await session.query(`SELECT pg_advisory_xact_lock(${LOCK_KEY})`);
  await session.query(`CREATE SCHEMA IF NOT EXISTS ${SCHEMA}`);
  await session.query(FACTS);
  for (const table of COPIED_TABLES) {
    const columns = copiedColumns(table).map(
      ({ field, kind, isNullable }) =>
        `${sqlName(field)} ${TYPES[kind]}${isNullable || kind === 'json' ? '' : ' NOT NULL'}`,
    );
    const key = `PRIMARY KEY (area, ${sqlName(table.key)})`;
    await session.query(
      `CREATE TABLE IF NOT EXISTS ${SCHEMA}.${table.name} (${[...columns, key].join(', ')})`,
    );
  }
  await session.query(`INSERT INTO ${SCHEMA}.copies (area) VALUES ($1) ON CONFLICT DO NOTHING`, [
    area,
  ]);
  await session.query('COMMIT');
}

/** One statement for a page: the rows come as JSON. */
function upsert(table: RunTable): string {
  const columns = copiedColumns(table);
  const names = columns.map(({ field }) => sqlName(field));
  const types = columns.map(({ field, kind }) => `${sqlName(field)} ${TYPES[kind]}`).join(', ');
  const sets = names.map((name) => `${name} = excluded.${name}`).join(', ');
  return `INSERT INTO ${SCHEMA}.${table.name} (${names.join(', ')})
    SELECT ${names.join(', ')} FROM json_to_recordset($1::json) AS rows (${types})
    ON CONFLICT (area, ${sqlName(table.key)}) DO UPDATE SET ${sets}`;
}

function recordsOf(part: CopyPage['rows'][number]): readonly CopyRow[] {
  const columns = copiedColumns(runTable(part.table));
  return part.rows.map((row) =>
    Object.fromEntries(columns.map(({ field }) => [plainName(field), row[field] ?? null])),
  );
}

function cellOf({ field, kind }: RunColumn, row: PgRow): unknown {
  const text = row[plainName(field)] ?? null;
  if (text === null) return null;
  if (kind === 'json') return JSON.parse(text);
  if (kind === 'bool') return text === 't';
  return kind === 'text' ? text : Number(text);
}

function markOf(copy: PgRow | undefined): CopyMark | null {
  const history = copy?.history ?? null;
  return history === null ? null : { history, seq: Number(copy?.seq) };
}

function downError(where: string, cause: unknown): TidelockError {
  return new TidelockError({
    code: 'DURABLE_DOWN',
    message: `the durable run database ${where} cannot be used: ${messageOf(cause)}`,
    hint: 'runs go on; what waits follows in order when it answers',
    cause,
  });
}
