/** What the Transicator adapter may ask of the engine: the same log and the same snapshots as native readers get. */
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode, TidelockError } from '../core/errors.ts';
import type { Ts } from '../core/lsn.ts';
import { parseTxidSnapshot } from '../core/txid-snapshot.ts';
import type { TableNaming } from '../protocol/transicator/names.ts';
import { TransicatorFile as FileBuilder } from '../sqlite/transicator-file.ts';
import type {
  ChangeReading,
  ChangesRequest,
  RowSnapshot,
  RowsRequest,
  TransicatorFile,
  TransicatorSource,
} from './api.ts';
import { ChangeLog } from './change-log.ts';
import type { ExactSnapshotOptions } from './exact-snapshot.ts';
import { openRowSnapshot } from './row-snapshot.ts';
import { type LogState, SnapshotHorizon } from './snapshot-horizon.ts';
import { fileLayout } from './transicator-layout.ts';

export type TransicatorDoorOptions = Omit<ExactSnapshotOptions, 'selectors' | 'signal'> & {
  /** For files being made; `Snapshots.open` empties it. */
  readonly dir: string;
};

/** The log is purged once a second at most; an answer of Postgres takes milliseconds. */
const ASKS_MAX = 10;
const NO_HEAD = (): Uint8Array => new Uint8Array(0);

export class TransicatorDoor implements TransicatorSource {
  readonly #options: TransicatorDoorOptions;
  readonly #log: ChangeLog;
  readonly #horizon: SnapshotHorizon;

  constructor(options: TransicatorDoorOptions) {
    this.#options = options;
    this.#log = new ChangeLog(options.core);
    this.#horizon = new SnapshotHorizon(options.core, options.url);
  }

  async changes(request: ChangesRequest, signal: AbortSignal): Promise<ChangeReading> {
    const { snapshot, since } = request;
    const start = this.#log.isFromStart(since) ? snapshot : null;
    let asked: LogState | null = null;
    for (let tries = 0; tries < ASKS_MAX; tries += 1) {
      await this.#log.prepare(signal);
      // Nothing may happen between the last look and the opening: the log may be purged at any time.
      if (start === null || this.#horizon.isKept(start, asked)) return this.#log.open(request);
      asked = await this.#horizon.ask(start, signal);
    }
    throw new TidelockError({
      code: 'TOO_OLD',
      message: `the log was purged each of the ${ASKS_MAX} times that Postgres was asked about this snapshot`,
      hint: 'take a new snapshot',
    });
  }

  /** A feed of which nothing is delivered: its wake is what is wanted. */
  async untilChange(selectors: readonly string[], after: Ts, signal: AbortSignal): Promise<Ts> {
    if (signal.aborted) return after;
    const request = { selectors, since: after, timeline: undefined, replica: undefined };
    try {
      const feed = this.#options.core.openFeed({ ...request, wantsDigests: false }, NO_HEAD);
      try {
        if (feed.read() !== null) return after;
        const isWoken = await new Promise<boolean>((resolve) => {
          feed.onReady = () => resolve(true);
          signal.addEventListener('abort', () => resolve(false), { once: true });
        });
        const { position } = feed;
        return isWoken || feed.read() !== null ? position : feed.position;
      } finally {
        feed.close();
      }
    } catch (error) {
      // The next reading says it better.
      if (!hasCode(error, 'TOO_OLD') && !hasCode(error, 'TIMELINE_CHANGED')) throw error;
      return after;
    }
  }

  async openRows(request: RowsRequest): Promise<RowSnapshot> {
    const before = this.#horizon.logState;
    const rows = await openRowSnapshot({ ...this.#options, ...request });
    const taken = parseTxidSnapshot(rows.snapshot);
    if (taken !== null) this.#horizon.note(taken.xmax, before);
    return rows;
  }

  async file(request: RowsRequest & { readonly naming: TableNaming }): Promise<TransicatorFile> {
    const rows = await this.openRows(request);
    const path = join(this.#options.dir, `snapshot-${randomUUID()}.db`);
    const { snapshot, tables } = rows;
    let builder: FileBuilder | null = null;
    try {
      const layout = fileLayout(tables, request.naming);
      builder = new FileBuilder({ file: path, tables: layout, snapshot });
      for (const [at, table] of tables.entries()) {
        for await (const chunk of rows.rows(table)) builder.add(layout[at]?.name ?? '', chunk);
      }
      const sizeBytes = builder.finish();
      return { path, sizeBytes, snapshot, release: () => rm(path, { force: true }) };
    } catch (error) {
      builder?.abort();
      throw error;
    } finally {
      await rows.close();
    }
  }
}
