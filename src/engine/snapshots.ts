/** Snapshots for replicas: a finished SQLite file, or lines; whole, or only what differs. */
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { bucketOf } from '../core/bucket.ts';
import { TidelockError } from '../core/errors.ts';
import { formatLsn } from '../core/lsn.ts';
import { keyPositions, type TableDef } from '../core/table.ts';
import { type Cell, cellToJsonText } from '../core/value.ts';
import type { CopyChunk } from '../postgres/copy.ts';
import { type DigestEntry, PROTOCOL_VERSION } from '../protocol/feed.ts';
import { createSnapshotFile, type SnapshotFile as FileBuilder } from '../sqlite/snapshot-file.ts';
import type { HeldDigests, SnapshotFile, SnapshotRequest } from './api.ts';
import type { TimerHandle } from './clock.ts';
import { endScan, entriesOf, scanTable, startScan, type TableScan } from './digest-scan.ts';
import {
  type ExactSnapshot,
  type ExactSnapshotOptions,
  openExactSnapshot,
} from './exact-snapshot.ts';

export type SnapshotsOptions = Omit<ExactSnapshotOptions, 'selectors' | 'signal'> & {
  /** Unfinished and unsent files; emptied at start. */
  readonly dir: string;
};

const LINES_BYTES_MAX = 64 * 1024;
/** For a reader without a name, from its snapshot to the start of its feed. */
const HOLD_MS = 60_000;
const HOLDS_MAX = 1000;

export class Snapshots {
  readonly #options: SnapshotsOptions;
  #count = 0;
  /** Readers without a name that took a snapshot and have not asked for its feed yet. */
  readonly #holds = new Set<TimerHandle>();

  /** `open` also tidies the folder; without it only `lines` can be used. */
  constructor(options: SnapshotsOptions) {
    this.#options = options;
  }

  /** Removes what a predecessor that was killed left behind. */
  static async open(options: SnapshotsOptions): Promise<Snapshots> {
    await mkdir(options.dir, { recursive: true });
    for (const name of await readdir(options.dir)) {
      if (name.startsWith('snapshot-')) await rm(join(options.dir, name), { force: true });
    }
    return new Snapshots(options);
  }

  get count(): number {
    return this.#count;
  }

  async file(request: SnapshotRequest): Promise<SnapshotFile> {
    const snapshot = await this.#open(request);
    const path = join(this.#options.dir, `snapshot-${randomUUID()}.db`);
    let builder: FileBuilder | null = null;
    try {
      builder = createSnapshotFile({ file: path, tables: snapshot.tables });
      this.#options.core.crashPoint('snapshotOpened');
      await load(builder, snapshot, request);
      this.#options.core.crashPoint('snapshotCopied');
      for (const changes of snapshot.lateChanges()) builder.applyLate(changes);
      const { ts, timeline } = snapshot;
      const { sizeBytes } = builder.finish({
        timeline,
        position: ts,
        selectors: request.selectors,
      });
      this.#options.core.crashPoint('snapshotFinished');
      this.#count += 1;
      this.#lease(request, snapshot);
      return { path, sizeBytes, ts, timeline, release: () => rm(path, { force: true }) };
    } catch (error) {
      builder?.abort();
      throw fileFailure(error);
    } finally {
      await snapshot.close();
    }
  }

  async *lines(request: SnapshotRequest, held?: HeldDigests): AsyncIterable<Uint8Array> {
    const { crashPoint } = this.#options.core;
    const snapshot = await this.#open(request);
    try {
      crashPoint('snapshotOpened');
      yield lineOf({
        type: 'hello',
        protocol: PROTOCOL_VERSION,
        timeline: snapshot.timeline,
        selectors: request.selectors,
        since: formatLsn(snapshot.ts),
        tables: snapshot.tables.length,
      });
      for (const table of snapshot.tables) yield lineOf({ type: 'table', table });
      const digests: DigestEntry[] = [];
      for (const table of snapshot.tables) {
        yield* tableLines({ table, snapshot, request, held, digests });
      }
      crashPoint('snapshotCopied');
      yield* snapshot.lateLines();
      const { ts, timeline } = snapshot;
      crashPoint('snapshotFinished');
      yield lineOf({ type: 'snapshot_completed', ts: formatLsn(ts), timeline, digests });
      this.#count += 1;
      this.#lease(request, snapshot);
    } finally {
      await snapshot.close();
    }
  }

  #open({ selectors, signal }: SnapshotRequest): Promise<ExactSnapshot> {
    return openExactSnapshot({ ...this.#options, selectors, signal });
  }

  /** The holds end; the log is kept no longer. */
  stop(): void {
    for (const timer of this.#holds) timer.cancel();
    this.#holds.clear();
  }

  /** From here on the replica itself holds the log; for a reader without a name it is held for a while. */
  #lease({ replica }: SnapshotRequest, { ts }: ExactSnapshot): void {
    const { core } = this.#options;
    if (replica !== undefined) {
      core.dispatch({ kind: 'lease', now: core.clock.now(), replica, ts });
      return;
    }
    if (this.#holds.size >= HOLDS_MAX) return;
    const release = core.hold('snapshot taken', ts);
    const timer = core.clock.after(HOLD_MS, () => {
      this.#holds.delete(timer);
      release();
    });
    this.#holds.add(timer);
  }
}

/** The file is the server's own until it is sent. */
function fileFailure(error: unknown): unknown {
  if (!(error instanceof TidelockError) || error.code !== 'REPLICA_WRITE_FAILED') return error;
  return new TidelockError({
    code: 'LOG_WRITE_FAILED',
    message: 'the snapshot could not be written: the disk of the server is full or failing',
    hint: error.hint ?? 'free space on the disk of the log',
    cause: error,
  });
}

async function load(
  builder: FileBuilder,
  { tables, rows }: ExactSnapshot,
  { selectors, signal }: SnapshotRequest,
): Promise<void> {
  for (const table of tables) {
    for await (const chunk of rows(table, selectors)) {
      signal.throwIfAborted();
      for (let index = 0; index < chunk.rows.length; index += 1) {
        builder.row(table.name, chunk.selectors[index] ?? '', chunk.rows[index] ?? []);
      }
    }
  }
}

/** The table's rows: all of them, or only those of buckets that the replica has otherwise. */
async function* tableLines(work: {
  readonly table: TableDef;
  readonly snapshot: ExactSnapshot;
  readonly request: SnapshotRequest;
  readonly held: HeldDigests | undefined;
  readonly digests: DigestEntry[];
}): AsyncIterable<Uint8Array> {
  const { table, snapshot, request, held, digests } = work;
  const { selectors, signal } = request;
  if (held === undefined) {
    const scan = startScan(snapshot, table, 0);
    yield* rowLines({ table, snapshot, request, onChunk: (chunk) => scan.add(chunk) });
    endScan(snapshot, scan);
    digests.push(...entriesOf(scan, selectors));
    return;
  }
  const { bucketCount } = held;
  const scan = await scanTable(snapshot, table, { selectors, signal, bucketCount });
  digests.push(...entriesOf(scan, selectors));
  const buckets = differing(scan, held);
  yield lineOf({ type: 'replace', table: table.name, buckets: [...buckets] });
  if (buckets.size === 0) return;
  const key = keyPositions(table);
  const accept = (row: readonly Cell[]): boolean => buckets.has(bucketOfRow(row, key, bucketCount));
  yield* rowLines({ table, snapshot, request, accept });
}

async function* rowLines(work: {
  readonly table: TableDef;
  readonly snapshot: ExactSnapshot;
  readonly request: SnapshotRequest;
  readonly accept?: (row: readonly Cell[]) => boolean;
  readonly onChunk?: (chunk: CopyChunk) => void;
}): AsyncIterable<Uint8Array> {
  const { table, snapshot, request, accept } = work;
  const lines = new LineJoiner();
  for await (const chunk of snapshot.rows(table, request.selectors)) {
    request.signal.throwIfAborted();
    work.onChunk?.(chunk);
    for (let index = 0; index < chunk.rows.length; index += 1) {
      const row = chunk.rows[index] ?? [];
      if (accept !== undefined && !accept(row)) continue;
      const ready = lines.add(rowLine(table, chunk.selectors[index] ?? '', row));
      if (ready !== null) yield ready;
    }
  }
  yield lines.take();
}

/** Buckets in which the replica differs from Postgres at the snapshot's position. */
function differing(scan: TableScan, held: HeldDigests): ReadonlySet<number> {
  const theirs = held.tables[scan.table.name];
  const buckets = new Set<number>();
  scan.buckets.forEach((ours, bucket) => {
    const other = theirs?.[bucket];
    if (ours.hex !== other?.digest || ours.rows !== other.rows) buckets.add(bucket);
  });
  return buckets;
}

function bucketOfRow(row: readonly Cell[], key: readonly number[], bucketCount: number): number {
  return bucketOf(
    key.map((position) => row[position] ?? null),
    bucketCount,
  );
}

function rowLine(table: TableDef, selector: string, row: readonly Cell[]): string {
  const values = table.columns.map((column, index) =>
    cellToJsonText(column.kind, row[index] ?? null),
  );
  return `{"type":"row","table":${JSON.stringify(table.name)},"selector":${JSON.stringify(selector)},"row":[${values.join(',')}]}\n`;
}

function lineOf(line: object): Uint8Array {
  return Buffer.from(`${JSON.stringify(line)}\n`);
}

/** Joins lines to chunks of a good size for a socket. */
class LineJoiner {
  #lines: string[] = [];
  #chars = 0;

  add(line: string): Uint8Array | null {
    this.#lines.push(line);
    this.#chars += line.length;
    return this.#chars >= LINES_BYTES_MAX ? this.take() : null;
  }

  take(): Uint8Array {
    const text = this.#lines.join('');
    this.#lines = [];
    this.#chars = 0;
    return Buffer.from(text);
  }
}
