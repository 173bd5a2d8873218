/**
 * One database, in a process of its own, to be killed at any moment: deletes, inserts and updates, sends and fetches, and
 * writes down what it is about to write and what it sees. A later life goes on where the last one stood.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, TidelockError } from '../../core/errors.ts';
import { openReplicaWith, type WritableReplica } from '../../replica.ts';
import { openSql, type Sql } from '../../sqlite/sql.ts';
import { until } from '../until.ts';
import { plantInWorker } from './bugs/worker-bugs.ts';
import { HistoryWriter } from './history.ts';
import { changesBetween, NOBODY, rowCount, type Shown, writeOf } from './rows.ts';
import { isWrite, type Step, stepsOf } from './steps.ts';
import { type Recalled, recall, showsWrite } from './worker-memory.ts';
import type { WorkerNews, WorkerOrder, WorkerSettings } from './worker-news.ts';
import { shownIn, WorkerWrites } from './worker-writes.ts';

const BUSY_WAIT_MS = 5000;
/** A server that was there before the run hears of the new table by its stream. */
const TABLE_MS_MAX = 60_000;
/** A call may take so long, and is then made again. */
const CALL_MS = 20_000;
/** Where all databases write all rows of all, they wait for one another: what a row may take above so many. */
const ROW_MS = 0.5;
const ROWS_SOON = 160_000;
const AGAIN_MS = 100;
/** Of the same step: then the database has failed. */
const STEP_CALLS_MAX = 9;
/** Failures of the network, of a server that is away, and of waits: what a client lives with. */
const PASSING = [
  ...[
    'SERVER_UNREACHABLE',
    'PROTOCOL',
    'TIMEOUT',
    'BUSY',
    'NOT_READY',
    'SOURCE_DOWN',
    'RESYNC_FIRST',
  ],
  ...['INTERNAL', 'UPLOAD_GAP', 'TOO_OLD', 'TIMELINE_CHANGED'],
];

export class Worker {
  readonly #settings: WorkerSettings;
  readonly #post: (news: WorkerNews) => void;
  readonly #history: HistoryWriter;
  readonly #writes: WorkerWrites;
  readonly #recalled: Recalled;
  #replica: WritableReplica | null = null;
  #reader: Sql | null = null;
  #shown: Shown;
  #iteration = 0;
  /** Row changes that came down, by themselves or because of a check, since the last check. */
  #received = 0;
  #go: PromiseWithResolvers<boolean> | null = null;
  readonly #rejected = new Set<number>();

  constructor(settings: WorkerSettings, post: (news: WorkerNews) => void) {
    this.#settings = settings;
    this.#post = post;
    this.#recalled = recall(settings.history);
    this.#shown = this.#recalled.shown;
    for (const write of this.#recalled.rejected) this.#rejected.add(write);
    this.#history = new HistoryWriter(settings.history);
    this.#writes = new WorkerWrites(settings);
  }

  /** All steps, then waits to be told. */
  async run(): Promise<void> {
    const { life, from, iterations, user } = this.#settings;
    this.#history.write({ k: 'life', t: this.#now(), life });
    const startMs = performance.now();
    await this.#open();
    this.#read();
    const skipped = this.#resolveLast();
    this.#post({ kind: 'ready', ms: Math.round(performance.now() - startMs) });
    for (const step of stepsOf(iterations, user !== null).slice(from)) {
      await this.#take(step, step.index === skipped);
    }
    this.#post({ kind: 'finished' });
  }

  obey(order: WorkerOrder): void {
    if (order.kind === 'go') this.#go?.resolve(order.isOffline);
    if (order.kind === 'level') void this.#level().catch((error) => this.#die(error));
  }

  async close(): Promise<void> {
    await this.#replica?.close();
    this.#reader?.close();
    this.#history.close();
  }

  async #open(): Promise<void> {
    const { server, token, file, table, bug, heartbeatS } = this.#settings;
    this.#replica = await openReplicaWith(
      {
        ...{ server, file, write: true },
        ...(token === null ? {} : { token }),
        onEvent: (event) => {
          if (event.kind === 'applied') this.#received += event.changes;
          if (event.kind === 'error') this.#trouble(event.error, { isCall: false });
          if (event.kind === 'mismatch') {
            this.#tell('MISMATCH', JSON.stringify(event.differences), { isCall: false });
          }
        },
      },
      { ...(heartbeatS === null ? {} : { heartbeatS }), ...plantInWorker(bug, file) },
    );
    const reader = openSql(file, { timeoutMs: BUSY_WAIT_MS, isReadOnly: true });
    this.#reader = reader;
    const named = reader.prepare('SELECT 1 FROM sqlite_schema WHERE name = ?');
    await until('the table is in the replica', () => named.get(table.local) !== undefined, {
      ...{ limitMs: TABLE_MS_MAX, signal: new AbortController().signal },
    });
  }

  async #take(step: Step, isDone: boolean): Promise<void> {
    this.#iteration = step.iteration;
    this.#go = Promise.withResolvers();
    this.#post({ kind: 'step', step });
    const isOffline = await this.#go.promise;
    const startMs = performance.now();
    const isSkipped = isDone || (isOffline && !isWrite(step.name));
    const count = isSkipped ? 0 : await this.#perform(step, isOffline);
    const ms = Math.round(performance.now() - startMs);
    this.#post({ kind: 'done', step, ms, count, isSkipped });
    this.#log(isSkipped ? `${step.name} skipped` : this.#words(step));
  }

  async #perform(step: Step, isOffline: boolean): Promise<number> {
    if (!isWrite(step.name)) return this.#sync(step);
    const startMs = performance.now();
    const count = await this.#write(step);
    if (isOffline) {
      this.#history.write({ k: 'offline', t: this.#now(), ms: performance.now() - startMs });
    }
    return count;
  }

  /** One local transaction, or several for what the rules forbid: each is decided by itself. */
  async #write(step: Step): Promise<number> {
    let rows = 0;
    for (const plan of this.#writes.plans(step)) {
      const write = this.#writes.number();
      await this.#opened().transaction((db) => {
        this.#read(db);
        const { parts, run } = plan(write, this.#shown);
        this.#history.write({
          k: 'write',
          t: this.#now(),
          step: step.index,
          write,
          operation: this.#writes.operationOf(step),
          parts,
        });
        rows += run(db);
      });
      this.#history.write({ k: 'outcome', t: this.#now(), write, isDone: true });
      this.#read();
    }
    return rows;
  }

  async #sync(step: Step): Promise<number> {
    const replica = this.#opened();
    const timeoutMs = callMs(this.#settings);
    const deadlineMs = performance.now() + STEP_CALLS_MAX * timeoutMs;
    for (;;) {
      try {
        const options = { timeoutMs };
        const count = step.name === 'send' ? (await replica.send(options)).sent : 0;
        if (step.name !== 'send') await replica.check(options);
        this.#read();
        this.#tellRejected();
        return step.name === 'send' ? count : this.#takeReceived();
      } catch (error) {
        this.#trouble(error, { isCall: true });
        if (!PASSING.includes(codeOf(error) ?? '') || performance.now() > deadlineMs) throw error;
        await sleep(AGAIN_MS);
      }
    }
  }

  #takeReceived(): number {
    const received = this.#received;
    this.#received = 0;
    return received;
  }

  /** Sends and fetches until nothing is left to send. */
  async #level(): Promise<void> {
    const replica = this.#opened();
    await this.#sync({ index: -1, iteration: this.#iteration, name: 'send' });
    await this.#sync({ index: -1, iteration: this.#iteration, name: 'check' });
    this.#post({ kind: 'level', position: replica.position, pending: replica.pending });
  }

  /** What the file shows now; only what changed is written down. */
  #read(db?: Pick<Sql, 'prepare'>): void {
    const sql = db ?? this.#reader;
    if (sql === null) return;
    const shown = shownIn(sql, this.#settings.table);
    const changed = changesBetween(this.#shown, shown);
    this.#shown = shown;
    if (Object.keys(changed).length === 0) return;
    this.#history.write({ k: 'read', t: this.#now(), changed });
  }

  #tellRejected(): void {
    for (const { number, line, code, message } of this.#opened().rejected()) {
      const write = writeOf(/w\d+~[^"]*/.exec(line)?.[0]);
      if (this.#rejected.has(write === NOBODY ? -number - 1 : write)) continue;
      this.#rejected.add(write === NOBODY ? -number - 1 : write);
      this.#history.write({ k: 'rejected', t: this.#now(), write, code });
      this.#log(`rejected: ${code} ${message}`);
    }
  }

  /** Was the last write of the life before committed? Returns its step when it is done with. */
  #resolveLast(): number | null {
    const { open } = this.#recalled;
    if (open === null) return this.#recalled.doneStep;
    const isDone = showsWrite(open, this.#shown);
    this.#history.write({ k: 'outcome', t: this.#now(), write: open.write, isDone });
    return isDone ? open.step : null;
  }

  #opened(): WritableReplica {
    if (this.#replica === null) throw new Error('the replica is not open');
    return this.#replica;
  }

  #trouble(error: unknown, how: { readonly isCall: boolean }): void {
    this.#tell(codeOf(error) ?? nameOf(error), messageOf(error), how);
  }

  #tell(code: string, message: string, { isCall }: { readonly isCall: boolean }): void {
    const t = this.#now();
    this.#post({ kind: 'trouble', t, iteration: this.#iteration, code, message, isCall });
    this.#log(`error: ${code} ${message}`);
  }

  #words({ name }: Step): string {
    const words: Readonly<Record<string, string>> = {
      ...{ delete: 'deleted', insert: 'inserted', update: 'updated' },
      ...{ trespass: 'trespassed', send: 'sent', check: 'checked' },
    };
    return `${words[name]}, count=${rowCount(this.#shown)}`;
  }

  #log(text: string): void {
    const { database } = this.#settings;
    process.stdout.write(`[DB${database}][iter ${this.#iteration}] ${text}\n`);
  }

  #die(error: unknown): void {
    this.#trouble(error, { isCall: true });
    process.exit(1);
  }

  #now(): number {
    return Date.now() - this.#settings.startedAtMs;
  }
}

function callMs({ rows, databases, workload }: WorkerSettings): number {
  const written = workload === 'cycle' ? rows * databases * databases : rows * databases;
  return CALL_MS + Math.max(0, written - ROWS_SOON) * ROW_MS;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof TidelockError ? error.code : undefined;
}

function nameOf(error: unknown): string {
  const { name, errstr } = (error ?? {}) as { readonly name?: string; readonly errstr?: string };
  return errstr === undefined ? (name ?? 'Error') : `SQLITE ${errstr}`;
}
