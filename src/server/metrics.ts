/** Prometheus metrics, collected when asked for. Names and help texts are a promise: dashboards use them. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { SqlCounts } from '../core/sql-counts.ts';
import type { EngineStatus } from '../engine/api.ts';
import type { UploadResult } from '../engine/uploads.ts';
import type { ServerContext } from './context.ts';
import type { EndReason } from './feed-stream.ts';
import { registerLockstep } from './lockstep/metrics.ts';
import { registerRuns } from './runs/metrics.ts';
import type { RunsService } from './runs/service.ts';
import { registerSql } from './sql-metrics.ts';

const SOURCE_STATES = ['starting', 'streaming', 'down', 'slot_busy', 'unfit', 'resyncing'] as const;
const DELAY_RESOLUTION_MS = 10;
const NANOSECONDS_PER_SECOND = 1e9;
const UPLOAD_SECONDS = [0.005, 0.02, 0.1, 0.5, 2, 10, 60];

type Reading = {
  readonly name: string;
  readonly help: string;
  readonly of: (status: EngineStatus) => number | null;
};

const GAUGES: readonly Reading[] = [
  {
    name: 'tidelock_lag_bytes',
    help: 'WAL bytes between the end of the source and what the log has',
    of: ({ source }) => source.lagBytes,
  },
  {
    name: 'tidelock_lag_seconds',
    help: 'Seconds between the last transaction and its append to the log',
    of: ({ lastCommitLagS }) => lastCommitLagS,
  },
  {
    name: 'tidelock_retained_wal_bytes',
    help: 'WAL bytes that the slot keeps on the disk of the source',
    of: ({ source }) => source.retainedWalBytes,
  },
  {
    name: 'tidelock_log_bytes',
    help: 'Size of the change log on disk',
    of: ({ log }) => log.sizeBytes,
  },
  { name: 'tidelock_log_groups', help: 'Groups in the change log', of: ({ log }) => log.groups },
  {
    name: 'tidelock_log_upper',
    help: 'Position up to which the log is complete, as a number',
    of: ({ log }) => log.upper,
  },
  {
    name: 'tidelock_log_since',
    help: 'Position after which the log can be served, as a number',
    of: ({ log }) => log.since,
  },
  {
    name: 'tidelock_log_confirmed',
    help: 'Position that the source was told is safe, as a number',
    of: ({ log }) => log.confirmed,
  },
  {
    name: 'tidelock_log_ok',
    help: '1 when the log can be written, 0 when nothing is acknowledged because it cannot',
    of: ({ log }) => (log.state === 'ok' ? 1 : 0),
  },
  {
    name: 'tidelock_source_attempts',
    help: 'Connection attempts since the source was last streaming',
    of: ({ source }) => source.attempts,
  },
  {
    name: 'tidelock_tables_live',
    help: 'Tables that are replicated',
    of: ({ tables }) => tables.filter(({ state }) => state === 'live').length,
  },
  {
    name: 'tidelock_tables_unfit',
    help: 'Tables that cannot be replicated; /v1/status says why',
    of: ({ tables }) => tables.filter(({ state }) => state === 'unfit').length,
  },
  {
    name: 'tidelock_tables_held',
    help: 'Two-way tables that nobody reads, and to which writes wait; /v1/status says why',
    of: ({ tables }) => tables.filter(({ state }) => state === 'held').length,
  },
  {
    name: 'tidelock_leases',
    help: 'Replicas for which the log is kept',
    of: ({ leases }) => leases.length,
  },
];

const COUNTERS: readonly Reading[] = [
  {
    name: 'tidelock_transactions_total',
    help: 'Transactions appended to the log',
    of: ({ counters }) => counters.transactions,
  },
  {
    name: 'tidelock_changes_total',
    help: 'Changes appended to the log',
    of: ({ counters }) => counters.changes,
  },
  {
    name: 'tidelock_redelivered_total',
    help: 'Transactions that the source sent again and that were dropped',
    of: ({ counters }) => counters.redelivered,
  },
  {
    name: 'tidelock_snapshots_total',
    help: 'Snapshots made since the start',
    of: ({ counters }) => counters.snapshots,
  },
  {
    name: 'tidelock_tombstones_collected_total',
    help: 'Tombstones of two-way tables that every lease had passed and that were removed',
    of: ({ counters }) => counters.tombstones,
  },
];

export class Metrics {
  readonly #registry = new Registry();
  readonly #context: ServerContext;
  readonly #delay: ReturnType<typeof monitorEventLoopDelay>;
  readonly #ended: Counter<'reason'>;
  readonly #uploadSeconds: Histogram;
  readonly #uploaded: Counter;
  readonly #refused: Counter<'code'>;
  #scrapedAt: number;
  #changesPerSecond = 0;
  /** One reading of the engine serves a whole scrape. */
  #status: EngineStatus;

  constructor(context: ServerContext) {
    this.#context = context;
    this.#status = context.engine.status();
    this.#scrapedAt = context.clock.now();
    this.#delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
    this.#delay.enable();
    for (const reading of GAUGES)
      this.#gauge(reading.name, reading.help, () => reading.of(this.#status));
    for (const reading of COUNTERS) this.#counter(reading);
    this.#ended = new Counter({
      name: 'tidelock_streams_ended_total',
      help: 'Feed streams that ended, by reason; stalled and buffer_full are dropped readers',
      labelNames: ['reason'],
      registers: [this.#registry],
    });
    this.#uploadSeconds = new Histogram({
      name: 'tidelock_upload_seconds',
      help: 'Uploads of replicas and how long each took to be merged into Postgres',
      buckets: UPLOAD_SECONDS,
      registers: [this.#registry],
    });
    this.#uploaded = new Counter({
      name: 'tidelock_uploaded_transactions_total',
      help: 'Local transactions of replicas that landed in Postgres',
      registers: [this.#registry],
    });
    this.#refused = new Counter({
      name: 'tidelock_refused_transactions_total',
      help: 'Local transactions of replicas that were refused, by code',
      labelNames: ['code'],
      registers: [this.#registry],
    });
    this.#own();
    this.#labelled();
    if (context.lockstep !== null) registerLockstep(this.#registry, context.lockstep);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  streamEnded(reason: EndReason): void {
    this.#ended.inc({ reason });
  }

  uploaded({ applied, refused }: UploadResult, seconds: number): void {
    this.#uploadSeconds.observe(seconds);
    this.#uploaded.inc(applied);
    for (const { code } of refused) this.#refused.inc({ code });
  }

  addRuns(service: RunsService): void {
    registerRuns(this.#registry, service);
  }

  addSql(counts: SqlCounts): void {
    registerSql(this.#registry, counts);
  }

  /** The text of a scrape. */
  async render(): Promise<string> {
    this.#refresh();
    const text = await this.#registry.metrics();
    this.#delay.reset();
    return text;
  }

  close(): void {
    this.#delay.disable();
  }

  /** What the server itself knows. */
  #own(): void {
    const { pump, snapshots, digests, uploads } = this.#context;
    this.#gauge('tidelock_subscribers', 'Open feed streams', () => pump.count);
    this.#gauge(
      'tidelock_snapshots_running',
      'Snapshots being made or sent',
      () => snapshots.running,
    );
    this.#gauge(
      'tidelock_queued',
      'Snapshots, digests and uploads that wait for their turn',
      () => snapshots.waiting + digests.waiting + uploads.waiting,
    );
    this.#gauge(
      'tidelock_apply_changes_per_second',
      'Changes appended to the log per second since the last scrape',
      () => this.#changesPerSecond,
    );
    this.#gauge(
      'tidelock_event_loop_delay_p99_seconds',
      'Event loop delay since the last scrape',
      () => this.#delayS(),
    );
    this.#gauge('tidelock_rss_bytes', 'Resident memory of the server', () =>
      process.memoryUsage.rss(),
    );
  }

  /** Values by label, read at the scrape. */
  #labelled(): void {
    const { pump, snapshotBytes, changesBytes, lockstepReaders } = this.#context;
    const state = (): string => this.#status.source.state;
    new Gauge({
      name: 'tidelock_source_state',
      help: '1 for the present state of the source',
      labelNames: ['state'],
      registers: [this.#registry],
      collect() {
        for (const name of SOURCE_STATES) this.set({ state: name }, name === state() ? 1 : 0);
      },
    });
    new Counter({
      name: 'tidelock_bytes_out_total',
      help: 'Bytes handed to sockets, by kind',
      labelNames: ['kind'],
      registers: [this.#registry],
      collect() {
        this.reset();
        this.inc({ kind: 'feed' }, pump.bytesOut);
        this.inc({ kind: 'snapshot' }, snapshotBytes.count);
        this.inc({ kind: 'changes' }, changesBytes.count);
        this.inc({ kind: 'lockstep' }, lockstepReaders.bytesOut);
      },
    });
  }

  /** A gauge that is left out while its value is unknown. */
  #gauge(name: string, help: string, read: () => number | null): void {
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect() {
        const value = read();
        if (value === null) this.remove();
        else this.set(value);
      },
    });
  }

  /** A counter that somebody else keeps. */
  #counter({ name, help, of }: Reading): void {
    const read = (): number => of(this.#status) ?? 0;
    new Counter({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  }

  /** The histogram counts the sampling interval itself as delay. */
  #delayS(): number {
    const seconds = this.#delay.percentile(99) / NANOSECONDS_PER_SECOND;
    return Math.max(0, seconds - DELAY_RESOLUTION_MS / 1000);
  }

  #refresh(): void {
    const before = this.#status.counters.changes;
    const now = this.#context.clock.now();
    this.#status = this.#context.engine.status();
    const elapsedMs = now - this.#scrapedAt;
    if (elapsedMs > 0) {
      this.#changesPerSecond = ((this.#status.counters.changes - before) * 1000) / elapsedMs;
    }
    this.#scrapedAt = now;
  }
}
