/** What a reader process and the one that started it tell one another. */
import type { SqlRow } from '../../../sql/types.ts';
import type { ReadRequest } from './read-port.ts';

/** Batches that may be on their way: one is taken while the next is computed. */
export const BATCHES_AHEAD = 2;
/** Rows of one batch. */
export const BATCH_ROWS_MAX = 1000;
/** Bytes of one batch, one row aside. */
export const BATCH_BYTES_MAX = 256 * 1024;

/** How a process ends that has taken more memory than it may. */
export const MEMORY_SIGNAL = 'SIGUSR2';

export type ReaderCommand =
  /** First of all. */
  | { readonly kind: 'open'; readonly file: string; readonly memoryBytesMax: number }
  | ({ readonly kind: 'read' } & Pick<ReadRequest, 'text' | 'types'>)
  /** A batch was taken. */
  | { readonly kind: 'next' }
  /** Nobody wants the rest. Answered by `ended`. */
  | { readonly kind: 'end' };

export type ReaderNews =
  | { readonly kind: 'ready' }
  /** It has the read, and computes it from now on. */
  | { readonly kind: 'begun' }
  | {
      readonly kind: 'rows';
      readonly rows: SqlRow[];
      readonly bytes: number;
      readonly isLast: boolean;
    }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
  | { readonly kind: 'stale' }
  | { readonly kind: 'ended' };
