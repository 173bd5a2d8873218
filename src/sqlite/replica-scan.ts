/** Full scans of a replica: what it really holds, whatever the stored digests say. */
import { setImmediate } from 'node:timers/promises';
import { bucketOf } from '../core/bucket.ts';
import { Digest } from '../core/digest.ts';
import { RowHasher } from '../core/row-hasher.ts';
import type { Cell } from '../core/value.ts';
import type { ReplicaDigest, SelectedRows } from './digest-book.ts';
import { baseSelectSql } from './local-scan.ts';
import type { ReplicaTable } from './replica-table.ts';
import { prepareArrays, type Sql } from './sql.ts';

/** Rows between two turns of the event loop: some 5 ms. */
const SLICE_ROWS_MAX = 2000;

/** Rows that are hashed together. */
const HASHED_ROWS = 20;

/**
 * Calls `use` with every row of the table, in no promised order. Inside the follower's transaction that is the
 * base, once the table is lifted (local-table.ts).
 */
export function scanRows(sql: Sql, table: ReplicaTable, use: (row: Cell[]) => void): void {
  for (const row of prepareArrays(sql, table.selectSql).iterate()) use(table.restore(row));
}

/** The same for the base, from outside of the follower's transaction. */
function scanBase(sql: Sql, table: ReplicaTable, use: (row: Cell[]) => void): void {
  const rows = prepareArrays(sql, baseSelectSql(sql, table)).iterate();
  for (const row of rows) use(table.restore(row));
}

/** The same in slices, with selectors; a slice is valid until the next one. */
export function scanSlices(
  sql: Sql,
  table: ReplicaTable,
  use: (slice: SelectedRows) => void,
): void {
  const slice: SelectedRows = { rows: [], selectors: [] };
  const end = (): void => {
    use(slice);
    slice.rows.length = 0;
    slice.selectors.length = 0;
  };
  scanRows(sql, table, (row) => {
    slice.rows.push(row);
    slice.selectors.push(table.selectorOf(row) ?? '');
    if (slice.rows.length >= HASHED_ROWS) end();
  });
  end();
}

/** All rows of the base, giving the event loop a turn between slices. The connection must have an open transaction. */
async function scanBaseSlowly(
  sql: Sql,
  table: ReplicaTable,
  use: (row: Cell[]) => void,
): Promise<void> {
  let count = 0;
  for (const row of prepareArrays(sql, baseSelectSql(sql, table)).iterate()) {
    use(table.restore(row));
    count += 1;
    if (count % SLICE_ROWS_MAX === 0) await setImmediate();
  }
}

/** Digests per selector of all rows. */
export async function scanDigests(
  sql: Sql,
  tables: readonly ReplicaTable[],
): Promise<readonly ReplicaDigest[]> {
  const result: ReplicaDigest[] = [];
  for (const table of tables) {
    const digests = new Map<string, Digest>();
    const hasher = new RowHasher(table.definition);
    await scanBaseSlowly(sql, table, (row) => {
      const selector = table.selectorOf(row) ?? '';
      const digest = digests.get(selector) ?? new Digest();
      digest.add(hasher.hash(row));
      digests.set(selector, digest);
    });
    for (const [selector, { hex, rows }] of digests) {
      result.push({ table: table.name, selector, digest: hex, rows });
    }
  }
  return result;
}

/** One digest per bucket of keys, over all rows. */
export async function scanBuckets(
  sql: Sql,
  table: ReplicaTable,
  bucketCount: number,
): Promise<readonly { readonly digest: string; readonly rows: number }[]> {
  const buckets = Array.from({ length: bucketCount }, () => new Digest());
  const hasher = new RowHasher(table.definition);
  await scanBaseSlowly(sql, table, (row) => {
    buckets[bucketOf(table.keyCells(row), bucketCount)]?.add(hasher.hash(row));
  });
  return buckets.map(({ hex, rows }) => ({ digest: hex, rows }));
}

/** A row by its key and the 32 hexadecimal digits of its hash. */
export type RowHash = {
  readonly key: readonly Cell[];
  readonly selector: string;
  readonly hash: string;
};

/** Lists the rows of some buckets: how a difference between digests is traced to rows. */
export function rowsOfBuckets(
  sql: Sql,
  table: ReplicaTable,
  wanted: { readonly buckets: ReadonlySet<number>; readonly bucketCount: number },
): readonly RowHash[] {
  const hasher = new RowHasher(table.definition);
  const result: RowHash[] = [];
  scanBase(sql, table, (row) => {
    const key = table.keyCells(row);
    if (!wanted.buckets.has(bucketOf(key, wanted.bucketCount))) return;
    const digest = new Digest();
    digest.add(hasher.hash(row));
    result.push({ key, selector: table.selectorOf(row) ?? '', hash: digest.hex });
  });
  return result;
}
