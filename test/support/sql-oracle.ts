/**
 * The same tables in Postgres and in SQLite, and one question to both: Postgres is the independent evaluator of our SQL. The
 * database sorts text by code points and its sessions are in UTC, as ours are.
 */
import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';
import { bindSelect } from '../../src/sql/bind/query.ts';
import { compileQuery } from '../../src/sql/compile/query.ts';
import { toSqlError } from '../../src/sql/errors.ts';
import { parseBatch } from '../../src/sql/parse/batch.ts';
import { loadPgParser } from '../../src/sql/pg-parser.ts';
import {
  columnAffinity,
  columnName,
  fromStored,
  type Stored,
  toStored,
} from '../../src/sql/storage.ts';
import { fromPostgresText, toPostgresText } from '../../src/sql/text-values.ts';
import type { Column, SqlType } from '../../src/sql/types.ts';
import { registerSqlFunctions } from '../../src/sqlite/sql-functions.ts';

/** What an evaluator says: rows as Postgres would print them, or a failure. */
export type Answer =
  | { readonly kind: 'rows'; readonly columns: readonly string[]; readonly rows: readonly Row[] }
  | { readonly kind: 'error'; readonly code: string; readonly message: string };
type Row = readonly (string | null)[];

const TYPE_BY_OID: ReadonlyMap<number, SqlType> = new Map([
  [16, 'bool'],
  [17, 'bytea'],
  [20, 'int8'],
  [21, 'int2'],
  [23, 'int4'],
  [25, 'text'],
  [26, 'oid'],
  [1009, '_text'],
  [700, 'float4'],
  [701, 'float8'],
  [1043, 'text'],
  [1082, 'date'],
  [1114, 'timestamp'],
  [1184, 'timestamptz'],
  [1186, 'interval'],
  [1700, 'numeric'],
  [2950, 'uuid'],
  [3802, 'jsonb'],
]);

const RAW = { getTypeParser: () => (text: unknown) => text };

export class SqlOracle {
  readonly #postgres: pg.Client;
  readonly #admin: pg.Client;
  readonly #name: string;
  readonly #sqlite = new DatabaseSync(':memory:');
  readonly #tables = new Map<string, readonly Column[]>();

  private constructor(postgres: pg.Client, admin: pg.Client, name: string) {
    this.#postgres = postgres;
    this.#admin = admin;
    this.#name = name;
    registerSqlFunctions(this.#sqlite);
  }

  static async open(postgresUrl: string, schema: string): Promise<SqlOracle> {
    await loadPgParser();
    const admin = new pg.Client(postgresUrl);
    await admin.connect();
    const name = `oracle_${process.pid}_${process.hrtime.bigint()}`;
    await admin.query(
      `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LC_COLLATE 'C' LC_CTYPE 'C'`,
    );
    const url = new URL(postgresUrl);
    url.pathname = `/${name}`;
    const postgres = new pg.Client(url.href);
    await postgres.connect();
    await postgres.query(`SET timezone = 'UTC'`);
    await postgres.query(schema);
    const oracle = new SqlOracle(postgres, admin, name);
    await oracle.#copyTables();
    return oracle;
  }

  async close(): Promise<void> {
    this.#sqlite.close();
    await this.#postgres.end();
    await this.#admin.query(`DROP DATABASE ${this.#name} WITH (FORCE)`);
    await this.#admin.end();
  }

  async #copyTables(): Promise<void> {
    const { rows } = await this.#postgres.query<{ relname: string }>(
      `SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1`,
    );
    for (const { relname } of rows) await this.#copyTable(relname);
  }

  async #copyTable(table: string): Promise<void> {
    const result = await this.#postgres.query<(string | null)[]>({
      text: `SELECT * FROM ${table}`,
      rowMode: 'array',
      types: RAW,
    });
    const columns = result.fields.map(({ name, dataTypeID }) => ({
      name,
      type: TYPE_BY_OID.get(dataTypeID) ?? 'unknown',
      isNullable: true,
    }));
    this.#tables.set(table, columns);
    const list = columns.map(({ type }, index) => `${columnName(index)} ${columnAffinity(type)}`);
    this.#sqlite.exec(`CREATE TABLE "${table}" (${list.join(', ')})`);
    const marks = columns.map(() => '?').join(', ');
    const insert = this.#sqlite.prepare(`INSERT INTO "${table}" VALUES (${marks})`);
    for (const row of result.rows) {
      insert.run(
        ...columns.map(({ type }, index) =>
          toStored(type, fromPostgresText(type, textAt(row, index))),
        ),
      );
    }
  }

  async ask(sql: string): Promise<Answer> {
    try {
      const { fields, rows } = await this.#postgres.query<(string | null)[]>({
        text: sql,
        rowMode: 'array',
        types: RAW,
      });
      const columns = fields.map(
        ({ name, dataTypeID }) => `${name}:${TYPE_BY_OID.get(dataTypeID) ?? dataTypeID}`,
      );
      return { kind: 'rows', columns, rows };
    } catch (error) {
      if (!(error instanceof pg.DatabaseError)) throw error;
      return { kind: 'error', code: error.code ?? '', message: error.message };
    }
  }

  /** Throws what is no failure of SQL: a bug. */
  answer(sql: string): Answer {
    try {
      return this.#answer(sql);
    } catch (thrown) {
      const { sqlState: code, message } = toSqlError(thrown);
      if (code === 'XX000') throw thrown;
      return { kind: 'error', code, message };
    }
  }

  /** What SQLite is asked. */
  compile(sql: string): string {
    return this.#compile(sql).text;
  }

  #compile(sql: string): { readonly columns: readonly Column[]; readonly text: string } {
    const [statement] = parseBatch(sql);
    if (statement?.kind !== 'select') throw new Error(`no query: ${sql}`);
    const query = bindSelect(statement.select, ({ parts }) => {
      const table = parts.at(-1) ?? '';
      const columns = this.#tables.get(table);
      return columns === undefined ? null : { item: table, columns };
    });
    const text = compileQuery(query, {
      relation: (item) => `SELECT * FROM "${item}"`,
      time: 0,
      now: 0,
    });
    return { columns: query.columns, text };
  }

  #answer(sql: string): Answer {
    const { columns, text } = this.#compile(sql);
    const statement = this.#sqlite.prepare(text);
    statement.setReadBigInts(true);
    statement.setReturnArrays(true);
    const rows = statement.all().map((row): Row => {
      const cells = Object.values(row) as readonly Stored[];
      return columns.map(({ type }, index) =>
        toPostgresText(type, fromStored(type, cells[index] ?? null)),
      );
    });
    return { kind: 'rows', columns: columns.map(({ name, type }) => `${name}:${type}`), rows };
  }
}

const textAt = (row: readonly unknown[], index: number): string | null => {
  const value = row[index];
  return value === null || value === undefined ? null : String(value);
};
