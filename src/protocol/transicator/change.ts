/** A change as Transicator's clients get it, before it is put into JSON or protobuf. */
import type { TableDef } from '../../core/table.ts';
import type { Cell } from '../../core/value.ts';
import type { Sequence } from './sequence.ts';

export const OPERATIONS = { insert: 1, update: 2, delete: 3 } as const;

/** Values of some columns. */
export type Row = {
  /** Positions of the columns in `cells`; null = all, from the first on. */
  readonly positions: readonly number[] | null;
  readonly cells: readonly Cell[];
};

export type Change = {
  readonly operation: (typeof OPERATIONS)[keyof typeof OPERATIONS];
  readonly table: TableDef;
  readonly sequence: Sequence;
  /** 64 bits, with epoch. */
  readonly txid: number;
  /** Commit time, microseconds since 1970. */
  readonly micros: number;
  readonly newRow: Row | null;
  /** The whole row before, or only its key. */
  readonly oldRow: Row | null;
};
