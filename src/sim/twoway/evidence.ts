/** What a run of sites that write tells about itself, for a judge that knows nothing of the product. */
import type { RowState } from '../../merge/row-state.ts';
import type { Write } from './site-disk.ts';

/** By key, deleted rows too. */
export type SeenRows = ReadonlyMap<string, RowState>;

export interface TwowayObserver {
  /** What a reader sees at a site; null is Postgres. */
  seen(event: { readonly t: number; readonly site: string | null; readonly rows: SeenRows }): void;
  /** A transaction is committed there; what it is based on is the read before. */
  written(event: {
    readonly t: number;
    readonly site: string | null;
    readonly writes: readonly Write[];
  }): void;
  /** What all have in the end. `how`: whether everything came to rest. */
  ended(event: {
    readonly t: number;
    readonly isAtRest: boolean;
    readonly server: SeenRows;
    readonly sites: ReadonlyMap<string, SeenRows>;
  }): void;
}
