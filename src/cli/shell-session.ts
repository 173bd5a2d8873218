/** What the shell works on: a replica of its own, or a file that another process synchronises. */
import { hasCode, TidelockError } from '../core/errors.ts';
import {
  openReplicaSession,
  type ReplicaSession,
  type ReplicaSessionOptions,
} from '../replica-session.ts';
import { LocalConnection, type StatementResult } from '../sqlite/local-connection.ts';

export type ShellSession = Pick<
  ReplicaSession,
  'run' | 'call' | 'wait' | 'close' | 'isInTransaction'
>;

/** Rejects like `openReplicaSession`, but a file in use is opened for local work. */
export async function openShellSession(options: ReplicaSessionOptions): Promise<ShellSession> {
  try {
    return await openReplicaSession(options);
  } catch (error) {
    if (!hasCode(error, 'REPLICA_IN_USE')) throw error;
    return new FileSession(options.file);
  }
}

class FileSession implements ShellSession {
  readonly #connection: LocalConnection;

  constructor(file: string) {
    this.#connection = new LocalConnection(file);
  }

  run(sql: string): StatementResult {
    return this.#connection.run(sql);
  }

  get isInTransaction(): boolean {
    return this.#connection.database.isTransaction;
  }

  async wait(): Promise<never> {
    return this.call();
  }

  call(): never {
    throw new TidelockError({
      code: 'REPLICA_IN_USE',
      message: 'another process synchronises this file',
      hint: 'what is written here is sent by that process; refused writes are in tidelock_rejected',
    });
  }

  async close(): Promise<void> {
    this.#connection.close();
  }
}
