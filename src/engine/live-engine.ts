/** An engine at work: feeds, snapshots and digests over a log that somebody fills. */
import { inspect } from '../coordinator/inspect.ts';
import { messageOf, type TidelockError } from '../core/errors.ts';
import { formatLsn, type Ts } from '../core/lsn.ts';
import type { TableDef } from '../core/table.ts';
import type { PgSession } from '../postgres/session.ts';
import { PROTOCOL_VERSION } from '../protocol/feed.ts';
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
import type { TimerHandle } from './clock.ts';
import type { EngineCore } from './core.ts';
import { DigestMarkers } from './digest-markers.ts';
import { scanDigests } from './digest-scan.ts';
import { openExactSnapshot } from './exact-snapshot.ts';
import type { Inspection } from './inspection-api.ts';
import { timelineOf } from './log-at-open.ts';
import type { RowLog, RowLogOptions } from './row-log.ts';
import type { Snapshots } from './snapshots.ts';
import { type StatusSource, statusOf } from './status.ts';
import { Tombstones } from './tombstones.ts';
import type { UploadDoor } from './uploads.ts';

const MEASURE_MS = 5000;
const DIGEST_EVERY_MS = 600_000;

/** What fills the log. */
export type EngineDriver = StatusSource & {
  /** See `RunningEngine`. */
  readonly firstContact: Promise<TidelockError | null>;
  readonly tables: readonly TableDef[];
  /** Asks the source how far it is; `also` uses the same connection, where there is one. */
  measure(also: (session: PgSession) => Promise<void>): Promise<void>;
  close(): Promise<void>;
};

type EngineUploads = Pick<UploadDoor, 'apply' | 'close'>;

type LiveOptions = {
  readonly slot: string;
  readonly measureMs?: number | undefined;
  readonly digestEveryMs?: number | undefined;
  readonly onNotice?: ((notice: string) => void) | undefined;
};

type Parts = {
  readonly core: EngineCore;
  readonly driver: EngineDriver;
  /** What exact snapshots are made of. */
  readonly source: RowLogOptions;
  readonly snapshots: Snapshots;
  readonly rows: RowLog;
  readonly transicator?: TransicatorSource | undefined;
  readonly inspection?: Inspection | undefined;
  readonly uploads: EngineUploads;
  readonly options: LiveOptions;
};

export class LiveEngine implements Engine {
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
      view: () => parts.core.look(inspect),
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

  get transicator(): TransicatorSource | undefined {
    return this.#parts.transicator;
  }

  get inspection(): Inspection | undefined {
    return this.#parts.inspection;
  }

  get uploads(): EngineUploads {
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
    return statusOf({ core, driver, snapshots, tombstones, slot: options.slot });
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
    const { selectors, signal } = request;
    const snapshot = await openExactSnapshot({ ...this.#parts.source, selectors, signal });
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
