/** SQL over a stack's engine: service, port, views for replicas; closed and opened again like a server. */
import { join } from 'node:path';
import pg from 'pg';
import { parseLsn } from '../../src/core/lsn.ts';
import { systemClock as engineClock } from '../../src/engine/clock.ts';
import { SqlService } from '../../src/engine/sql/service.ts';
import {
  openViewEngine,
  type ViewEngine,
  viewedTables,
} from '../../src/engine/views/view-engine.ts';
import { WireServer } from '../../src/pgwire/server.ts';
import { systemClock } from '../../src/server/clock.ts';
import { DEFAULT_LIMITS, NO_TOKENS } from '../../src/server/config.ts';
import { createLog } from '../../src/server/log.ts';
import { createServer, type TidelockServer } from '../../src/server/server.ts';
import type { Stack } from './stack.ts';

type Parts = {
  readonly service: SqlService;
  readonly views: ViewEngine;
  readonly wire: WireServer;
  readonly http: TidelockServer;
};

export class SqlBed {
  readonly notices: string[] = [];
  readonly bugs: unknown[] = [];
  readonly #stack: Stack;
  #parts: Parts | null = null;
  #port = 0;
  /** Of the HTTP server that offers views. */
  url = '';
  #httpPort = 0;
  #client: pg.Client | null = null;

  constructor(stack: Stack) {
    this.#stack = stack;
  }

  /** For the engine's `onAppended`. */
  readonly wake = (): void => this.#parts?.service.wake();

  async open(): Promise<void> {
    const { engine } = this.#stack;
    const dir = join(this.#stack.dir, 'server', 'sql');
    const onNotice = (notice: string): void => void this.notices.push(notice);
    const tables = viewedTables(engine);
    const views = await openViewEngine({ dir, clock: engineClock, tables, onNotice });
    const service = await SqlService.open({
      ...{ dir, clock: engineClock, rows: engine.rows, views: views.source, onNotice },
      ...{ files: 'none', random: Math.random },
    });
    const wire = new WireServer({
      ...{ backend: service, host: '127.0.0.1', port: this.#port, needsPassword: false },
      serverVersion: '18.0 (test)',
      authenticate: async () => ({ expiresInMs: null }),
      onBug: (error) => this.bugs.push(error),
    });
    this.#port = (await wire.listen()).port;
    const http = createServer({
      ...{ engine, views: views.engine, clock: systemClock },
      log: createLog('silent', () => undefined),
      config: {
        ...{ host: '127.0.0.1', port: this.#httpPort, heartbeatS: 1 },
        ...{ tokens: NO_TOKENS, limits: DEFAULT_LIMITS },
      },
    });
    this.url = (await http.listen()).url;
    this.#httpPort = Number(new URL(this.url).port);
    this.#parts = { service, views, wire, http };
  }

  /** A connection of its own. */
  async connect(): Promise<pg.Client> {
    const client = new pg.Client({ host: '127.0.0.1', port: this.#port, user: 'ada' });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  /** Rows of a batch's last statement, as arrays of texts. */
  async rows(text: string): Promise<readonly (readonly unknown[])[]> {
    if (this.#client === null) {
      this.#client = await this.connect();
      this.#client.on('end', () => {
        this.#client = null;
      });
    }
    const types = { getTypeParser: () => String };
    const answer = await this.#client.query({ text, rowMode: 'array', types });
    return answer.rows;
  }

  /** What Postgres has, read in the same form. */
  async inPostgres(text: string): Promise<readonly (readonly unknown[])[]> {
    const types = { getTypeParser: () => String };
    return (await this.#stack.sql.query({ text, rowMode: 'array', types })).rows;
  }

  /** The position of everything that has committed, as a time of SQL. */
  async now(): Promise<number> {
    const { rows } = await this.#stack.sql.query('SELECT pg_current_wal_insert_lsn() AS lsn');
    return parseLsn(rows[0]?.lsn, 'lsn');
  }

  async close(): Promise<void> {
    const parts = this.#parts;
    this.#parts = null;
    await this.#client?.end().catch(() => undefined);
    this.#client = null;
    await parts?.http.close();
    await parts?.wire.close();
    await parts?.service.close();
    await parts?.views.engine.close();
  }
}
