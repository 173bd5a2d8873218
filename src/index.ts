/**
 * Tidelock's client: keeps a SQLite file equal to a filtered part of a Postgres database.
 *
 * ```ts
 * import { openReplica } from 'tidelock';
 * import { DatabaseSync } from 'node:sqlite';
 *
 * const replica = await openReplica({
 *   server: 'http://127.0.0.1:7700',
 *   selectors: ['FR', 'DE'],
 *   file: 'cities.db',
 * });
 * replica.on('applied', ({ ts, changes }) => console.log(`${changes} changes, now at ${ts}`));
 * const cities = new DatabaseSync('cities.db', { readOnly: true });
 * console.log(cities.prepare('SELECT count(*) FROM cities').get());
 * await replica.close();
 * ```
 */
export type { ReplicaEvent, ReplicaEventOf } from './client/events.ts';
export type { FollowerState, Trouble } from './client/machine.ts';
export type { LocalRejection } from './client/store.ts';
export type { UploaderState } from './client/uploader-machine.ts';
export type { CheckCounts, SendCounts } from './client/writer.ts';
export { type ErrorCode, TidelockError } from './core/errors.ts';
export type { TokenSource } from './http-transport.ts';
export {
  type OpenReplicaOptions,
  openReplica,
  type Replica,
  type ReplicaStatus,
  type WaitForOptions,
  type WritableReplica,
} from './replica.ts';
export {
  openReplicaSession,
  type ReplicaSession,
  type ReplicaSessionOptions,
  type SessionCommand,
} from './replica-session.ts';
export type { SyncOptions, Writing } from './replica-writes.ts';
export type { LocalDatabase, StatementResult } from './sqlite/local-connection.ts';
