/** Reads at a time: each waits until all that it reads is complete at that time. */
import type { WorkerCommand, WorkerFeedback } from '../../coordinator/sql/worker.ts';
import { sqlError, toSqlError } from '../../sql/errors.ts';
import type { Query } from '../../sql/plan.ts';
import type { SqlRow } from '../../sql/types.ts';
import type { CollectionStore } from '../../sqlite/collections/collection-store.ts';
import type { Items } from './items.ts';
import { valuesOf } from './stored-rows.ts';

/** Rows of one answer. */
const ROWS_MAX = 1_000_000;

type Peek = Extract<WorkerCommand, { kind: 'peek' }>;
type PeekResult = Extract<WorkerFeedback, { kind: 'peekDone' }>['result'];

export class Peeks {
  readonly #store: CollectionStore;
  readonly #items: Items;
  readonly #tell: (feedback: WorkerFeedback) => void;
  readonly #waiting = new Map<number, Peek>();

  constructor(store: CollectionStore, items: Items, tell: (feedback: WorkerFeedback) => void) {
    this.#store = store;
    this.#items = items;
    this.#tell = tell;
  }

  add(peek: Peek): void {
    this.#waiting.set(peek.peek, peek);
  }

  /** One that was answered already stays answered. */
  cancel(peek: number): void {
    if (this.#waiting.delete(peek)) {
      this.#tell({ kind: 'peekDone', peek, result: { kind: 'canceled' } });
    }
  }

  /** Answers those whose inputs are complete, in the order in which they came. */
  answerReady(): void {
    for (const peek of [...this.#waiting.values()]) {
      const result = this.#resultOf(peek);
      if (result === null) continue;
      this.#waiting.delete(peek.peek);
      this.#tell({ kind: 'peekDone', peek: peek.peek, result });
    }
  }

  /** Null as long as it has to wait. */
  #resultOf({ query, time, now }: Peek): PeekResult | null {
    const gone = query.items.find((id) => this.#items.find(id) === undefined);
    if (gone !== undefined) {
      return { kind: 'error', code: '42P01', message: `${gone} was dropped while it was read` };
    }
    for (const id of query.items) {
      const failure = this.#items.failureOf(id);
      if (failure !== undefined) return { kind: 'error', ...failure };
    }
    const since = Math.max(0, ...query.items.map((id) => this.#items.since(id)));
    if (time < since) {
      const message = `${query.items.join(', ')} can be read from ${since} on, not at ${time}`;
      return { kind: 'error', code: '55000', message };
    }
    const upper = this.#items.upperOfAll(query.items);
    if (upper !== null && upper <= time) return null;
    try {
      return {
        kind: 'rows',
        rows: readRows(this.#store, query, this.#items.querySql(query, time, now)),
      };
    } catch (error) {
      const { sqlState, message } = toSqlError(error);
      return { kind: 'error', code: sqlState, message };
    }
  }
}

/** Runs a compiled query. Throws what SQLite or its functions throw, and 54000 for more rows than one answer has. */
function readRows(store: CollectionStore, query: Query, text: string): SqlRow[] {
  const rows: SqlRow[] = [];
  store.work.begin();
  for (const cells of store.read(text)) {
    if (rows.length === ROWS_MAX) {
      throw sqlError('54000', `the answer has more than ${ROWS_MAX} rows`, { hint: 'add a LIMIT' });
    }
    rows.push(valuesOf(query.columns, cells));
  }
  return rows;
}
