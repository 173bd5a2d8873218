/** The writing side of a public replica: its own connection, the watch over other programs' writes, the uploads. */
import type { CrashHook } from './client/crash-points.ts';
import type { ReplicaEvent } from './client/events.ts';
import type { Follower } from './client/follower.ts';
import type { LocalRejection } from './client/store.ts';
import type { Clock } from './client/transport.ts';
import type { UploadApi } from './client/upload-api.ts';
import { type CheckCounts, type SendCounts, Writer } from './client/writer.ts';
import { TidelockError } from './core/errors.ts';
import { LocalConnection, type LocalDatabase } from './sqlite/local-connection.ts';
import { WriteWatch } from './sqlite/write-watch.ts';

const WAIT_MS = 30_000;

export type SyncOptions = {
  /** Default 30,000. */
  readonly timeoutMs?: number;
};

/** What a replica that was opened with `write: true` can do besides. */
export interface Writing {
  /**
   * Runs `work` as one local transaction, on a connection of the replica's own: all of it or, when it throws,
   * nothing. It is visible to every reader of the file at once, and sent in the background; Postgres takes or
   * refuses it as a whole. `work` must not wait. Other programs may write to the file as well.
   */
  transaction<T>(work: (db: LocalDatabase) => T): Promise<T>;
  /**
   * Sends everything that was written to the file until now, by any program. Resolves when Postgres has taken or
   * refused all of it. Rejects with the first trouble (`SERVER_UNREACHABLE`, `TOKEN_INVALID`, `TIMEOUT`, ...); it
   * is tried again in the background all the same. Counts are of row changes.
   */
  send(options?: SyncOptions): Promise<SendCounts>;
  /** Fetches everything that is committed in Postgres now. Rejects like `send`. */
  check(options?: SyncOptions): Promise<CheckCounts>;
  /** `send`, then `check`. */
  sync(options?: SyncOptions): Promise<SendCounts & CheckCounts>;
  /** Reads one's writes: resolves when everything written until now came back from Postgres, or was refused. */
  waitForWrites(options?: SyncOptions): Promise<void>;
  /** Local transactions that have no outcome yet. */
  readonly pending: number;
  /** Writes that Postgres refused and that were taken back, oldest first, until they are forgotten. */
  rejected(): readonly LocalRejection[];
  /** Forgets the refused writes of local transactions up to a number; default all. */
  forgetRejected(upTo?: number): void;
}

export class ReplicaWrites implements Writing {
  readonly #file: string;
  readonly #writer: Writer;
  #connection: LocalConnection | null = null;
  #watch: WriteWatch | null = null;

  constructor(options: {
    readonly file: string;
    readonly follower: Follower;
    readonly api: UploadApi;
    readonly clock: Clock;
    readonly onEvent: (event: ReplicaEvent) => void;
    readonly crashPoint: CrashHook | undefined;
  }) {
    const { file, crashPoint = () => {}, ...rest } = options;
    this.#file = file;
    this.#writer = new Writer({ ...rest, crashPoint, random: Math.random });
  }

  /** Before the follower starts. */
  start(): void {
    this.#writer.start();
  }

  /** The file is there. */
  opened(): void {
    this.#connection = new LocalConnection(this.#file);
    this.#watch = new WriteWatch(this.#file, () => this.#writer.written());
  }

  /** Whose token it is. */
  isOf(user: string): void {
    this.#writer.isOf(user);
  }

  event(event: ReplicaEvent): void {
    this.#writer.event(event);
  }

  moved(): void {
    this.#writer.moved();
  }

  async transaction<T>(work: (db: LocalDatabase) => T): Promise<T> {
    const connection = this.#connection;
    if (connection === null) {
      throw new TidelockError({ code: 'NOT_READY', message: 'the replica is closed' });
    }
    const result = connection.transaction(work);
    this.#writer.written();
    return result;
  }

  send({ timeoutMs = WAIT_MS }: SyncOptions = {}): Promise<SendCounts> {
    return this.#writer.send(timeoutMs);
  }

  check({ timeoutMs = WAIT_MS }: SyncOptions = {}): Promise<CheckCounts> {
    return this.#writer.check(timeoutMs);
  }

  sync({ timeoutMs = WAIT_MS }: SyncOptions = {}): Promise<SendCounts & CheckCounts> {
    return this.#writer.sync(timeoutMs);
  }

  waitForWrites({ timeoutMs = WAIT_MS }: SyncOptions = {}): Promise<void> {
    return this.#writer.included(timeoutMs);
  }

  get pending(): number {
    return this.#writer.pending;
  }

  rejected(): readonly LocalRejection[] {
    return this.#writer.rejections();
  }

  forgetRejected(upTo: number = Number.MAX_SAFE_INTEGER): void {
    this.#writer.forgetRejections(upTo);
  }

  /** Before the follower closes. What is not sent stays in the file. */
  async close(): Promise<void> {
    this.#watch?.close();
    this.#watch = null;
    await this.#writer.close();
    this.#connection?.close();
    this.#connection = null;
  }
}
