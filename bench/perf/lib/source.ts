/** The database of the benchmarks: an embedded Postgres of their own, and loads that run inside the server. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { EmbeddedPostgres } from '../../../src/postgres/embedded.ts';

const ROW = "g, g, g + 1, g + 2, rpad(g::text || '-', 100, 'abcdefghij')";

/** Row: integer key, three integers, 100 bytes of text; as in every published figure of ours. */
const SCHEMA = `
  CREATE TABLE t (id int PRIMARY KEY, a int, b int, c int, t text);
  CREATE TABLE many (id int PRIMARY KEY, selector text, a int, t text);
  ALTER TABLE many REPLICA IDENTITY FULL;
  CREATE PROCEDURE load_one_row_each(first int, n int) LANGUAGE plpgsql AS $$
    BEGIN FOR g IN first .. first + n - 1 LOOP
      INSERT INTO t VALUES (${ROW}); COMMIT;
    END LOOP; END $$;
  CREATE PROCEDURE load_paced(first int, n int, gap float8) LANGUAGE plpgsql AS $$
    DECLARE start timestamptz := clock_timestamp(); due float8;
    BEGIN FOR i IN 0 .. n - 1 LOOP
      due := i * gap - extract(epoch FROM clock_timestamp() - start);
      IF due > 0 THEN PERFORM pg_sleep(due); END IF;
      INSERT INTO t SELECT ${ROW} FROM (SELECT first + i AS g) x; COMMIT;
    END LOOP; END $$;
`;

export type Load = 'large' | 'oneRow' | 'huge';

export class BenchSource {
  readonly url: string;
  readonly sql: pg.Client;
  readonly #postgres: EmbeddedPostgres;
  readonly #dir: string;

  private constructor(postgres: EmbeddedPostgres, url: string, sql: pg.Client, dir: string) {
    this.#postgres = postgres;
    this.url = url;
    this.sql = sql;
    this.#dir = dir;
  }

  static async open(): Promise<BenchSource> {
    const dir = mkdtempSync(join(tmpdir(), 'tidelock-bench-'));
    const settings = {
      max_wal_size: '8GB',
      checkpoint_timeout: '30min',
      shared_buffers: '512MB',
      autovacuum: 'off',
    };
    const postgres = await EmbeddedPostgres.start({ dir: join(dir, 'pg'), settings });
    const url = await postgres.createDatabase('bench');
    const sql = new pg.Client(url);
    await sql.connect();
    await sql.query(SCHEMA);
    return new BenchSource(postgres, url, sql, dir);
  }

  /** A folder that goes with the source. */
  folder(name: string): string {
    return join(this.#dir, name);
  }

  /** Loads `rows` new rows and returns the position behind them. */
  async load(kind: Load, rows: number): Promise<string> {
    await this.sql.query('TRUNCATE t');
    if (kind === 'large') {
      for (let from = 1; from <= rows; from += 10_000) {
        await this.sql.query(
          `INSERT INTO t SELECT ${ROW} FROM generate_series(${from}, ${Math.min(rows, from + 9_999)}) g`,
        );
      }
    } else if (kind === 'huge') {
      await this.sql.query(`INSERT INTO t SELECT ${ROW} FROM generate_series(1, ${rows}) g`);
    } else {
      await this.sql.query('SET synchronous_commit = off');
      await this.sql.query(`CALL load_one_row_each(1, ${rows})`);
      await this.sql.query('SET synchronous_commit = on');
    }
    await this.sql.query('CHECKPOINT');
    return this.position();
  }

  async position(): Promise<string> {
    const { rows } = await this.sql.query<{ lsn: string }>(
      'SELECT pg_current_wal_insert_lsn()::text AS lsn',
    );
    return rows[0]?.lsn ?? '';
  }

  async close(): Promise<void> {
    await this.sql.end();
    await this.#postgres.stop();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
