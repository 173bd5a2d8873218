/**
 * The run database in a file on a local disk, opened by any process of its host.
 *
 * A write is one `BEGIN IMMEDIATE` transaction; readers see whole transactions. Another process' lock is waited for
 * within a bound.
 */
import { createHash } from 'node:crypto';
import { unreachable } from '../../core/assert.ts';
import { TidelockError } from '../../core/errors.ts';
import type { CopyMark } from '../../planner/run-durable.ts';
import type {
  LagSample,
  RunAnswer,
  RunQuery,
  RunQueryResult,
  RunStore,
  RunWrite,
  WriteBatch,
  WriteResult,
} from '../../planner/run-store.ts';
import { inTransaction, openSql, rollBack, type Sql } from '../sql.ts';
import { WriteWatch } from '../write-watch.ts';
import { type KeptTable, prune, type Retention } from './retention.ts';
import { runFileError } from './run-errors.ts';
import { beginHistory } from './run-fill.ts';
import { answer, marksOf } from './run-reads.ts';
import { prepareRunFile, readFact, writeFact } from './run-schema.ts';
import { RunSnapshot } from './run-snapshot.ts';
import { RunTransaction } from './run-transaction.ts';
import { Statements } from './run-values.ts';
import {
  cancelTasks,
  claimTask,
  endTask,
  putRunner,
  putTask,
  reclaimTasks,
  removeRunner,
  renewTasks,
} from './task-writes.ts';
import {
  changeTest,
  clearTest,
  createRun,
  putData,
  putStep,
  putTests,
  removeTests,
  rollUpTouched,
  setRun,
  setTest,
} from './test-writes.ts';

/** How long a statement waits for another process of this host. */
const LOCK_WAIT_MS = 5000;
/** Writes of one transaction. */
const WRITES_MAX = 10_000;
/** Answers to keyed batches are kept for so long. */
const ANSWER_MS = 3_600_000;
const FORGOTTEN_MAX = 100;
/** The syncer notes one a second at most. */
const LAG_KEPT_MS = 86_400_000;

/** A process that holds a lease of the local database. */
export type LeaseHolder = {
  readonly host: string;
  readonly pid: number;
  readonly pidStart: string;
  readonly bootId: string;
  readonly url: string;
};

export type LeaseRequest = {
  readonly holder: LeaseHolder;
  readonly now: number;
  readonly ms: number;
  /** A holder that is dead holds nothing, however long its lease still is. */
  readonly isAlive: (holder: LeaseHolder) => boolean;
};

export type RunStoreOptions = {
  /** On a local disk; the caller has checked. */
  readonly file: string;
  /** Absolute path of the area: what its rows are filed under. */
  readonly area: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Imported areas: a status is any text. */
  readonly acceptsAnyStatus?: boolean | undefined;
};

/** Throws `RUNS_UNUSABLE`, `BUSY`. */
export function openRunStore(options: RunStoreOptions): SqliteRunStore {
  const sql = openSql(options.file, { timeoutMs: LOCK_WAIT_MS });
  try {
    return new SqliteRunStore(sql, options);
  } catch (error) {
    sql.close();
    throw runFileError(error, options.file);
  }
}

export class SqliteRunStore implements RunStore {
  readonly area: string;
  readonly history: string;
  readonly sql: Sql;
  readonly #options: RunStoreOptions;
  readonly #statements: Statements;
  readonly #listeners = new Set<() => void>();
  #watch: WriteWatch | null = null;
  #toldSeq = 0;

  constructor(sql: Sql, options: RunStoreOptions) {
    this.sql = sql;
    this.area = options.area;
    this.#options = options;
    this.#statements = new Statements(sql);
    prepareRunFile(sql, options.file);
    if (readFact(sql, 'history') === null) inTransaction(sql, () => beginHistory(sql, this.area));
    this.history = readFact(sql, 'history') ?? '';
  }

  get seq(): number {
    return marksOf(this.#statements)[1];
  }

  write(batch: WriteBatch): WriteResult {
    requireBounded(batch);
    const result = this.#guarded(() => inTransaction(this.sql, () => this.#writeOnce(batch)));
    this.#tell();
    return result;
  }

  read(query: RunQuery): RunQueryResult {
    return this.#guarded(() => {
      this.sql.exec('BEGIN');
      try {
        return answer(this.#statements, query);
      } finally {
        rollBack(this.sql);
      }
    });
  }

  /** When the oldest transaction after `seq` was committed; null: there is none. */
  oldestCommit(seq: number): number | null {
    const text = 'SELECT at FROM commits WHERE seq > ? ORDER BY seq LIMIT 1';
    const row = this.#guarded(() => this.#statements.first(text, seq));
    return row === null ? null : Number(row[0]);
  }

  /** Transactions up to `seq` are in the durable database. */
  forgetCommits(seq: number): void {
    this.#guarded(() => this.#statements.run('DELETE FROM commits WHERE seq <= ?', seq));
  }

  /** Removes what is beyond the retention; gives how many. */
  prune(table: KeptTable, retention: Retention): number {
    const gone = this.#guarded(() =>
      inTransaction(this.sql, () => {
        const { seq, area } = this;
        const parts = {
          statements: this.#statements,
          area,
          actor: '',
          at: this.#options.now(),
          seq,
        };
        const tx = new RunTransaction(parts);
        const count = prune(tx, table, retention);
        tx.finish(seq);
        return count;
      }),
    );
    this.#tell();
    return gone;
  }

  /** Where the durable database stood when this one was made from it; null: it was empty. */
  get base(): CopyMark | null {
    const text = this.#guarded(() => readFact(this.sql, 'base'));
    return text === null ? null : (JSON.parse(text) as CopyMark);
  }

  /** A fact beside the rows, of this host only: what the syncer says of itself. */
  fact(name: string): string | null {
    return this.#guarded(() => readFact(this.sql, `fact ${name}`));
  }

  setFact(name: string, value: string): void {
    this.#guarded(() => writeFact(this.sql, `fact ${name}`, value));
  }

  /** How old the oldest commit that is not durable has become lately. A day of it is kept. */
  noteLag({ at, ageMs }: LagSample): void {
    this.#guarded(() => {
      this.#statements.run('INSERT OR REPLACE INTO lag VALUES (?, ?)', at, ageMs);
      this.#statements.run('DELETE FROM lag WHERE at < ?', at - LAG_KEPT_MS);
    });
  }

  /** Takes or renews a lease of processes of this host; null: it is ours, else who has it. */
  takeLease(name: string, { holder, now, ms, isAlive }: LeaseRequest): LeaseHolder | null {
    return this.#guarded(() =>
      inTransaction(this.sql, () => {
        const held = this.#leaseOf(name);
        const isFree = held === null || held.until <= now || isSame(held, holder) || !isAlive(held);
        if (!isFree) return held;
        writeFact(this.sql, `lease ${name}`, JSON.stringify({ ...holder, until: now + ms }));
        return null;
      }),
    );
  }

  leaveLease(name: string, holder: LeaseHolder): void {
    this.#guarded(() =>
      inTransaction(this.sql, () => {
        const held = this.#leaseOf(name);
        if (held === null || !isSame(held, holder)) return;
        this.#statements.run('DELETE FROM meta WHERE name = ?', `lease ${name}`);
      }),
    );
  }

  /** Who holds a lease, alive or not. */
  leaseHolder(name: string): LeaseHolder | null {
    return this.#guarded(() => this.#leaseOf(name));
  }

  /** One moment of the database, for whoever reads long. To be closed. */
  snapshot(): RunSnapshot {
    return this.#guarded(() => new RunSnapshot(this.#options.file));
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    this.#watch ??= new WriteWatch(this.#options.file, () => this.#tell());
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#watch?.close();
      this.#watch = null;
    };
  }

  close(): void {
    this.#watch?.close();
    this.#listeners.clear();
    this.sql.close();
  }

  #leaseOf(name: string): (LeaseHolder & { readonly until: number }) | null {
    const text = readFact(this.sql, `lease ${name}`);
    return text === null ? null : (JSON.parse(text) as LeaseHolder & { until: number });
  }

  #guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw runFileError(error, this.#options.file);
    }
  }

  /** Listeners hear of changes by any process; nothing is asked of the file when nobody listens. */
  #tell(): void {
    if (this.#listeners.size === 0 || this.sql.isTransaction) return;
    const seq = this.#seqOrFailure();
    if (seq === this.#toldSeq) return;
    this.#toldSeq = seq;
    for (const listener of this.#listeners) listener();
  }

  /** A database that cannot be read is news: whoever looks at it then is told why. */
  #seqOrFailure(): number {
    try {
      return this.seq;
    } catch {
      return -1;
    }
  }

  #writeOnce(batch: WriteBatch): WriteResult {
    const digest = batch.key === undefined ? '' : digestOf(batch);
    const known = batch.key === undefined ? null : this.#answerOf(batch.key, digest);
    if (known !== null) return known;
    const { seq } = this;
    const at = this.#options.now();
    const { area } = this;
    const parts = { statements: this.#statements, area, actor: batch.actor, at, seq };
    const tx = new RunTransaction(parts);
    const answers = batch.writes.map((write) => this.#perform(tx, write));
    rollUpTouched(tx);
    tx.finish(seq);
    const result = { answers, seq: tx.seq };
    if (batch.key !== undefined) this.#keep(batch.key, { at, digest, result });
    return result;
  }

  #answerOf(key: string, digest: string): WriteResult | null {
    const row = this.#statements.first('SELECT digest, result FROM answers WHERE key = ?', key);
    if (row === null) return null;
    if (row[0] === digest) return JSON.parse(String(row[1])) as WriteResult;
    throw new TidelockError({
      code: 'BAD_REQUEST',
      message: `the key ${JSON.stringify(key)} belongs to another batch of writes`,
      hint: 'give each batch a key of its own, and the same again only when it is sent again',
    });
  }

  #keep(
    key: string,
    { at, digest, result }: { readonly at: number; digest: string; result: WriteResult },
  ): void {
    const text = JSON.stringify(result);
    this.#statements.run('INSERT INTO answers VALUES (?, ?, ?, ?)', key, at, digest, text);
    this.#statements.run(
      `DELETE FROM answers WHERE key IN (SELECT key FROM answers WHERE at < ? LIMIT ${FORGOTTEN_MAX})`,
      at - ANSWER_MS,
    );
  }

  #perform(tx: RunTransaction, write: RunWrite): RunAnswer {
    switch (write.kind) {
      case 'createRun':
        return createRun(tx, write);
      case 'setRun':
        return setRun(tx, write);
      case 'putTests':
        return putTests(tx, write);
      case 'transition':
        return changeTest(tx, write, this.#options.acceptsAnyStatus ?? false);
      case 'setTest':
        return setTest(tx, write);
      case 'putStep':
        return putStep(tx, write);
      case 'putData':
        return putData(tx, write);
      case 'clearTest':
        return clearTest(tx, write.testId, write.steps);
      case 'removeTests':
        return removeTests(tx, write);
      case 'note':
        tx.event({ ...write.event, isForced: false });
        return {};
      default:
        return performTask(tx, write);
    }
  }
}

type TaskWrite = Extract<
  RunWrite,
  { readonly kind: `${string}Task` | `${string}Tasks` | `${string}Runner` }
>;

function performTask(tx: RunTransaction, write: TaskWrite): RunAnswer {
  switch (write.kind) {
    case 'putTask':
      return putTask(tx, write);
    case 'claimTask':
      return claimTask(tx, write);
    case 'renewTasks':
      return renewTasks(tx, write);
    case 'endTask':
      return endTask(tx, write);
    case 'cancelTasks':
      return cancelTasks(tx, write);
    case 'reclaimTasks':
      return reclaimTasks(tx);
    case 'putRunner':
      return putRunner(tx, write);
    case 'removeRunner':
      return removeRunner(tx, write.id);
    default:
      return unreachable(write);
  }
}

function isSame(a: LeaseHolder, b: LeaseHolder): boolean {
  return a.pid === b.pid && a.pidStart === b.pidStart && a.bootId === b.bootId;
}

function requireBounded({ writes }: WriteBatch): void {
  if (writes.length <= WRITES_MAX) return;
  throw new TidelockError({
    code: 'TOO_LARGE',
    message: `${writes.length} writes in one batch, ${WRITES_MAX} are allowed`,
    hint: 'split the batch',
  });
}

function digestOf({ actor, writes }: WriteBatch): string {
  return createHash('sha256')
    .update(JSON.stringify([actor, writes]))
    .digest('base64url');
}
