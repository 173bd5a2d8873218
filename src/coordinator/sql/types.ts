/**
 * The vocabulary of the coordinator of SQL: what it is told, what it asks for, what it answers.
 *
 * It decides; a driver performs. Effects are performed in the order given. Whatever takes time (a peek, a sink
 * that is opened, the write lock) is an effect and an event that comes later; nothing here waits.
 */
import type { TidelockError } from '../../core/errors.ts';
import type { TransactionStatus } from '../../sql/session.ts';
import type { ObjectKind, Statement } from '../../sql/statement.ts';
import type { Column, SqlRow, SqlType, SqlValue } from '../../sql/types.ts';
import type { Isolation } from './determine.ts';
import type { Rules } from './rules.ts';

import type { Time, WorkerCommand, WorkerFeedback } from './worker.ts';

export type ConnectionId = number;

/** How a coordinator behaves: a profile. Plain data and pure functions. */
export type SqlOptions = {
  readonly rules: Rules;
  readonly isolation: Isolation;
  /** `CREATE TABLE` makes a default index. */
  readonly doesIndexTables: boolean;
  /** `CREATE DEFAULT INDEX` by the name of one that the table came with is fine. */
  readonly acceptsMadeIndexes: boolean;
  /** A read whose time is not given needs an index over each source. */
  readonly needsIndexedSources: boolean;
  /** SET may be one of several statements of a transaction, and goes with it when it is rolled back. */
  readonly sharesSettings: boolean;
  /** What a new index of the local timeline keeps readable, in milliseconds; null never compacts. */
  readonly windowMs: number | null;
  /** The same on the timeline of PostgreSQL, in bytes of its log. */
  readonly windowBytes: number | null;
  /** What one statement may take where its session has not said otherwise; 0: as long as it wants. */
  readonly statementTimeoutMs: number;
  /** The database and schema of a name that has none. */
  readonly database: string;
  readonly schema: string;
  /** The answer of `version()`. */
  readonly product: string;
  /** Settings that only SHOW and `current_setting` know: `server_version`. */
  readonly settings: readonly (readonly [name: string, value: string])[];
};

/** Values of `$1`, ... and the types that they were sent as. */
export type Bindings = {
  readonly values: readonly SqlValue[];
  readonly types: readonly SqlType[];
};

export type SqlEvent =
  /** The wall clock, in milliseconds since 1970 (in scripts: the script's clock). It never goes back here. */
  | { readonly kind: 'clock'; readonly now: number }
  | {
      readonly kind: 'connect';
      readonly connection: ConnectionId;
      readonly secret: number;
      /** One that is there; without it that of the options. */
      readonly database?: string | undefined;
      /** As the client calls itself. */
      readonly user?: string | undefined;
    }
  /** A batch of the simple protocol: one implicit transaction unless it says otherwise. */
  | {
      readonly kind: 'run';
      readonly connection: ConnectionId;
      readonly statements: readonly Statement[];
    }
  /** One statement of the extended protocol; its implicit transaction goes on until `sync`. */
  | {
      readonly kind: 'execute';
      readonly connection: ConnectionId;
      readonly statement: Statement;
      readonly parameters: Bindings;
    }
  | { readonly kind: 'sync'; readonly connection: ConnectionId }
  /** From anybody: ends what `connection` runs when the secret is right, and does nothing when it is wrong. */
  | { readonly kind: 'cancel'; readonly connection: ConnectionId; readonly secret: number }
  | { readonly kind: 'disconnect'; readonly connection: ConnectionId }
  | { readonly kind: 'feedback'; readonly feedback: WorkerFeedback }
  /** The answer to `readHeader`: the names, or why there are none. */
  | {
      readonly kind: 'headerRead';
      readonly connection: ConnectionId;
      readonly result:
        | { readonly kind: 'names'; readonly names: readonly string[] }
        | { readonly kind: 'failed'; readonly message: string };
    }
  /** The tables that the engine replicates, all of them. */
  | {
      readonly kind: 'replicatedTables';
      readonly tables: readonly {
        readonly schema: string;
        readonly table: string;
        readonly columns: readonly Column[];
      }[];
    }
  /** From now on commits that write fail with `reason`; null ends that. Reads go on. */
  | { readonly kind: 'refuseWrites'; readonly reason: string | null };

export type SqlEffect =
  | { readonly kind: 'worker'; readonly command: WorkerCommand }
  /** Read the first line of a CSV file; answered by `headerRead`. */
  | { readonly kind: 'readHeader'; readonly connection: ConnectionId; readonly path: string }
  /** A statement is done. */
  | { readonly kind: 'respond'; readonly connection: ConnectionId; readonly response: Response }
  /** A stream begins: `SUBSCRIBE` outside of a cursor, or a SELECT of many rows. Its `respond` comes when it ends. */
  | {
      readonly kind: 'streamColumns';
      readonly connection: ConnectionId;
      readonly columns: readonly Column[];
    }
  | {
      readonly kind: 'streamRows';
      readonly connection: ConnectionId;
      readonly rows: readonly SqlRow[];
      /** Of a SELECT: the worker makes more when these were taken. */
      readonly peek?: number;
    }
  /** The statement failed and ended its batch. `peek`: it had its time, and the worker could not compute it. */
  | {
      readonly kind: 'fail';
      readonly connection: ConnectionId;
      readonly origin: 'statement' | 'peek';
      readonly error: TidelockError;
    }
  /** The batch (`run`, `execute`, `sync`) is over. */
  | {
      readonly kind: 'ready';
      readonly connection: ConnectionId;
      readonly status: TransactionStatus;
    }
  /** Tell the clock at or soon after `at`. Does not undo earlier ones. */
  | { readonly kind: 'setTimer'; readonly at: number };

/** What a statement has done. */
export type Response =
  | { readonly kind: 'created'; readonly object: ObjectKind; readonly existed: boolean }
  | { readonly kind: 'dropped'; readonly object: ObjectKind }
  | { readonly kind: 'altered'; readonly object: ObjectKind }
  | { readonly kind: 'inserted' | 'updated' | 'deleted'; readonly count: number }
  /**
   * `time`: at which it was read; null for what has no time. `toldRows`: columns and so many rows were told before, as a
   * stream; these are the rest.
   */
  | {
      readonly kind: 'rows';
      readonly columns: readonly Column[];
      readonly rows: readonly SqlRow[];
      readonly time: Time | null;
      readonly what: 'select' | 'fetch' | 'show' | 'explain';
      readonly toldRows?: number;
    }
  | { readonly kind: 'canceled'; readonly what: 'read' | 'write' }
  | { readonly kind: 'streamEnded'; readonly rows: number }
  | { readonly kind: 'started'; readonly duplicated: boolean }
  | {
      readonly kind: 'ended';
      readonly tag: 'COMMIT' | 'ROLLBACK';
      readonly wasImplicit: boolean;
    }
  | { readonly kind: 'set'; readonly name: string }
  | { readonly kind: 'declared' | 'closed' };
