/** Where reads are computed: on this thread, or in processes of their own. */
import type { SqlError } from '../../../sql/errors.ts';
import type { SqlRow, SqlType } from '../../../sql/types.ts';
import type { ReadText } from '../../../sqlite/collections/read-text.ts';

export type ReadRequest = {
  readonly text: ReadText;
  /** Of the columns that the text gives, in order. */
  readonly types: readonly SqlType[];
  /** True when it surely takes next to no time. */
  readonly isSmall: () => boolean;
};

/** Exactly one call of `rows` with `isLast`, of `failed` or of `stale` ends a read; none comes after `end`. */
export type ReadListener = {
  /** A batch; the next one comes after `next`. `bytes`: about what its values take. */
  rows(rows: SqlRow[], batch: { readonly bytes: number; readonly isLast: boolean }): void;
  failed(error: SqlError): void;
  /** What the text was compiled for is no more: compile it again. Nothing was told before. */
  stale(): void;
};

export type RunningRead = {
  /** The batch was taken. */
  next(): void;
  /** Nobody wants the rest. */
  end(): void;
};

export interface Readers {
  /** The listener may be called before this returns. */
  start(request: ReadRequest, listener: ReadListener): RunningRead;
}
