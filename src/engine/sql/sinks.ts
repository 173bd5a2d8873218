/** Sinks: each writes the rows of a relation, and then what changes, into a file of its own. */
import type {
  Frontier,
  TimedDelta,
  WorkerCommand,
  WorkerFeedback,
} from '../../coordinator/sql/worker.ts';
import { type SqlError, toSqlError } from '../../sql/errors.ts';
import type { Column, ItemId } from '../../sql/types.ts';
import type { CellDelta } from '../../sqlite/collections/collection.ts';
import type { CollectionStore } from '../../sqlite/collections/collection-store.ts';
import { queryOf } from '../../sqlite/collections/plan-sql.ts';
import { SqliteSink } from '../../sqlite/collections/sqlite-sink.ts';
import type { Need } from './compaction.ts';
import { avroFormat, FileSink, jsonFormat } from './file-sink.ts';
import { Follower, type FollowerListener, type FollowerParts } from './follower.ts';
import { storedRow } from './stored-rows.ts';

type CreateSink = Extract<WorkerCommand, { kind: 'createSink' }>;

/** Where changes go. `finish`: all before `upper` has been written; it is durable when it returns. */
type Target = {
  write(deltas: readonly TimedDelta[]): void;
  finish(upper: Frontier): void;
  close(): void;
};

type Sink = {
  readonly from: ItemId;
  readonly follower: Follower;
  readonly listener: FollowerListener;
  readonly target: Target;
  upper: Frontier;
};

/** Kept beside the rows, of sinks that cannot keep it themselves. */
type Note = { readonly place: number; readonly upper: Frontier };

export type SinksOptions = FollowerParts & {
  readonly tell: (feedback: WorkerFeedback) => void;
  /** Something was told at a moment when nobody asked. */
  readonly wake: () => void;
};

export class Sinks {
  readonly #options: SinksOptions;
  readonly #store: CollectionStore;
  readonly #tell: (feedback: WorkerFeedback) => void;
  readonly #open = new Map<ItemId, Sink>();

  constructor(options: SinksOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#tell = options.tell;
  }

  create(command: CreateSink): void {
    const { id, from, columns, asOf, hasSnapshot } = command;
    const plan = { kind: 'get', item: from, columns } as const;
    const query = { ...queryOf(plan), items: [from] };
    const follower = new Follower(this.#options, { query, asOf, hasSnapshot });
    try {
      const { target, upper } = this.#openTarget(command);
      if (upper !== undefined) follower.resume(upper);
      this.#open.set(id, {
        from,
        follower,
        target,
        upper: upper ?? 0,
        listener: this.#listener(id),
      });
      this.#tell({ kind: 'sinkReady', id });
    } catch (error) {
      this.#fail(id, toSqlError(error));
    }
  }

  drop(id: ItemId): void {
    this.#close(id);
    if (this.#open.delete(id)) this.#store.setNote(id, null);
  }

  close(): void {
    for (const id of this.#open.keys()) this.#close(id);
    this.#open.clear();
  }

  #close(id: ItemId): void {
    const sink = this.#open.get(id);
    sink?.follower.end();
    sink?.target.close();
  }

  *needs(): Generator<Need> {
    for (const { from, follower } of this.#open.values()) {
      if (follower.needs !== null) yield { id: from, time: follower.needs };
    }
  }

  /** How far each is. */
  uppers(): readonly { readonly id: ItemId; readonly upper: Frontier }[] {
    return [...this.#open].map(([id, { upper }]) => ({ id, upper }));
  }

  /** Writes what has become complete. */
  settle(): void {
    for (const { follower, listener } of [...this.#open.values()]) follower.advance(listener);
  }

  #listener(id: ItemId): FollowerListener {
    return {
      batch: ({ deltas, upper, isLast }) => {
        const sink = this.#open.get(id);
        if (sink === undefined) return;
        sink.target.write(deltas);
        if (!isLast) return;
        sink.target.finish(upper);
        sink.upper = upper;
      },
      failed: (error) => {
        this.#close(id);
        this.#open.delete(id);
        this.#fail(id, error);
        this.#options.wake();
      },
      idle: () => this.#options.wake(),
    };
  }

  #openTarget({ id, into, columns }: CreateSink): { target: Target; upper: Frontier | undefined } {
    if (into.kind === 'sqlite') {
      const file = new SqliteSink(into.path, columns);
      return { target: new SqliteTarget(file, columns), upper: file.upper };
    }
    const text = this.#store.note(id);
    // The cast trusts what we wrote.
    const note = text === null ? null : (JSON.parse(text) as Note);
    const format = into.kind === 'avro' ? avroFormat(columns) : jsonFormat(columns);
    const file = new FileSink(into.path, format, note?.place ?? null);
    const target: Target = {
      write: (deltas) => file.write(deltas),
      finish: (upper) => {
        const done: Note = { place: file.sync(), upper };
        this.#store.setNote(id, JSON.stringify(done));
      },
      close: () => file.close(),
    };
    return { target, upper: note?.upper };
  }

  #fail(id: ItemId, { sqlState, message }: SqlError): void {
    this.#tell({ kind: 'failed', id, code: sqlState, message });
  }
}

/** What belongs together is one transaction of the file: it is put together before. */
class SqliteTarget implements Target {
  readonly #file: SqliteSink;
  readonly #columns: readonly Column[];
  #deltas: CellDelta[] = [];

  constructor(file: SqliteSink, columns: readonly Column[]) {
    this.#file = file;
    this.#columns = columns;
  }

  write(deltas: readonly TimedDelta[]): void {
    for (const { row, diff } of deltas) {
      this.#deltas.push({ row: storedRow(this.#columns, row), n: diff });
    }
  }

  finish(upper: Frontier): void {
    this.#file.apply(this.#deltas, upper);
    this.#deltas = [];
  }

  close(): void {
    this.#file.close();
  }
}
