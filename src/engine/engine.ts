/** Puts the engine together: log, coordinator, source, feeds, snapshots, digests. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Policy } from '../coordinator/types.ts';
import { messageOf, type TidelockError } from '../core/errors.ts';
import { formatLsn, type Ts } from '../core/lsn.ts';
import type { SourceHandler } from '../core/source.ts';
import type { TableDef } from '../core/table.ts';
import type { MergeLimits } from '../log/merge.ts';
import type { LogStore } from '../log/port.ts';
import type { ReplicaIdentityMode } from '../postgres/replica-identity.ts';
import type { TableDeclaration } from '../postgres/table-fitness.ts';
import { PROTOCOL_VERSION } from '../protocol/feed.ts';
import { openLogStore } from '../sqlite/log-store.ts';
import type {
  DigestAnswer,
  Engine,
  EngineStatus,
  Enter,
  Feed,
  FeedRequest,
  HeldDigests,
  SnapshotFile,
  SnapshotRequest,
  TransicatorSource,
} from './api.ts';
import { type Clock, systemClock, type TimerHandle } from './clock.ts';
import { EngineCore } from './core.ts';
import type { EngineCrashHook } from './crash-points.ts';
import { DigestMarkers } from './digest-markers.ts';
import { scanDigests } from './digest-scan.ts';
import { openExactSnapshot } from './exact-snapshot.ts';
import type { IngestLimits } from './ingest.ts';
import { timelineOf } from './log-at-open.ts';
import { RowLog } from './row-log.ts';
import { Snapshots } from './snapshots.ts';
import { SourceDriver } from './source-driver.ts';
import { statusOf } from './status.ts';
import { Tombstones } from './tombstones.ts';
import { TransicatorDoor } from './transicator.ts';
import { UploadDoor } from './uploads.ts';

export type EngineOptions = {
  /** `postgres://user:password@host:port/database` */
  readonly url: string;
  /** Folder of the log, of snapshots being made, and of this server's identity. */
  readonly dir: string;
  readonly slot?: string | undefined;
  readonly publication?: string | undefined;
  /** Tables besides those with a column `_change_selector`. */
  readonly tables?: readonly TableDeclaration[] | undefined;
  readonly policy?: Partial<Policy> | undefined;
  readonly limits?: Partial<IngestLimits> | undefined;
  /** When old small groups of the log are merged. */
  readonly merge?: MergeLimits | undefined;
  /** Memory for lately appended or read groups. */
  readonly tailBytesMax?: number | undefined;
  /** Large open transactions are streamed in pieces; by default where the server can. */
  readonly streaming?: boolean | undefined;
  /** `full`: tables get REPLICA IDENTITY FULL where this role may; `leave` (default): they stay as they are. */
  readonly replicaIdentity?: ReplicaIdentityMode | undefined;
  /** Updates and deletes of tables with REPLICA IDENTITY FULL carry the old row, for readers other than replicas. */
  readonly keepsOldRows?: boolean | undefined;
  /** How long a snapshot waits for the log to catch up. */
  readonly snapshotWaitMsMax?: number | undefined;
  /** From how many files one user may write; 1000 by default. */
  readonly sitesPerUserMax?: number | undefined;
  /** How often Postgres is scanned again for readers that check themselves. */
  readonly digestEveryMs?: number | undefined;
  /** A stream without a byte for so long is dead, and made anew; 60 s by default. */
  readonly silenceMsMax?: number | undefined;
  /** How often Postgres is asked how far it is, and whether rights and publication are as they were. */
  readonly measureMs?: number | undefined;
  readonly clock?: Clock | undefined;
  /** For tests: called at named places, where the process may be killed. */
  readonly crashPoint?: EngineCrashHook | undefined;
  /** For benches: something in the place of a part, which it may use. */
  readonly wrapLog?: ((log: LogStore) => LogStore) | undefined;
  readonly wrapHandler?: ((handler: SourceHandler) => SourceHandler) | undefined;
  /** Called when something was written to a replicated table and is durable here. */
  readonly onAppended?: (() => void) | undefined;
  /** What an operator wants to know: waiting for old transactions, new histories, published tables. */
  readonly onNotice?: ((notice: string) => void) | undefined;
};

export const DEFAULT_POLICY: Policy = {
  keepS: 3600,
  logBytesMax: 4 * 1024 ** 3,
  leaseS: 7 * 24 * 3600,
  reconnectMsMin: 100,
  reconnectMsMax: 10_000,
  appendRetryMs: 1000,
  subscribersMax: 20_000,
};

const DEFAULT_LIMITS: IngestLimits = { groupBytesMax: 256 * 1024, partBytesMax: 1024 * 1024 };
const TAIL_BYTES_MAX = 16 * 1024 * 1024;
const SNAPSHOT_WAIT_MS_MAX = 60_000;
const MEASURE_MS = 5000;
const DIGEST_EVERY_MS = 600_000;

export type RunningEngine = Engine & {
  /**
   * Resolves when the source has been reached, or could not be: with an error when only an operator can mend
   * it (settings, version, rights), else with null, also when it is merely down.
   */
  readonly firstContact: Promise<TidelockError | null>;
  /** All rows, for readers inside of this process. */
  readonly rows: RowLog;
  /** Ends feeds and waits, confirms what is durable, closes the log. */
  close(): Promise<void>;
};

/**
 * Opens the log and starts following Postgres in the background: it need not be up. Throws `LOG_IN_USE`,
 * `LOG_CORRUPT`, `LOG_UNFIT`.
 */
export async function openEngine(options: EngineOptions): Promise<RunningEngine> {
  mkdirSync(options.dir, { recursive: true });
  const clock = options.clock ?? systemClock;
  const store = openLogStore({ dir: join(options.dir, 'log') });
  const log = options.wrapLog?.(store) ?? store;
  const core = new EngineCore({
    log,
    clock,
    policy: { ...DEFAULT_POLICY, ...options.policy },
    tailBytesMax: options.tailBytesMax ?? TAIL_BYTES_MAX,
    merge: options.merge,
    onAppended: options.onAppended,
    crashPoint: options.crashPoint,
    onNotice: options.onNotice,
  });
  const driver = new SourceDriver(core, {
    url: options.url,
    slot: options.slot ?? 'tidelock',
    publication: options.publication ?? 'tidelock',
    instance: instanceOf(options.dir),
    declarations: options.tables ?? [],
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    streaming: options.streaming,
    wrapHandler: options.wrapHandler,
    silenceMsMax: options.silenceMsMax,
    replicaIdentity: options.replicaIdentity ?? 'leave',
    keepsOldRows: options.keepsOldRows ?? false,
    onNotice: options.onNotice ?? (() => undefined),
  });
  const source = {
    core,
    url: options.url,
    tables: () => driver.tables,
    serverStart: () => driver.serverStart,
    waitMsMax: options.snapshotWaitMsMax ?? SNAPSHOT_WAIT_MS_MAX,
    dir: join(options.dir, 'snapshots'),
  };
  const snapshots = await Snapshots.open(source);
  core.start(driver);
  const transicator = new TransicatorDoor(source);
  const uploads = new UploadDoor({
    url: options.url,
    sitesPerUserMax: options.sitesPerUserMax,
    timeline: () => timelineOf(core.tail.store),
  });
  const rows = new RowLog(source);
  return new LiveEngine({ core, driver, snapshots, rows, transicator, uploads, options });
}

type Parts = {
  readonly core: EngineCore;
  readonly driver: SourceDriver;
  readonly snapshots: Snapshots;
  readonly rows: RowLog;
  readonly transicator: TransicatorSource;
  readonly uploads: UploadDoor;
  readonly options: EngineOptions;
};

class LiveEngine implements RunningEngine {
  readonly #parts: Parts;
  readonly #markers: DigestMarkers;
  readonly #tombstones: Tombstones;
  #enterCheck: Enter = async () => () => undefined;
  #measuring: TimerHandle;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#markers = new DigestMarkers({
      clock: parts.core.clock,
      everyMs: parts.options.digestEveryMs ?? DIGEST_EVERY_MS,
      scan: (selectors, signal) => this.#check(selectors, signal),
      onFailure: (error) => parts.options.onNotice?.(`a check scan failed: ${messageOf(error)}`),
    });
    this.#tombstones = new Tombstones({
      view: () => parts.core.inspect(),
      onNotice: parts.options.onNotice ?? (() => undefined),
    });
    this.#measuring = this.#measureLater();
  }

  get firstContact(): Promise<TidelockError | null> {
    return this.#parts.driver.firstContact;
  }

  get rows(): RowLog {
    return this.#parts.rows;
  }

  get transicator(): TransicatorSource {
    return this.#parts.transicator;
  }

  get uploads(): UploadDoor {
    return this.#parts.uploads;
  }

  get tables(): readonly TableDef[] {
    return this.#parts.driver.tables;
  }

  get upper(): Ts {
    return this.#parts.core.tail.store.upper;
  }

  get isFlooded(): boolean {
    return this.#parts.core.isFlooded;
  }

  status(): EngineStatus {
    const { core, driver, snapshots, options } = this.#parts;
    const tombstones = this.#tombstones;
    return statusOf({ core, driver, snapshots, tombstones, slot: options.slot ?? 'tidelock' });
  }

  openFeed(request: FeedRequest): Feed {
    const { core } = this.#parts;
    const head = (): Uint8Array => this.#headOf(request);
    return core.openFeed(request, head, this.#markers);
  }

  #headOf({ selectors, since }: FeedRequest): Uint8Array {
    const lines: object[] = [
      {
        type: 'hello',
        protocol: PROTOCOL_VERSION,
        timeline: timelineOf(this.#parts.core.tail.store),
        selectors,
        since: formatLsn(since),
        tables: this.tables.length,
      },
      ...this.tables.map((table) => ({ type: 'table', table })),
    ];
    return Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  }

  snapshotFile(request: SnapshotRequest): Promise<SnapshotFile> {
    return this.#parts.snapshots.file(request);
  }

  snapshotLines(request: SnapshotRequest, held?: HeldDigests): AsyncIterable<Uint8Array> {
    return this.#parts.snapshots.lines(request, held);
  }

  async digest(request: Parameters<Engine['digest']>[0]): Promise<DigestAnswer> {
    const { core, driver, options } = this.#parts;
    const snapshot = await openExactSnapshot({
      core,
      url: options.url,
      tables: () => driver.tables,
      serverStart: () => driver.serverStart,
      selectors: request.selectors,
      waitMsMax: options.snapshotWaitMsMax ?? SNAPSHOT_WAIT_MS_MAX,
      signal: request.signal,
    });
    try {
      return await scanDigests(snapshot, request);
    } finally {
      await snapshot.close();
    }
  }

  limitChecks(enter: Enter): void {
    this.#enterCheck = enter;
  }

  async #check(selectors: readonly string[], signal: AbortSignal): Promise<DigestAnswer> {
    const leave = await this.#enterCheck(signal);
    try {
      return await this.digest({ selectors, signal });
    } finally {
      leave();
    }
  }

  lease(replica: string, ts: Ts): void {
    const { core } = this.#parts;
    core.dispatch({ kind: 'lease', now: core.clock.now(), replica, ts });
  }

  endLease(replica: string): void {
    const { core } = this.#parts;
    core.dispatch({ kind: 'endLease', now: core.clock.now(), replica });
  }

  waitFor(ts: Ts, timeoutMs: number, signal: AbortSignal): Promise<Ts> {
    return this.#parts.core.waitFor(ts, timeoutMs, signal);
  }

  async close(): Promise<void> {
    const { core, driver, snapshots, uploads } = this.#parts;
    this.#measuring.cancel();
    await uploads.close();
    snapshots.stop();
    this.#markers.stop();
    core.stop();
    await driver.close();
    core.tail.store.close();
  }

  /** Retained WAL is a question to Postgres: asked now and then, not by every visitor of the status page. */
  #measureLater(): TimerHandle {
    const { core, driver, options } = this.#parts;
    return core.clock.after(options.measureMs ?? MEASURE_MS, () => {
      this.#measuring = this.#measureLater();
      void driver.measure((session) => this.#tombstones.look(session));
    });
  }
}

/** A name for this server's connections that survives restarts. */
function instanceOf(dir: string): string {
  const file = join(dir, 'instance');
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    const instance = randomUUID().slice(0, 8);
    writeFileSync(file, `${instance}\n`);
    return instance;
  }
}
