/**
 * A `sqlite3`-like session on a two-way replica inside Node: a connection that can synchronise from SQL. The replica
 * runs in a worker thread, so a statement may wait for the network while its own thread stands still.
 */
import {
  MessageChannel,
  type MessagePort,
  receiveMessageOnPort,
  Worker,
} from 'node:worker_threads';
import { TidelockError } from './core/errors.ts';
import type { WorkerAnswer, WorkerCall, WorkerNews, WorkerSettings } from './replica-worker.ts';
import {
  LocalConnection,
  type LocalDatabase,
  type StatementResult,
} from './sqlite/local-connection.ts';
import { addSyncFunctions } from './sqlite/sync-functions.ts';

const WAIT_MS = 30_000;
/** An answer takes a little longer than the limit that it keeps. */
const GRACE_MS = 5000;

export type ReplicaSessionOptions = {
  readonly server: string;
  readonly file: string;
  /** A JWT. */
  readonly token?: string | undefined;
  /** Default: what the server says that the token's user may hold. */
  readonly selectors?: readonly string[] | undefined;
  /** How long `tidelock_send()` and its like may block; default 30,000. */
  readonly timeoutMs?: number | undefined;
  /** Refused writes and troubles of the background, in words. */
  readonly onNews?: ((text: string) => void) | undefined;
};

/** What blocks until it is done. */
export type SessionCommand = Exclude<WorkerCall['command'], 'close'>;

/**
 * Opens the replica (`openReplica` with `write: true`) in a worker thread and a connection to its file in this
 * one. The connection knows `tidelock_send()`, `tidelock_check()`, `tidelock_sync()`: they block, and give their
 * counts as JSON; and `tidelock_uuid()`. Rejects like `openReplica`.
 */
export async function openReplicaSession(options: ReplicaSessionOptions): Promise<ReplicaSession> {
  const { port1, port2 } = new MessageChannel();
  const answered = new Int32Array(new SharedArrayBuffer(4));
  const { server, file, token, selectors } = options;
  const settings: WorkerSettings = { server, file, token, selectors, calls: port2, answered };
  const worker = new Worker(workerUrl(), { workerData: settings, transferList: [port2] });
  try {
    await opened(worker, options.onNews);
    return new ReplicaSession({ worker, answered, calls: port1, options });
  } catch (error) {
    port1.close();
    await worker.terminate();
    throw error;
  }
}

export class ReplicaSession {
  readonly #worker: Worker;
  readonly #calls: MessagePort;
  readonly #answered: Int32Array;
  readonly #timeoutMs: number;
  readonly #connection: LocalConnection;
  #lastId = 0;

  constructor(parts: {
    readonly worker: Worker;
    readonly calls: MessagePort;
    readonly answered: Int32Array;
    readonly options: ReplicaSessionOptions;
  }) {
    const { worker, calls, answered, options } = parts;
    this.#worker = worker;
    this.#calls = calls;
    this.#answered = answered;
    this.#timeoutMs = options.timeoutMs ?? WAIT_MS;
    this.#connection = new LocalConnection(options.file);
    addSyncFunctions(this.database, (command) => this.call(command));
    worker.on('message', (news: WorkerNews) => {
      if (news.kind === 'rejected' || news.kind === 'trouble') options.onNews?.(news.text);
    });
  }

  /** For reading and writing; every statement outside of `transaction` is sent with what stands near it. */
  get database(): LocalDatabase {
    return this.#connection.database;
  }

  /** One local transaction: all of it or nothing, also in Postgres. */
  transaction<T>(work: (db: LocalDatabase) => T): T {
    return this.#connection.transaction(work);
  }

  /** Runs one statement; it alone, or what stands between BEGIN and COMMIT, is a local transaction. */
  run(sql: string): StatementResult {
    return this.#connection.run(sql);
  }

  /** Blocks this thread until the replica has answered. Throws what the replica's method rejects with. */
  call(command: SessionCommand): unknown {
    return this.#call(command, this.#timeoutMs);
  }

  /**
   * The same without blocking: rejects with the reason of `signal` when that aborts first; what was asked goes on in the
   * background.
   */
  async wait(command: SessionCommand, signal: AbortSignal): Promise<unknown> {
    const id = this.#post(command, this.#timeoutMs);
    const deadlineMs = performance.now() + this.#timeoutMs + GRACE_MS;
    const aborted = new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    aborted.catch(() => {}); // whoever waits gets it from the race
    for (;;) {
      signal.throwIfAborted();
      const seen = Atomics.load(this.#answered, 0);
      const answer = this.#answerOf(id);
      if (answer !== null) return resultOf(answer);
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) throw noAnswer(command, this.#timeoutMs);
      await Promise.race([aborted, Atomics.waitAsync(this.#answered, 0, seen, leftMs).value]);
    }
  }

  /** BEGIN was run, and no COMMIT yet. */
  get isInTransaction(): boolean {
    return this.database.isTransaction;
  }

  /** Closes connection and replica. What is not sent stays in the file. */
  async close(): Promise<void> {
    this.#connection.close();
    try {
      this.#call('close', WAIT_MS);
    } finally {
      this.#calls.close();
      await this.#worker.terminate();
    }
  }

  #call(command: WorkerCall['command'], timeoutMs: number): unknown {
    const deadlineMs = performance.now() + timeoutMs + GRACE_MS;
    let seen = Atomics.load(this.#answered, 0);
    const id = this.#post(command, timeoutMs);
    for (;;) {
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0 || Atomics.wait(this.#answered, 0, seen, leftMs) === 'timed-out') {
        throw noAnswer(command, timeoutMs);
      }
      seen = Atomics.load(this.#answered, 0);
      const answer = this.#answerOf(id);
      if (answer !== null) return resultOf(answer);
    }
  }

  #post(command: WorkerCall['command'], timeoutMs: number): number {
    this.#lastId += 1;
    const id = this.#lastId;
    this.#calls.postMessage({ id, command, timeoutMs } satisfies WorkerCall);
    return id;
  }

  /** Answers of calls that were given up are passed over. */
  #answerOf(id: number): WorkerAnswer | null {
    for (;;) {
      const received = receiveMessageOnPort(this.#calls) as { message: WorkerAnswer } | undefined;
      if (received === undefined) return null;
      if (received.message.id === id) return received.message;
    }
  }
}

function resultOf({ value, error }: WorkerAnswer): unknown {
  if (error !== undefined) throw new TidelockError(error);
  return value;
}

/** Sources run as they are, and compiled. */
function workerUrl(): URL {
  const isSource = import.meta.url.endsWith('.ts');
  return new URL(isSource ? './replica-worker.ts' : './replica-worker.js', import.meta.url);
}

function opened(worker: Worker, onNews: ReplicaSessionOptions['onNews']): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    const hear = (news: WorkerNews): void => {
      if (news.kind === 'trouble') onNews?.(news.text);
      if (news.kind === 'failed') reject(new TidelockError(news.error));
      if (news.kind !== 'opened') return;
      worker.off('message', hear);
      resolve();
    };
    worker.on('message', hear);
  });
}

function noAnswer(command: string, timeoutMs: number): TidelockError {
  return new TidelockError({
    code: 'TIMEOUT',
    message: `${command} did not end within ${timeoutMs} ms`,
    hint: 'local writes stay in the file and are sent in the background',
  });
}
