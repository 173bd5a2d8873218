/**
 * Postgres at one exact position: the rows of a REPEATABLE READ transaction plus the log's transactions that
 * it does not show.
 *
 *   lock tables, take the snapshot -> wait until the log has all that it shows -> position = the log's upper
 *   -> rows by COPY -> late transactions on top
 */

import { TidelockError } from '../core/errors.ts';
import type { Ts } from '../core/lsn.ts';
import type { RowChange } from '../core/row-change.ts';
import type { WantedSelectors } from '../core/selector.ts';
import type { TableDef } from '../core/table.ts';
import { isInSnapshot } from '../core/txid-snapshot.ts';
import type { GroupHead } from '../log/group.ts';
import type { LogStore } from '../log/port.ts';
import { openSnapshot, type SnapshotTransaction } from '../postgres/snapshot-transaction.ts';
import { ChangeDecoder } from '../protocol/change-decoder.ts';
import { LineSplitter } from '../protocol/lines.ts';
import type { EngineCore } from './core.ts';
import { lateGroups, lateLines, type Visibility } from './late-transactions.ts';
import { timelineOf } from './log-at-open.ts';

export type ExactSnapshot = {
  readonly ts: Ts;
  readonly timeline: string;
  /** As of `ts`, and as of the rows. */
  readonly tables: readonly TableDef[];
  /** The rows of a table, as of the snapshot; without the late transactions. One table at a time. */
  readonly rows: SnapshotTransaction['rows'];
  /** When Postgres took it; RFC 3339. */
  readonly beganAt: SnapshotTransaction['beganAt'];
  /** What the rows show, as Postgres prints it; without the late transactions. */
  readonly text: string;
  /** Late transactions as lines, whole and in order. */
  lateLines(): Iterable<Uint8Array>;
  /** The same, decoded; their commit lines left out. */
  lateChanges(): Iterable<readonly RowChange[]>;
  close(): Promise<void>;
};

/** What an exact snapshot needs of Postgres. */
export type RowTransaction = Omit<SnapshotTransaction, 'session'>;

export type ExactSnapshotOptions = {
  readonly core: EngineCore;
  readonly url: string;
  /** Takes the place of a transaction at `url`. */
  readonly openRows?: ((tables: readonly string[]) => Promise<RowTransaction>) | undefined;
  readonly tables: () => readonly TableDef[];
  /** When the server started that the stream comes from; null while it does not run. */
  readonly serverStart: () => string | null;
  readonly selectors: WantedSelectors;
  readonly waitMsMax: number;
  readonly signal: AbortSignal;
};

/** A schema change, or a cut of the log, between the locks and the position makes the snapshot useless: try again. */
const TRIES_MAX = 5;

/** How long one waits for the stream to run: at a start, and when Postgres has just come back. */
const STREAM_MS_MAX = 5000;
const LOOK_MS = 50;
/** From the commit record of a transaction to the moment when everybody sees it. */
const VISIBLE_MS = 1000;

/** Throws `SOURCE_DOWN` (also when the stream does not run in time), `TIMEOUT` (the log does not catch up), `NOT_READY`. */
export async function openExactSnapshot(options: ExactSnapshotOptions): Promise<ExactSnapshot> {
  const { clock } = options.core;
  const deadlineMs = clock.now() + Math.min(options.waitMsMax, STREAM_MS_MAX);
  let open: ReadonlySet<number> = new Set();
  for (let tries = 0; tries < TRIES_MAX; ) {
    const outcome = await tryOpen(options, open);
    if (outcome === 'notStreaming') await untilStreaming(options, deadlineMs);
    else if (outcome !== 'changed' && !(outcome instanceof Set)) return outcome;
    else tries += 1;
    if (!(outcome instanceof Set)) continue;
    open = outcome;
    await pause(options, VISIBLE_MS);
  }
  throw new TidelockError({
    code: 'BUSY',
    message: `the schema changed, or the log was cut, during each of ${TRIES_MAX} snapshots`,
    hint: 'try again when the schema rests; a log that is cut so often needs more room (logBytesMax)',
  });
}

/** `open`: transactions that were open a while ago. A set: such that are not known to be, and may be purged. */
async function tryOpen(
  options: ExactSnapshotOptions,
  open: ReadonlySet<number>,
): Promise<ExactSnapshot | 'changed' | 'notStreaming' | Set<number>> {
  const { core, selectors, signal } = options;
  const { store } = core.tail;
  const before = options.tables();
  const { since } = store;
  const timeline = timelineOf(store);
  const release = core.hold('snapshot', since);
  let transaction: RowTransaction | null = null;
  try {
    const opened = await openRows(options, before);
    transaction = opened;
    const dismiss = async <T>(why: T): Promise<T> => {
      await opened.close();
      release();
      return why;
    };
    if (timeline === null) return await dismiss('notStreaming' as const);
    await core.waitFor(transaction.insertLsn, options.waitMsMax, signal);
    if (transaction.serverStart !== options.serverStart()) {
      return await dismiss('notStreaming' as const);
    }
    const visibility = visibilityOf(transaction);
    const groups = lateGroups(store.heads, visibility);
    const isSettled = JSON.stringify(before) === JSON.stringify(options.tables());
    // The log's byte limit breaks any hold: late transactions may be gone.
    const isWhole = store.since === since || store.purgedTxid < visibility.xmin;
    if (!isSettled || !isWhole || timeline !== timelineOf(store)) {
      return await dismiss('changed' as const);
    }
    const doubtful = doubtfulOf(transaction, store);
    if (!doubtful.isSubsetOf(open)) return await dismiss(doubtful);
    const late = { core, groups, selectors, visibility, tables: before };
    return {
      ts: store.upper,
      timeline,
      tables: before,
      rows: transaction.rows,
      beganAt: transaction.beganAt,
      text: transaction.text,
      lateLines: () => lateLines(core.tail, groups, { selectors, visibility }),
      lateChanges: () => decodeLate(late),
      close: async () => {
        release();
        await transaction?.close();
      },
    };
  } catch (error) {
    release();
    await transaction?.close();
    throw error;
  }
}

/** Returns when the stream may run, at most a look later. Throws `SOURCE_DOWN` at the deadline, or the signal's reason. */
async function untilStreaming(
  { core, serverStart, signal }: ExactSnapshotOptions,
  deadlineMs: number,
): Promise<void> {
  do {
    if (core.clock.now() >= deadlineMs) throw isNotStreaming();
    await pause({ core, signal }, LOOK_MS);
  } while (serverStart() === null);
}

async function pause(
  { core, signal }: Pick<ExactSnapshotOptions, 'core' | 'signal'>,
  delayMs: number,
): Promise<void> {
  await new Promise<void>((resolve) => core.clock.after(delayMs, resolve));
  signal.throwIfAborted();
}

/**
 * Transactions that the snapshot does not show and that are as old as what was purged, or as the slot. Nobody can
 * tell whether one is still open, or has committed, is not visible yet, and the log does not have it: it committed
 * before the slot's beginning, or was purged at once by the byte limit. Who is missing in a snapshot of a moment later
 * too was open.
 */
function doubtfulOf({ snapshot }: RowTransaction, { purgedTxid, identity }: LogStore): Set<number> {
  const lastTxid = Math.max(purgedTxid, identity?.startTxid ?? 0);
  const doubtful = new Set([...snapshot.xips].filter((txid) => txid <= lastTxid));
  if (lastTxid >= snapshot.xmax) doubtful.add(lastTxid);
  return doubtful;
}

/**
 * The log's positions say something about a database only while both come from one running server: after a
 * restore the rows may be older than the log, and nobody has found out yet.
 */
function isNotStreaming(): TidelockError {
  return new TidelockError({
    code: 'SOURCE_DOWN',
    message: 'the stream from Postgres does not run, so its rows have no position in the log',
    hint: 'try again in a moment; /v1/status tells what the source waits for',
  });
}

function openRows(
  options: ExactSnapshotOptions,
  tables: readonly TableDef[],
): Promise<RowTransaction> {
  const names = tables.map(({ name }) => name);
  return options.openRows?.(names) ?? openSnapshot({ url: options.url, tables: names });
}

function visibilityOf({ snapshot }: RowTransaction): Visibility {
  return { xmin: snapshot.xmin, isVisible: (txid) => isInSnapshot(snapshot, txid) };
}

function* decodeLate(late: {
  readonly core: EngineCore;
  readonly groups: readonly GroupHead[];
  readonly selectors: WantedSelectors;
  readonly visibility: Visibility;
  readonly tables: readonly TableDef[];
}): Iterable<readonly RowChange[]> {
  const decoder = new ChangeDecoder(late.tables, late.selectors);
  for (const lines of lateLines(late.core.tail, late.groups, late)) {
    const changes: RowChange[] = [];
    for (const line of new LineSplitter().push(lines)) {
      const change = decoder.decode(line);
      if (change !== null) changes.push(change);
    }
    yield changes;
  }
}
