/**
 * A reader of Transicator's protocol, written from its reference alone: one SQLite file, kept equal to what the
 * server sends for some scopes.
 *
 *   empty --snapshot, then changes up to the log's end--> following --SNAPSHOT_TOO_OLD or `resync`--> snapshot
 *
 * Every answer of `/changes` holds whole transactions; it is applied in one SQLite transaction together with its
 * position, so a killed reader goes on where its file stands. A new snapshot replaces the content of the same
 * file in one transaction too: whoever reads it sees the old state or the new one. The file appears when its first
 * content is complete.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { openSql, rollBack, type Sql } from '../../sqlite/sql.ts';
import { getChanges, loadSnapshot, RefusedError } from './api.ts';
import { ApplyError, LayoutError, LocalTables } from './local-tables.ts';
import type { WireChangeList } from './schema.ts';
import { compareSequences, positionOf, sequenceOf } from './sequence.ts';

export type TransicatorClientOptions = {
  readonly server: string;
  readonly selectors: readonly string[];
  readonly file: string;
  /** Told right after the commit. `snapshot`: the whole content was replaced. */
  readonly onApplied?: ((applied: TransicatorApplied) => void) | undefined;
  readonly onState?: ((state: TransicatorState, note?: string) => void) | undefined;
  /** Seconds that the server may wait for news. */
  readonly blockS?: number | undefined;
  /** Changes in one answer, unless one transaction has more. */
  readonly limit?: number | undefined;
};

export type TransicatorApplied = {
  readonly kind: 'snapshot' | 'apply';
  readonly changes: number;
  /** As Postgres prints it: the end of the last commit that the file has. */
  readonly position: string;
};

/** `unreachable`: tried again. `too_old`, `changed` (a table), `misfit`: a new snapshot is taken. */
export type TransicatorState =
  | 'snapshot'
  | 'following'
  | 'unreachable'
  | 'too_old'
  | 'changed'
  | 'misfit';

/** A query on the reader's file that returns one row with `position`. */
export const READER_POSITION_SQL = 'SELECT position FROM reader_state';

const BUSY_WAIT_MS = 5000;
const BLOCK_S = 5;
const LIMIT = 5000;
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 2000;

const SCHEMA_SQL = `PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
  CREATE TABLE IF NOT EXISTS reader_state (only_one integer PRIMARY KEY CHECK (only_one = 1),
    snapshot text NOT NULL, since text NOT NULL, position text NOT NULL);
  CREATE TABLE IF NOT EXISTS reader_tables (content text NOT NULL);`;
const STATE_SQL = 'SELECT snapshot, since FROM reader_state';
const KEEP_SQL = 'INSERT OR REPLACE INTO reader_state VALUES (1, ?, ?, ?)';
const SNAPSHOT_SQL = `SELECT value FROM snapshot._transicator_metadata WHERE key = 'snapshot'`;

function partOf(file: string): string {
  return `${file}.part`;
}

function removeFiles(file: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${file}${suffix}`, { force: true });
}

type Waiter = { readonly sequence: string; readonly resolve: () => void };

export class TransicatorClient {
  /** Changes that did not fit what the file had; each led to a new snapshot. */
  misfits = 0;
  /** Snapshots that replaced an older content. */
  resyncs = 0;
  readonly #options: TransicatorClientOptions;
  #sql: Sql;
  readonly #stopping = new AbortController();
  readonly #waiters = new Set<Waiter>();
  readonly #readable: PromiseWithResolvers<void> = Promise.withResolvers();
  #tables: LocalTables | null = null;
  #snapshot = '';
  #since = '';
  #isResyncWanted = false;
  #polling = new AbortController();
  #running: Promise<void> = Promise.resolve();

  private constructor(options: TransicatorClientOptions) {
    this.#options = options;
    const isThere = existsSync(options.file);
    if (!isThere) removeFiles(partOf(options.file));
    this.#sql = openSql(isThere ? options.file : partOf(options.file), {
      timeoutMs: BUSY_WAIT_MS,
    });
    this.#sql.exec(SCHEMA_SQL);
    if (isThere) this.#goOn();
  }

  #goOn(): void {
    const state = this.#sql.prepare(STATE_SQL).get();
    this.#snapshot = String(state?.snapshot);
    this.#since = String(state?.since);
    this.#tables = LocalTables.stored(this.#sql);
    this.#readable.resolve();
  }

  /** Goes on with the file or begins it; resolves as soon as it can be read. Retries until `stop`. */
  static async open(options: TransicatorClientOptions): Promise<TransicatorClient> {
    const client = new TransicatorClient(options);
    client.#running = client.#run();
    await Promise.race([client.#readable.promise, client.#running]);
    return client;
  }

  get since(): string {
    return this.#since;
  }

  /** Resolves when the file has everything up to this position of Postgres. Throws after the time. */
  async waitFor(position: string, timeoutMs: number): Promise<void> {
    const sequence = sequenceOf(position);
    if (this.#has(sequence)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter = { sequence, resolve };
    this.#waiters.add(waiter);
    const timer = new AbortController();
    try {
      await Promise.race([promise, this.#timeout(timeoutMs, position, timer.signal)]);
    } finally {
      timer.abort();
      this.#waiters.delete(waiter);
    }
  }

  /** Throws the content away for a new snapshot. Does not wait for it. */
  resync(): void {
    this.#isResyncWanted = true;
    this.#polling.abort();
  }

  /** Ends after what is being applied. Rejects when the reader failed for good. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#polling.abort();
    await this.#running;
    if (this.#sql.isTransaction) rollBack(this.#sql);
    this.#sql.close();
  }

  async #run(): Promise<void> {
    let retryMs = RETRY_MS_MIN;
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#step();
        retryMs = RETRY_MS_MIN;
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        if (this.#mend(error)) continue;
        await sleep(retryMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
        retryMs = Math.min(retryMs * 2, RETRY_MS_MAX);
      }
    }
  }

  async #step(): Promise<void> {
    if (this.#tables !== null && !this.#isResyncWanted) return this.#follow(this.#tables);
    if (this.#tables !== null) this.resyncs += 1;
    this.#isResyncWanted = false;
    this.#tell('snapshot');
    const list = await this.#copy();
    if (!existsSync(this.#options.file)) this.#appear();
    this.#goOn();
    this.#reached('snapshot', list);
    this.#tell('following');
  }

  /** The file gets its name. */
  #appear(): void {
    const { file } = this.#options;
    this.#sql.close();
    renameSync(partOf(file), file);
    this.#sql = openSql(file, { timeoutMs: BUSY_WAIT_MS });
    this.#sql.exec(SCHEMA_SQL);
  }

  /** What to do about a failed step; false: wait and try again. */
  #mend(error: unknown): boolean {
    if (this.#isResyncWanted) return true;
    if (error instanceof ApplyError) {
      this.misfits += 1;
      this.#tell('misfit', error.message);
      this.#isResyncWanted = true;
      return true;
    }
    const isTooOld = error instanceof RefusedError && error.code === 'SNAPSHOT_TOO_OLD';
    if (isTooOld || error instanceof LayoutError) {
      this.#tell(isTooOld ? 'too_old' : 'changed', error.message);
      this.#isResyncWanted = true;
      return true;
    }
    this.#tell('unreachable', String(error));
    return false;
  }

  async #follow(tables: LocalTables): Promise<void> {
    const list = await this.#poll(this.#options.blockS ?? BLOCK_S, {
      snapshot: this.#snapshot,
      since: this.#since,
    });
    if (compareSequences(list.lastSequence, this.#since) <= 0) return;
    this.#sql.exec('BEGIN IMMEDIATE');
    try {
      for (const change of list.changes) tables.apply(change);
      this.#keep(this.#snapshot, list.lastSequence);
      this.#sql.exec('COMMIT');
    } catch (error) {
      rollBack(this.#sql);
      throw error;
    }
    this.#reached('apply', list);
  }

  /**
   * A snapshot is a state of Postgres, but no position of the log: it may show transactions that the log brings
   * later. It becomes one with all changes up to the log's end.
   */
  async #copy(): Promise<WireChangeList> {
    const { server, selectors, file } = this.#options;
    const download = `${file}.download`;
    const signal = this.#stopping.signal;
    await loadSnapshot({ server, scopes: selectors, signal }, download);
    this.#sql.exec(`ATTACH '${download.replaceAll("'", "''")}' AS snapshot; BEGIN IMMEDIATE`);
    try {
      const snapshot = String(this.#sql.prepare(SNAPSHOT_SQL).get()?.value ?? '');
      const tables = LocalTables.replace(this.#sql);
      const list = await this.#catchUp(snapshot, tables);
      this.#keep(snapshot, list.lastSequence);
      this.#sql.exec('COMMIT');
      return list;
    } finally {
      if (this.#sql.isTransaction) rollBack(this.#sql);
      this.#sql.exec('DETACH snapshot');
      removeFiles(download);
    }
  }

  async #catchUp(snapshot: string, tables: LocalTables): Promise<WireChangeList> {
    let since = '';
    for (;;) {
      const list = await this.#poll(0, { snapshot, since });
      for (const change of list.changes) tables.apply(change);
      if (list.changes.length < this.#limit) return list;
      since = list.lastSequence;
    }
  }

  get #limit(): number {
    return this.#options.limit ?? LIMIT;
  }

  #poll(blockS: number, from: { snapshot: string; since: string }): Promise<WireChangeList> {
    const { server, selectors } = this.#options;
    this.#polling = new AbortController();
    const signal = AbortSignal.any([this.#stopping.signal, this.#polling.signal]);
    return getChanges({ server, scopes: selectors, ...from, blockS, limit: this.#limit, signal });
  }

  #keep(snapshot: string, since: string): void {
    this.#sql.prepare(KEEP_SQL).run(snapshot, since, positionOf(since));
  }

  #reached(kind: TransicatorApplied['kind'], { lastSequence, changes }: WireChangeList): void {
    this.#since = lastSequence;
    const position = positionOf(lastSequence);
    this.#options.onApplied?.({ kind, changes: changes.length, position });
    for (const waiter of this.#waiters) if (this.#has(waiter.sequence)) waiter.resolve();
  }

  #has(sequence: string): boolean {
    return this.#tables !== null && compareSequences(this.#since, sequence) >= 0;
  }

  async #timeout(ms: number, position: string, signal: AbortSignal): Promise<never> {
    await sleep(ms, undefined, { signal });
    throw new Error(`not at ${position} within ${ms} ms, but at ${positionOf(this.#since)}`);
  }

  #tell(state: TransicatorState, note?: string): void {
    this.#options.onState?.(state, note);
  }
}
