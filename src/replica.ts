/** The public replica: the follower, joined to Node's network, clock and disk. */
import { randomUUID } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { CrashHook } from './client/crash-points.ts';
import type { ReplicaEvent, ReplicaEventOf } from './client/events.ts';
import { Follower } from './client/follower.ts';
import type { FollowerState } from './client/machine.ts';
import { ServerApi } from './client/server-api.ts';
import type { LocalRejection, ReplicaFiles as ReplicaPlace } from './client/store.ts';
import type { Clock } from './client/transport.ts';
import { UploadApi } from './client/upload-api.ts';
import type { CheckCounts, SendCounts } from './client/writer.ts';
import { TidelockError } from './core/errors.ts';
import { formatLsn, parseLsn } from './core/lsn.ts';
import { parseSelector } from './core/selector.ts';
import { HttpTransport, parseServerUrl, type TokenSource } from './http-transport.ts';
import { ReplicaWrites, type SyncOptions, type Writing } from './replica-writes.ts';
import type { LocalDatabase } from './sqlite/local-connection.ts';
import { ReplicaFiles } from './sqlite/replica-files.ts';

const WAIT_MS = 30_000;

export type OpenReplicaOptions = {
  /** The server's address: `http://host:port`. */
  readonly server: string;
  /**
   * The subsets to hold, at least one. May differ from those in the file: the difference is fetched. With `write`
   * they may be left out: the server says, at every connection, what the token's user may hold.
   */
  readonly selectors?: readonly string[] | undefined;
  /** The SQLite file; made when it does not exist. Its folder must exist. */
  readonly file: string;
  /** Writes of any program to the file's two-way tables are sent to Postgres. Default false. */
  readonly write?: boolean | undefined;
  /**
   * Before following, compare every row of the file with Postgres (by digests) and fetch what differs: for a
   * file into which something else may have written. Default false.
   */
  readonly repair?: boolean | undefined;
  /** A JWT, or a function that gets the present one. */
  readonly token?: TokenSource | undefined;
  /** Aborting closes the replica, and gives up an `openReplica` that still waits for its first copy. */
  readonly signal?: AbortSignal | undefined;
  /** Called for everything that happens, from the start on; also while `openReplica` waits. */
  readonly onEvent?: ((event: ReplicaEvent) => void) | undefined;
};

export type ReplicaStatus = {
  readonly state: FollowerState;
  /** Null before the first copy. */
  readonly position: string | null;
  readonly timeline: string | null;
  readonly selectors: readonly string[];
  readonly file: string;
};

export type WaitForOptions = {
  /** Default 30,000. */
  readonly timeoutMs?: number;
};

export interface Replica {
  /** What the file holds: Postgres as of this position (the end of a commit), text like `0/16B3748`. */
  readonly position: string;
  readonly status: ReplicaStatus;
  /**
   * Resolves with the replica's position once it is at `position` or past it, and no table waits for its rows. To read your own write, take
   * `pg_current_wal_insert_lsn()` after its commit. Rejects with `TIMEOUT` or `BAD_POSITION`.
   */
  waitFor(position: string, options?: WaitForOptions): Promise<string>;
  /** Calls `listener` for every event of a kind from now on. The result takes it away. */
  on<K extends ReplicaEvent['kind']>(
    kind: K,
    listener: (event: ReplicaEventOf<K>) => void,
  ): () => void;
  /** Stops following and releases the file. What is committed stays; calling it again is harmless. */
  close(): Promise<void>;
}

/** A replica that was opened with `write: true`. */
export interface WritableReplica extends Replica, Writing {}

/** Switches for tests and benchmarks; not part of the public API. */
export type ReplicaHooks = {
  readonly crashPoint?: CrashHook;
  readonly heartbeatS?: number;
  readonly leaseReportMs?: number;
  readonly openBytesMax?: number;
  /** A wait before the next try ends sooner. */
  readonly retryMsMax?: number;
  /** Something in the place of the storage, which it may use. */
  readonly wrapFiles?: (files: ReplicaPlace) => ReplicaPlace;
};

/**
 * Opens a replica and follows for ever. Resolves as soon as the file can be read: at once when it exists
 * (also without a server), else after the first copy. Network trouble, restarts and expired tokens are
 * waited out and shown as events; rejected is only what waiting cannot mend: `REPLICA_IN_USE`,
 * `REPLICA_UNFIT`, `REPLICA_WRITE_FAILED`, `TOKEN_FORBIDS`, `BAD_SELECTOR`, `BAD_REQUEST`, or the signal.
 */
export function openReplica(
  options: OpenReplicaOptions & { readonly write: true },
): Promise<WritableReplica>;
export function openReplica(options: OpenReplicaOptions): Promise<Replica>;
export function openReplica(options: OpenReplicaOptions): Promise<Replica> {
  return openReplicaWith(options, {});
}

/** The same, with hooks. */
export function openReplicaWith(
  options: OpenReplicaOptions & { readonly write: true },
  hooks: ReplicaHooks,
): Promise<WritableReplica>;
export function openReplicaWith(options: OpenReplicaOptions, hooks: ReplicaHooks): Promise<Replica>;
export async function openReplicaWith(
  options: OpenReplicaOptions,
  hooks: ReplicaHooks,
): Promise<Replica> {
  options.signal?.throwIfAborted();
  const replica = new DiskReplica(options, hooks);
  await replica.start();
  return replica;
}

const SYSTEM_CLOCK: Clock = {
  now: () => Date.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, Math.max(0, delayMs));
    return () => clearTimeout(timer);
  },
};

type Listener = { readonly kind: string; readonly call: (event: ReplicaEvent) => void };

class DiskReplica implements WritableReplica {
  readonly #follower: Follower;
  readonly #writes: ReplicaWrites | null;
  readonly #options: OpenReplicaOptions;
  readonly #listeners = new Set<Listener>();
  readonly #onAbort = (): void => void this.close();
  #closing: Promise<void> | null = null;

  constructor(options: OpenReplicaOptions, hooks: ReplicaHooks) {
    this.#options = options;
    const isWritten = options.write ?? false;
    const server = parseServerUrl(options.server).href;
    const file = inExistingFolder(options.file);
    const files = new ReplicaFiles({ file, isWritten });
    const api = new ServerApi(new HttpTransport(server, options.token));
    const uploads = new UploadApi(api);
    const wanted =
      isWritten && options.selectors === undefined ? null : parseSelectors(options.selectors ?? []);
    this.#follower = new Follower({
      ...hooks,
      ...{ api, server, clock: SYSTEM_CLOCK, random: Math.random, newId: randomUUID },
      files: hooks.wrapFiles?.(files) ?? files,
      selectors: wanted,
      session: isWritten ? (signal) => this.#session(uploads, wanted, signal) : undefined,
      repair: options.repair ?? false,
      onEvent: (event) => this.#tell(event),
      onMoved: () => this.#writes?.moved(),
    });
    this.#writes = isWritten ? this.#writing(file, uploads, hooks) : null;
  }

  /** Asks for whom the token is; and what that user may hold, unless it was said what is wanted. */
  async #session(
    api: UploadApi,
    wanted: readonly string[] | null,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    try {
      const { user, selectors } = await api.session(signal);
      this.#writes?.isOf(user);
      return wanted ?? selectors;
    } catch (error) {
      if (wanted === null) throw error;
      return wanted; // what is wrong the feed tells; the next connection asks again
    }
  }

  #writing(file: string, api: UploadApi, { crashPoint }: ReplicaHooks): ReplicaWrites {
    return new ReplicaWrites({
      ...{ file, api, crashPoint, follower: this.#follower, clock: SYSTEM_CLOCK },
      onEvent: (event) => this.#tell(event),
    });
  }

  async start(): Promise<void> {
    const { signal } = this.#options;
    try {
      this.#writes?.start();
      this.#follower.start();
      signal?.addEventListener('abort', this.#onAbort, { once: true });
      await this.#follower.ready;
      this.#writes?.opened();
    } catch (error) {
      await this.close();
      signal?.throwIfAborted();
      throw error;
    }
  }

  get position(): string {
    return formatLsn(this.#follower.position);
  }

  get status(): ReplicaStatus {
    const { identity, state } = this.#follower;
    return {
      state,
      position: identity === null ? null : formatLsn(identity.position),
      timeline: identity?.timeline ?? null,
      selectors: this.#follower.selectors,
      file: this.#options.file,
    };
  }

  async waitFor(position: string, options: WaitForOptions = {}): Promise<string> {
    const ts = parseLsn(position, 'position');
    await this.#follower.waitFor(ts, options.timeoutMs ?? WAIT_MS);
    return this.position;
  }

  on<K extends ReplicaEvent['kind']>(
    kind: K,
    listener: (event: ReplicaEventOf<K>) => void,
  ): () => void {
    const entry: Listener = { kind, call: (event) => listener(event as ReplicaEventOf<K>) };
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  async transaction<T>(work: (db: LocalDatabase) => T): Promise<T> {
    return this.#written().transaction(work);
  }

  async send(options?: SyncOptions): Promise<SendCounts> {
    return this.#written().send(options);
  }

  async check(options?: SyncOptions): Promise<CheckCounts> {
    return this.#written().check(options);
  }

  async sync(options?: SyncOptions): Promise<SendCounts & CheckCounts> {
    return this.#written().sync(options);
  }

  async waitForWrites(options?: SyncOptions): Promise<void> {
    return this.#written().waitForWrites(options);
  }

  get pending(): number {
    return this.#written().pending;
  }

  rejected(): readonly LocalRejection[] {
    return this.#written().rejected();
  }

  forgetRejected(upTo?: number): void {
    this.#written().forgetRejected(upTo);
  }

  close(): Promise<void> {
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    await this.#writes?.close();
    await this.#follower.close();
  }

  #written(): ReplicaWrites {
    if (this.#writes !== null) return this.#writes;
    throw new TidelockError({
      code: 'BAD_REQUEST',
      message: 'the replica was opened for reading only',
      hint: 'open it with write: true',
    });
  }

  #tell(event: ReplicaEvent): void {
    this.#writes?.event(event);
    this.#options.onEvent?.(event);
    for (const { kind, call } of this.#listeners) if (kind === event.kind) call(event);
  }
}

/** SQLite would only say that it cannot open the file. */
function inExistingFolder(file: string): string {
  const path = resolve(file);
  if (file.trim() === '' || statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
    throw new TidelockError({
      code: 'BAD_REQUEST',
      message: file.trim() === '' ? 'the name of the file is empty' : `${path} is a folder`,
      hint: 'name a file, for example fr.db; it is made when it does not exist',
    });
  }
  if (existsSync(dirname(path))) return path;
  throw new TidelockError({
    code: 'REPLICA_WRITE_FAILED',
    message: `the folder ${dirname(path)} does not exist`,
    hint: 'make it first, or name a file in another folder',
  });
}

function parseSelectors(selectors: readonly string[]): readonly string[] {
  if (selectors.length > 0) return [...new Set(selectors.map(parseSelector))];
  throw new TidelockError({
    code: 'BAD_SELECTOR',
    message: 'no selector is named',
    hint: "name at least one subset, for example selectors: ['FR']",
  });
}
