/** What the Transicator adapter may ask of the engine: the same log and the same snapshots as native readers get. */
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from '../core/errors.ts';
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
import { SnapshotHorizon } from './snapshot-horizon.ts';
import { fileLayout } from './transicator-layout.ts';

export type TransicatorDoorOptions = Omit<ExactSnapshotOptions, 'selectors' | 'signal'> & {
  /** For files being made; `Snapshots.open` empties it. */
  readonly dir: string;
};

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
    const { snapshot } = request;
    if (snapshot !== null && this.#log.isFromStart(request.since)) {
      await this.#horizon.require(snapshot, signal);
    }
    await this.#log.prepare(signal);
    return this.#log.open(request);
  }

  /** A feed of which nothing is read: its wake is what is wanted. */
  async untilChange(selectors: readonly string[], after: Ts, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const request = { selectors, since: after, timeline: undefined, replica: undefined };
    try {
      const feed = this.#options.core.openFeed({ ...request, wantsDigests: false }, NO_HEAD);
      try {
        if (feed.read() !== null) return;
        await new Promise<void>((resolve) => {
          feed.onReady = resolve;
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
      } finally {
        feed.close();
      }
    } catch (error) {
      // The next reading says it better.
      if (!hasCode(error, 'TOO_OLD') && !hasCode(error, 'TIMELINE_CHANGED')) throw error;
    }
  }

  async openRows(request: RowsRequest): Promise<RowSnapshot> {
    const rows = await openRowSnapshot({ ...this.#options, ...request });
    const taken = parseTxidSnapshot(rows.snapshot);
    if (taken !== null) this.#horizon.note(taken);
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
