/** What a replica tells its owner. Positions are text, as Postgres prints them. */
import type { TidelockError } from '../core/errors.ts';
import type { DigestDifference } from './digest-history.ts';
import type { FollowerState } from './machine.ts';
import type { LocalRejection } from './store.ts';
import type { UploaderState } from './uploader-machine.ts';

export type ReplicaEvent =
  /** The first copy advances. `totalBytes` is null when the server does not say. */
  | {
      readonly kind: 'progress';
      readonly receivedBytes: number;
      readonly totalBytes: number | null;
    }
  /** The file stands at `ts` now; other processes can read it. */
  | {
      readonly kind: 'applied';
      readonly ts: string;
      /** Commit time of the last transaction in Postgres, microseconds since 1970. */
      readonly micros: number;
      /** The same of the first: one local transaction may hold several of Postgres'. */
      readonly firstMicros: number;
      readonly appliedAtMs: number;
      readonly transactions: number;
      readonly changes: number;
    }
  | { readonly kind: 'state'; readonly state: FollowerState }
  /** The stored digests agreed with a full scan of Postgres at `ts`. */
  | { readonly kind: 'verified'; readonly ts: string }
  /** They did not; a difference snapshot follows. */
  | {
      readonly kind: 'mismatch';
      readonly ts: string;
      readonly differences: readonly DigestDifference[];
    }
  /** A difference snapshot was applied. */
  | {
      readonly kind: 'resync';
      readonly reason: string;
      readonly ts: string;
      readonly timeline: string;
      readonly inserted: number;
      readonly updated: number;
      readonly deleted: number;
    }
  /** Local writes have their outcome in Postgres, which stood at `position` then. */
  | {
      readonly kind: 'sent';
      readonly transactions: number;
      /** Row changes that were accepted. */
      readonly changes: number;
      readonly position: string;
      /** Local transactions that still wait to be sent. */
      readonly pending: number;
    }
  /** Postgres refused a local write: it is taken back here, and kept for people to see. */
  | { readonly kind: 'rejected'; readonly rejection: LocalRejection }
  /** Everything that was written is sent, or sending is interrupted. */
  | {
      readonly kind: 'upload';
      readonly state: UploaderState & { readonly kind: 'idle' | 'waiting' };
      readonly pending: number;
    }
  | { readonly kind: 'warning'; readonly message: string }
  /** Something went wrong; the next `state` says what is done about it. */
  | { readonly kind: 'error'; readonly error: TidelockError };

export type ReplicaEventOf<K extends ReplicaEvent['kind']> = Extract<ReplicaEvent, { kind: K }>;
