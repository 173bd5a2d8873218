/**
 * Reads at a time: each waits until all that it reads is complete at that time, is computed by a reader, and answered.
 *
 *   waiting --complete--> reading --last rows, failed--> answered        waiting, reading --cancel--> answered
 *                         reading --stale--> waiting
 */
import type { WorkerCommand, WorkerFeedback } from '../../coordinator/sql/worker.ts';
import { sqlError, toSqlError } from '../../sql/errors.ts';
import type { ItemId, SqlRow } from '../../sql/types.ts';
import type { Items } from './items.ts';
import type { Readers, ReadListener, ReadRequest, RunningRead } from './readers/read-port.ts';

/** Rows of one answer that is not told as it comes: of a cursor, or of what a write depends on. */
const ROWS_MAX = 1_000_000;
const MIB = 2 ** 20;
/** Of its values. */
const ANSWER_BYTES_MAX = 256 * MIB;
/** How often a read is compiled anew because views that it reads are not kept any more. */
const COMPILATIONS_MAX = 10;

type Peek = Extract<WorkerCommand, { kind: 'peek' }>;
type PeekResult = Extract<WorkerFeedback, { kind: 'peekDone' }>['result'];

type Reading = { read: RunningRead | null; rows: SqlRow[]; bytes: number; readonly peek: Peek };
type Batch = { readonly bytes: number; readonly isLast: boolean };

export type PeeksOptions = {
  readonly items: Items;
  readonly readers: Readers;
  /** How people call an item. */
  readonly nameOf: (id: ItemId) => string;
  readonly tell: (feedback: WorkerFeedback) => void;
  /** Something was told at a moment when nobody asked. */
  readonly wake: () => void;
};

export class Peeks {
  readonly #options: PeeksOptions;
  /** With how often each was compiled. */
  readonly #waiting = new Map<number, { readonly peek: Peek; readonly compilations: number }>();
  readonly #reading = new Map<number, Reading>();

  constructor(options: PeeksOptions) {
    this.#options = options;
  }

  add(peek: Peek): void {
    this.#waiting.set(peek.peek, { peek, compilations: 0 });
  }

  /** One that was answered already stays answered. */
  cancel(peek: number): void {
    const reading = this.#reading.get(peek);
    reading?.read?.end();
    this.#reading.delete(peek);
    if (this.#waiting.delete(peek) || reading !== undefined) {
      this.#answer(peek, { kind: 'canceled' });
    }
  }

  /** Rows that were told were taken: there may be more. */
  took(peek: number): void {
    this.#reading.get(peek)?.read?.next();
  }

  /** Begins those whose inputs are complete, in the order in which they came. */
  answerReady(): void {
    for (const { peek, compilations } of [...this.#waiting.values()]) {
      const begun = this.#begin(peek);
      if (begun === null) continue;
      this.#waiting.delete(peek.peek);
      if ('text' in begun) this.#read(peek, begun, compilations + 1);
      else this.#answer(peek.peek, begun);
    }
  }

  /** Null as long as it has to wait. */
  #begin({ query, time, now }: Peek): ReadRequest | PeekResult | null {
    const { items, nameOf } = this.#options;
    const gone = query.items.find((id) => items.find(id) === undefined);
    if (gone !== undefined) {
      return {
        kind: 'error',
        code: '42P01',
        message: `${nameOf(gone)} was dropped while it was read`,
      };
    }
    for (const id of query.items) {
      const failure = items.failureOf(id);
      if (failure !== undefined) return { kind: 'error', ...failure };
    }
    const since = Math.max(0, ...query.items.map((id) => items.since(id)));
    if (time < since) {
      const names = query.items.map(nameOf).join(', ');
      const message = `${names} can be read from ${since} on, not at ${time}`;
      return { kind: 'error', code: '55000', message };
    }
    const upper = items.upperOfAll(query.items);
    if (upper !== null && upper <= time) return null;
    try {
      const types = query.columns.map(({ type }) => type);
      const isSmall = (): boolean => items.isSmall(query, time);
      return { text: items.queryText(query, time, now), types, isSmall };
    } catch (error) {
      const { sqlState, message } = toSqlError(error);
      return { kind: 'error', code: sqlState, message };
    }
  }

  #read(peek: Peek, request: ReadRequest, compilations: number): void {
    const reading: Reading = { peek, read: null, rows: [], bytes: 0 };
    this.#reading.set(peek.peek, reading);
    reading.read = this.#options.readers.start(request, this.#listener(reading, compilations));
  }

  #listener(reading: Reading, compilations: number): ReadListener {
    const { peek } = reading;
    return {
      rows: (rows, batch) => this.#take(reading, rows, batch),
      failed: ({ sqlState, message }) => {
        this.#end(reading, { kind: 'error', code: sqlState, message });
      },
      stale: () => {
        this.#reading.delete(peek.peek);
        if (compilations < COMPILATIONS_MAX) this.#waiting.set(peek.peek, { peek, compilations });
        else {
          const message = 'what is read is kept in another way by every moment: try again';
          this.#answer(peek.peek, { kind: 'error', code: '40001', message });
        }
        this.#options.wake();
      },
    };
  }

  #take(reading: Reading, rows: SqlRow[], { bytes, isLast }: Batch): void {
    const { peek } = reading;
    if (peek.mayStream === true && !isLast) {
      this.#options.tell({ kind: 'peekRows', peek: peek.peek, rows });
      this.#options.wake();
      return;
    }
    if (reading.rows.length === 0) reading.rows = rows;
    else for (const row of rows) reading.rows.push(row);
    reading.bytes += bytes;
    const excess = excessOf(reading);
    if (excess !== null) {
      reading.read?.end();
      const { sqlState, message } = sqlError('54000', `the answer has more than ${excess}`);
      this.#end(reading, { kind: 'error', code: sqlState, message });
    } else if (isLast) this.#end(reading, { kind: 'rows', rows: reading.rows });
    else reading.read?.next();
  }

  #end({ peek }: Reading, result: PeekResult): void {
    this.#reading.delete(peek.peek);
    this.#answer(peek.peek, result);
    this.#options.wake();
  }

  #answer(peek: number, result: PeekResult): void {
    this.#options.tell({ kind: 'peekDone', peek, result });
  }
}

/** What an answer in one piece has too much of. */
function excessOf({ rows, bytes }: Reading): string | null {
  if (rows.length > ROWS_MAX) return `${ROWS_MAX} rows`;
  return bytes > ANSWER_BYTES_MAX ? `${ANSWER_BYTES_MAX / MIB} MiB` : null;
}
