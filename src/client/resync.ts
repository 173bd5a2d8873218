/**
 * Re-synchronisation by difference: tells the server the digests of what is held, by bucket, and gets the
 * rows of those buckets that differ. Used for every reason there is; nothing is ever copied wholesale.
 */
import { TidelockError } from '../core/errors.ts';
import { LineSplitter } from '../protocol/lines.ts';
import { stalledTables } from './applier.ts';
import type { CrashHook } from './crash-points.ts';
import { DifferenceApplier } from './difference.ts';
import type { ServerApi } from './server-api.ts';
import type { ReplicaStore, ResyncCounts, Spool } from './store.ts';

/** Rows of one bucket: what one wrong row costs. */
const ROWS_PER_BUCKET = 64;
const BUCKETS_MIN = 16;
const BUCKETS_MAX = 4096;
/** Over all tables, so that the request stays below the server's limit of a body. */
const ENTRIES_MAX = 65_536;

export type ResyncOptions = {
  readonly api: ServerApi;
  readonly store: ReplicaStore;
  readonly server: string;
  readonly selectors: readonly string[];
  /** Whose lease holds the log from the snapshot on. */
  readonly replica: string | undefined;
  readonly signal: AbortSignal;
  readonly onChunk: () => void;
  /** Where the answer waits for its end, when others write into the store too. */
  readonly spool?: Spool | null;
  readonly crashPoint: CrashHook;
};

export async function resync(options: ResyncOptions): Promise<ResyncCounts> {
  const { api, store, server, selectors, replica, signal, crashPoint, spool = null } = options;
  const bucketCount = bucketCountFor(store);
  const held = await store.scanBuckets(bucketCount);
  signal.throwIfAborted();
  const body = await api.difference({ selectors, replica, held, signal });
  const splitter = new LineSplitter();
  const applier = new DifferenceApplier({ store, server, selectors, bucketCount, crashPoint });
  try {
    for await (const chunk of body) {
      signal.throwIfAborted();
      options.onChunk();
      const lines = splitter.push(chunk);
      if (spool === null) applier.take(lines);
      else spool.write(lines);
    }
    if (spool !== null) for (const lines of spool.read()) applier.take(lines);
  } finally {
    spool?.clear();
    applier.abandon();
  }
  if (applier.counts !== null) return applier.counts;
  throw new TidelockError({
    code: 'SERVER_UNREACHABLE',
    message: 'the difference snapshot broke off before its end',
  });
}

/** A power of two that gives buckets of about 64 rows in the largest table. */
export function bucketCountFor(store: ReplicaStore): number {
  const rowsByTable = new Map<string, number>();
  for (const { table, rows } of store.digests()) {
    rowsByTable.set(table, (rowsByTable.get(table) ?? 0) + rows);
  }
  const rowsMax = Math.max(1, ...rowsByTable.values());
  const wanted = 2 ** Math.ceil(Math.log2(rowsMax / ROWS_PER_BUCKET));
  const allowed = 2 ** Math.floor(Math.log2(ENTRIES_MAX / Math.max(1, store.tables.length)));
  return Math.max(1, Math.min(Math.max(BUCKETS_MIN, wanted), BUCKETS_MAX, allowed));
}

/** Why the file cannot go on from its position, or null. */
export function staleness(store: ReplicaStore, selectors: readonly string[]): string | null {
  const held = new Set(store.identity.selectors);
  if (held.symmetricDifference(new Set(selectors)).size > 0) {
    return `the selectors changed from ${[...held].join(', ')} to ${selectors.join(', ')}`;
  }
  const stalled = stalledTables(store);
  return stalled.length === 0 ? null : `${stalled.join(', ')} could not follow a new definition`;
}
