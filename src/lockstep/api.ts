/** What the HTTP server may ask of Lockstep streams. The only door between the two folders. */
import type { HeartbeatFormat, LockstepMode, LockstepSince } from '../protocol/lockstep.ts';

export type StreamRequest = {
  /** `name` or `schema.name` */
  readonly relation: string;
  readonly mode: LockstepMode;
  readonly since: LockstepSince;
  /** False: end after `snapshot_completed`. */
  readonly isFollowing: boolean;
  readonly heartbeatMs: number;
  readonly heartbeatFormat: HeartbeatFormat;
};

/** Lines that several readers get. Never changed; a sink may keep what it made of it in `framed`. */
export type Frame = { readonly lines: readonly string[]; framed: Uint8Array | null };

/** Where a stream goes: one HTTP response. */
export interface Sink {
  /** False once the reader is gone. */
  readonly isOpen: boolean;
  /** True while more waits for the reader than should; it may be given more all the same. */
  readonly isFull: boolean;
  /** Called once when the reader is gone. */
  onClose: (() => void) | null;
  /** Takes whole lines; one object each. */
  write(frame: Frame): void;
  /** Resolves when the reader has room again or is gone. */
  room(): Promise<void>;
  /** The proper end. */
  end(): void;
  /** Says why, then cuts the connection. */
  fail(error: unknown): void;
}

export type RelationStatus = {
  readonly relation: string;
  readonly readers: number;
  /** Everything below has been sent to those who follow. */
  readonly since: LockstepSince;
  /** Why the last round failed; null when it did not. */
  readonly trouble: string | null;
};

export interface RowStreams {
  /** Relations that may be streamed. Throws `SOURCE_DOWN`. */
  relations(): Promise<readonly string[]>;
  /**
   * Looks whether the relation can be streamed, then runs it into the sink, which ends when the reader is gone or
   * `close` was called. Throws `NOT_FOUND`, `RELATION_UNFIT`, `BAD_POSITION`, `SOURCE_DOWN`, `BUSY` before the first line is written; later the sink is told.
   */
  open(request: StreamRequest): Promise<{ run(sink: Sink): void }>;
  readonly status: readonly RelationStatus[];
  /** Queries for news since the start, of all relations. */
  readonly rounds: number;
  /** Age of the oldest open transaction, seconds: how far `strict` is behind. Throws `SOURCE_DOWN`. */
  oldestTransactionS(): Promise<number>;
  /** Something was written to the source: look now instead of later. */
  wake(): void;
  close(): Promise<void>;
}
