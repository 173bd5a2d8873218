/** Main's own connection to Postgres, made anew when it was lost: Postgres is killed now and then. */
import { hasCode } from '../../core/errors.ts';
import { type PgRow, PgSession } from '../../postgres/session.ts';
import { until, type Wait } from '../until.ts';

const POSITION_SQL = 'SELECT pg_current_wal_insert_lsn()::text AS lsn';

export class Admin {
  readonly #url: string;
  #session: PgSession | null = null;

  constructor(url: string) {
    this.#url = url;
  }

  /** Throws `SOURCE_DOWN` when Postgres is away. */
  async session(): Promise<PgSession> {
    if (this.#session === null || this.#session.isLost) {
      this.#session = await PgSession.connect({
        url: this.#url,
        applicationName: 'tidelock stress main',
      });
    }
    return this.#session;
  }

  async query(sql: string, params: readonly (string | null)[] = []): Promise<readonly PgRow[]> {
    const session = await this.session();
    return session.query(sql, params);
  }

  /** The same, and waits for a Postgres that is away. Only for what may be asked twice. */
  async ask(sql: string, wait: Wait): Promise<readonly PgRow[]> {
    return until('Postgres answers', () => this.query(sql).catch(undefinedIfDown), wait);
  }

  /** The end of everything that is committed now. */
  async position(wait: Wait): Promise<string> {
    const [row] = await this.ask(POSITION_SQL, wait);
    return row?.lsn ?? '0/0';
  }

  async end(): Promise<void> {
    await this.#session?.end();
  }
}

function undefinedIfDown(error: unknown): undefined {
  if (!hasCode(error, 'SOURCE_DOWN')) throw error;
}
