/** Puts the engine together: log, coordinator, source, feeds, snapshots, digests. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Policy } from '../coordinator/types.ts';
import type { TidelockError } from '../core/errors.ts';
import type { SourceHandler } from '../core/source.ts';
import type { MergeLimits } from '../log/merge.ts';
import type { LogStore } from '../log/port.ts';
import type { ReplicaIdentityMode } from '../postgres/replica-identity.ts';
import type { TableDeclaration } from '../postgres/table-fitness.ts';
import { openLogStore } from '../sqlite/log-store.ts';
import type { Engine } from './api.ts';
import { type Clock, systemClock } from './clock.ts';
import { EngineCore } from './core.ts';
import type { EngineCrashHook } from './crash-points.ts';
import type { IngestLimits } from './ingest.ts';
import { EngineInspection } from './inspection.ts';
import { LiveEngine } from './live-engine.ts';
import { timelineOf } from './log-at-open.ts';
import { RowLog } from './row-log.ts';
import { Snapshots } from './snapshots.ts';
import { SourceDriver } from './source-driver.ts';
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
    onAppended: () => {
      inspection.appended();
      options.onAppended?.();
    },
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
  const inspection = new EngineInspection({ core, driver, url: options.url });
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
    onDone: (upload, user, result) => inspection.uploaded(upload, user, result),
  });
  const rows = new RowLog(source);
  const { slot = 'tidelock' } = options;
  return new LiveEngine({
    ...{ core, driver, source, snapshots, rows, transicator, uploads, inspection },
    options: { ...options, slot },
  });
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
