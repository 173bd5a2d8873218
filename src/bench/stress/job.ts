/** One transaction of a writer: what it does, whoever made it up. */
import type { PgSession } from '../../postgres/session.ts';
import type { OpChange } from './evidence.ts';

export type Job = {
  /** Unique in the run: `sender-1/17`. */
  readonly tx: string;
  readonly group: number;
  /** It is going to be rolled back. */
  readonly isDoomed: boolean;
  /** The record that ends a group. */
  readonly isEnd: boolean;
  /** Inside the transaction, before anything is written: takes its locks, and says what will be written. */
  prepare(session: PgSession): Promise<Prepared>;
  /** Asked after a COMMIT without an answer: are its rows there? */
  isWritten(session: PgSession): Promise<boolean>;
};

export type Prepared = {
  readonly changes: readonly OpChange[];
  /** What is written and rolled back to a savepoint; null: nothing. */
  readonly undone: readonly OpChange[] | null;
  perform(session: PgSession): Promise<void>;
};
