/**
 * What the coordinator of SQL and the worker tell one another. The worker holds the rows and computes; the
 * coordinator knows which times may be read. The worker has frontiers of its own: the coordinator learns of them
 * only by feedback, which a script may hold back.
 *
 * Frontiers here are numbers of the item's timeline; null is the empty frontier (complete, never changes again).
 */
import type { Query } from '../../sql/plan.ts';
import type { FileFormat, SinkTarget } from '../../sql/statement.ts';
import type { Column, ItemId, RowDelta, SqlRow } from '../../sql/types.ts';

export type Time = number;
export type Frontier = Time | null;

/** After every other time: what reads nothing, or only what is complete. As a logical timestamp 2^64 - 1. */
export const TIME_END: Time = Number.MAX_SAFE_INTEGER;

export type WorkerCommand =
  | {
      readonly kind: 'createTable';
      readonly id: ItemId;
      readonly columns: readonly Column[];
      /** Positions of the columns of the primary key, which places versions of a row side by side. */
      readonly key?: readonly number[];
      readonly since: Time;
    }
  | {
      readonly kind: 'createFileSource';
      readonly id: ItemId;
      readonly columns: readonly Column[];
      readonly path: string;
      readonly isTail: boolean;
      readonly format: FileFormat;
      readonly hasHeader: boolean;
    }
  | {
      readonly kind: 'createPostgresSource';
      readonly id: ItemId;
      readonly columns: readonly Column[];
      /** Positions of the columns of the primary key: changes may name rows by it. */
      readonly key?: readonly number[];
      readonly schema: string;
      readonly table: string;
    }
  /** Indexes are what frontiers are told of; `on` a table or source it has that one's rows. */
  | { readonly kind: 'createIndex'; readonly id: ItemId; readonly on: ItemId; readonly asOf: Time }
  /** An index over a view's query; views in `query` are expanded: its items are tables, sources or indexed views. */
  | {
      readonly kind: 'createView';
      readonly id: ItemId;
      readonly view: ItemId;
      readonly query: Query;
      readonly asOf: Time;
    }
  | {
      readonly kind: 'createSink';
      readonly id: ItemId;
      readonly from: ItemId;
      readonly columns: readonly Column[];
      readonly into: SinkTarget;
      readonly asOf: Time;
      readonly hasSnapshot: boolean;
    }
  | { readonly kind: 'drop'; readonly ids: readonly ItemId[] }
  /** Answered by `peekDone` once every item's upper is beyond `time`. */
  | {
      readonly kind: 'peek';
      readonly peek: number;
      readonly query: Query;
      readonly time: Time;
      readonly now: number;
      /** Many rows may be told with `peekRows`, some at a time, before `peekDone`. */
      readonly mayStream?: boolean;
    }
  | { readonly kind: 'cancelPeek'; readonly peek: number }
  /** Changes of tables at one time; then everything before `time + 1` is final once `advanceTables` says so. */
  | {
      readonly kind: 'insert';
      readonly time: Time;
      readonly updates: readonly { readonly id: ItemId; readonly deltas: readonly RowDelta[] }[];
    }
  | { readonly kind: 'advanceTables'; readonly to: Time }
  | {
      readonly kind: 'allowCompaction';
      readonly since: readonly { readonly id: ItemId; readonly since: Time }[];
    }
  /** Answered by `subscribed` batches until `unsubscribe`, or the empty frontier. */
  | {
      readonly kind: 'subscribe';
      readonly subscription: number;
      readonly query: Query;
      readonly asOf: Time;
      readonly hasSnapshot: boolean;
    }
  | { readonly kind: 'unsubscribe'; readonly subscription: number };

/** A change as a subscription tells it, ordered by time. */
export type TimedDelta = RowDelta & { readonly time: Time };

export type WorkerFeedback =
  | {
      readonly kind: 'uppers';
      readonly uppers: readonly { readonly id: ItemId; readonly upper: Frontier }[];
    }
  /** Earlier times than these cannot be read, whatever was held: a source was filled just now, or came back. */
  | {
      readonly kind: 'sinces';
      readonly sinces: readonly { readonly id: ItemId; readonly since: Time }[];
    }
  /** The first rows of a peek that has more. */
  | { readonly kind: 'peekRows'; readonly peek: number; readonly rows: readonly SqlRow[] }
  | {
      readonly kind: 'peekDone';
      readonly peek: number;
      readonly result:
        | { readonly kind: 'rows'; readonly rows: readonly SqlRow[] }
        | { readonly kind: 'error'; readonly code: string; readonly message: string }
        | { readonly kind: 'canceled' };
    }
  /** Everything before `upper` has been told with this. */
  | {
      readonly kind: 'subscribed';
      readonly subscription: number;
      readonly deltas: readonly TimedDelta[];
      readonly upper: Frontier;
    }
  /** It cannot go on: nothing more is told of it. */
  | {
      readonly kind: 'subscriptionFailed';
      readonly subscription: number;
      readonly code: string;
      readonly message: string;
    }
  | { readonly kind: 'sinkReady'; readonly id: ItemId }
  | {
      readonly kind: 'failed';
      readonly id: ItemId;
      readonly code: string;
      readonly message: string;
    };
