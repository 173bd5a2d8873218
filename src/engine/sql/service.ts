/**
 * SQL as a service: drives the machine of the coordinator with the real clock, the worker and its files, and brings the
 * catalog back after a restart. What it knows is in one folder, or in memory.
 */
import { messageOf } from '../../core/errors.ts';
import { sqlError } from '../../sql/errors.ts';
import { loadPgParser } from '../../sql/pg-parser.ts';
import type { SqlBackend, SqlSession } from '../../sql/session.ts';
import type { TimerHandle } from '../clock.ts';
import type { LiveSession } from './live-session.ts';
import { type OpenStore, openStore } from './open-store.ts';
import type { SqlServiceOptions } from './options.ts';
import { DividedReaders } from './readers/divided.ts';
import { ReadersHere } from './readers/here.ts';
import { ReaderPool } from './readers/reader-pool.ts';
import { SqlWorld } from './world.ts';

/** Between two looks at the clock and at files. */
const TICK_MS = 100;
const SECRET_MAX = 2 ** 31 - 1;

export class SqlService implements SqlBackend {
  readonly #options: SqlServiceOptions;
  readonly #store: OpenStore;
  readonly #readers: ReaderPool;
  #world: SqlWorld;
  readonly #sessions = new Map<number, LiveSession>();
  #lastConnection = 0;
  #ticking: TimerHandle | null = null;
  #isClosed = false;

  private constructor(options: SqlServiceOptions, store: OpenStore) {
    this.#options = options;
    this.#store = store;
    const { clock, readBytesMax: memoryBytesMax } = options;
    this.#readers = new ReaderPool({ file: store.file, clock, memoryBytesMax });
    this.#readers.warm();
    this.#world = this.#newWorld();
  }

  /** Resolves when the catalog is back. Throws `SQL_DATA_UNUSABLE`. */
  static async open(options: SqlServiceOptions): Promise<SqlService> {
    await loadPgParser();
    const store = openStore(options.dir);
    const service = new SqlService(options, store);
    await service.#world.open();
    service.#tick();
    return service;
  }

  /** Throws 3D000 for a database that is not there; the user's own name, which drivers send for none, is ours. */
  open(client: { readonly user: string; readonly database: string }): SqlSession {
    if (this.#isClosed) throw sqlError('57P03', 'the service of SQL is shutting down');
    this.#lastConnection += 1;
    const secret = Math.floor(this.#options.random() * SECRET_MAX);
    const session = this.#world.connect(this.#lastConnection, secret, client);
    this.#sessions.set(session.connection, session);
    return session;
  }

  cancel(connection: number, secret: number): void {
    this.#world.cancel(connection, secret);
  }

  /** Something was written to a replicated table. */
  wake(): void {
    this.#world.wake();
  }

  /** The processes that compute reads. */
  get readerPids(): readonly number[] {
    return this.#readers.pids;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#ticking?.cancel();
    await this.#endSessions('57P01', 'the service of SQL is shutting down');
    await this.#world.close();
    await this.#readers.close();
    this.#store.close();
  }

  #newWorld(): SqlWorld {
    const { store } = this.#store;
    return new SqlWorld({
      ...this.#options,
      ...{ store, readers: new DividedReaders(new ReadersHere(store), this.#readers) },
      onSessionClosed: ({ connection }) => this.#sessions.delete(connection),
      onOtherHistory: () => void this.#restart().catch((error) => this.#broken(error)),
    });
  }

  /** Positions of another history do not compare with those that sessions were told: everything begins anew. */
  async #restart(): Promise<void> {
    if (this.#isClosed) return;
    const old = this.#world;
    await this.#endSessions('57P01', 'Postgres has another history now: connect again');
    await old.close();
    old.dropReplicated();
    this.#world = this.#newWorld();
    await this.#world.open();
  }

  async #endSessions(code: '57P01', message: string): Promise<void> {
    for (const session of [...this.#sessions.values()]) {
      session.end(sqlError(code, message));
      await session.close();
    }
  }

  #tick(): void {
    this.#ticking = this.#options.clock.after(TICK_MS, () => {
      try {
        this.#world.tick();
      } catch (error) {
        this.#broken(error);
      }
      if (!this.#isClosed) this.#tick();
    });
  }

  #broken(error: unknown): void {
    this.#options.onNotice(`the service of SQL failed: ${messageOf(error)}`);
  }
}
