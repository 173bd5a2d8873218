import type { Lsn } from '../core/lsn.ts';
import type { Engine } from '../engine/api.ts';
import type { RowStreams } from '../lockstep/api.ts';
import type { Clock } from './clock.ts';
import type { ServerConfig } from './config.ts';
import type { Gate } from './gate.ts';
import type { LockstepReaders } from './lockstep/readers.ts';
import type { Pump } from './pump.ts';
import type { UploadRoom } from './upload-room.ts';

/** What every route may use. */
export type ServerContext = {
  readonly engine: Engine;
  readonly config: ServerConfig;
  readonly clock: Clock;
  readonly pump: Pump;
  readonly snapshots: Gate;
  readonly digests: Gate;
  readonly uploads: Gate;
  readonly uploadRoom: UploadRoom;
  /** Bytes of snapshots handed to sockets since the start. */
  readonly snapshotBytes: { count: number };
  /** The same, of answers to clients of Transicator that ask for changes. */
  readonly changesBytes: { count: number };
  /** Set by an operator who wants this server to be left. */
  readonly mark: { isDown: boolean };
  /** Streams by transaction id; null: none. */
  readonly lockstep: RowStreams | null;
  readonly lockstepReaders: LockstepReaders;
  /** The log's upper. */
  readonly upper: () => Lsn;
  /** Aborts, with `NOT_READY`, when the server starts to shut down. */
  readonly draining: AbortSignal;
};
