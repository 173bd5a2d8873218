/**
 * Rows of one REPEATABLE READ transaction with that transaction's own snapshot, for clients that put the two
 * together themselves (by leaving out changes whose transaction the snapshot shows).
 */
import type { TableDef } from '../core/table.ts';
import type { Cell } from '../core/value.ts';
import type { RowSnapshot } from './api.ts';
import {
  type ExactSnapshot,
  type ExactSnapshotOptions,
  openExactSnapshot,
} from './exact-snapshot.ts';

/** Throws `SOURCE_DOWN` (also while the stream does not run), `TIMEOUT`, `BUSY`. */
export async function openRowSnapshot(options: ExactSnapshotOptions): Promise<RowSnapshot> {
  const snapshot = await openExactSnapshot(options);
  try {
    return {
      snapshot: snapshot.text,
      timestamp: await snapshot.beganAt(),
      tables: snapshot.tables,
      rows: (table) => rowsOf(snapshot, table, options),
      close: () => snapshot.close(),
    };
  } catch (error) {
    await snapshot.close();
    throw error;
  }
}

async function* rowsOf(
  snapshot: ExactSnapshot,
  table: TableDef,
  { selectors, signal }: ExactSnapshotOptions,
): AsyncIterable<readonly (readonly Cell[])[]> {
  for await (const { rows } of snapshot.rows(table, selectors)) {
    signal.throwIfAborted();
    yield rows;
  }
}
