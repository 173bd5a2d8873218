/**
 * What a run tells about itself, for a judge that knows nothing of the product. The events have the form of the
 * stress runs' evidence, so one judge serves both; only reads are handed over as rows.
 */
import type { TableDef } from '../core/table.ts';
import type { DigestEntry } from '../protocol/feed.ts';

type At = { readonly t: number };
export type NamedRow = Readonly<Record<string, string | null>>;

/** One change of a committed transaction. */
export type CommittedChange = {
  readonly table: string;
  readonly op: 'insert' | 'update' | 'delete' | 'truncate' | 'alter';
  readonly old: NamedRow | null;
  readonly row: NamedRow | null;
  /** Of `alter`: the columns from there on. The rows that it changes follow. */
  readonly columns?: TableDef['columns'] | undefined;
};

export type WrittenTransaction = At & {
  readonly tx: string;
  readonly txid: string;
  readonly changes: readonly CommittedChange[];
};

export type AppliedEvent = At & {
  readonly replica: string;
  readonly life: number;
  readonly selectors: readonly string[];
  readonly kind: 'snapshot' | 'difference' | 'apply';
  readonly ts: string;
  readonly changes: number;
  readonly digests: readonly DigestEntry[];
};

/** A row as a reader of the replica sees it. The object is the same as long as the row is. */
export type SeenRow = {
  readonly table: string;
  readonly columns: readonly string[];
  readonly cells: readonly unknown[];
};

export type SeenEvent = At & {
  readonly replica: string;
  readonly life: number;
  readonly session: number;
  readonly selectors: readonly string[];
  readonly ts: string;
  readonly rows: readonly SeenRow[];
};

export interface Observer {
  /** A transaction began at `t` and ended at `endedAt`; what was rolled back has the rows that it would have left. */
  written(transaction: WrittenTransaction, ended: { readonly isCommitted: boolean }): void;
  /** It is committed, in commit order. */
  committed(
    event: WrittenTransaction & { readonly ts: string; readonly committedAt: number },
  ): void;
  applied(event: AppliedEvent): void;
  seen(event: SeenEvent): void;
  fault(event: At & { readonly id: string; readonly fault: string; readonly target: string }): void;
  /** What was seen of a fault. */
  effect(event: At & { readonly id: string; readonly effect: string }): void;
  /** A fault is over. */
  mended(event: At & { readonly id: string }): void;
  state(
    event: At & { readonly process: string; readonly state: string; readonly note: string },
  ): void;
  killed(event: At & { readonly process: string }): void;
  redelivered(event: At & { readonly count: number }): void;
}
