/** A change of the feed, with cells instead of JSON values: what a replica applies. */
import type { TableDef } from './table.ts';
import type { Cell } from './value.ts';

/**
 * The objects are the store's to keep. Applying is idempotent: an insert of a present key replaces the row, an
 * update of an absent row inserts it (with `cols`: throws `PROTOCOL`), a delete of an absent row does nothing.
 */
export type RowChange =
  | {
      readonly type: 'insert';
      readonly table: string;
      readonly selector: string;
      readonly row: readonly Cell[];
    }
  | {
      readonly type: 'update';
      readonly table: string;
      readonly selector: string;
      /** The old key, when it changed. */
      readonly key?: readonly Cell[] | undefined;
      /** Positions of the columns in `row`; absent = all. */
      readonly cols?: readonly number[] | undefined;
      readonly row: readonly Cell[];
    }
  | {
      readonly type: 'delete';
      readonly table: string;
      readonly selector: string;
      readonly key: readonly Cell[];
    }
  | { readonly type: 'truncate'; readonly table: string }
  /** The table's definition from here on. */
  | { readonly type: 'table'; readonly table: TableDef }
  /** The table is replicated no longer: it goes, with its rows. */
  | { readonly type: 'drop'; readonly table: string }
  /** The table can no longer be followed: it stands still until a difference snapshot replaces it. */
  | { readonly type: 'resync'; readonly table: string };
