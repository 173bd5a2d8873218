/**
 * Sources that read files. A file is looked at when the clock has advanced since it was last looked at: its new complete
 * records come at the clock's time, and then nothing more comes at that time. A file that is not tailed is read once.
 *
 * Rows, the place in the file and the frontier become durable in one transaction.
 */
import type { Time, WorkerCommand, WorkerFeedback } from '../../coordinator/sql/worker.ts';
import { SqlError, sqlError, toSqlError } from '../../sql/errors.ts';
import type { ItemId } from '../../sql/types.ts';
import type { CellDelta } from '../../sqlite/collections/collection.ts';
import type { CollectionStore } from '../../sqlite/collections/collection-store.ts';
import { fieldCount, fieldsOf } from './file-fields.ts';
import { assertReadable, type FilePlace, readRecords } from './file-records.ts';
import type { Items } from './items.ts';

type Source = Extract<WorkerCommand, { kind: 'createFileSource' }>;

const START: FilePlace = { offset: 0, line: 1 };

export class FileSources {
  readonly #store: CollectionStore;
  readonly #items: Items;
  readonly #tell: (feedback: WorkerFeedback) => void;
  /** With the clock when each was last looked at. */
  readonly #open = new Map<ItemId, { readonly source: Source; lookedAt: Time }>();

  constructor(store: CollectionStore, items: Items, tell: (feedback: WorkerFeedback) => void) {
    this.#store = store;
    this.#items = items;
    this.#tell = tell;
  }

  create(source: Source, now: Time): void {
    const { id, columns } = source;
    const { state } = this.#store.create(id, { columns, key: [], since: 0, upper: 0 });
    this.#items.add({ kind: 'collection', id, isTable: false });
    try {
      assertReadable(source.path);
    } catch (error) {
      this.#fail(id, toSqlError(error));
      return;
    }
    if (state.upper !== null)
      this.#open.set(id, { source, lookedAt: Math.max(now, state.upper - 1) });
  }

  drop(id: ItemId): void {
    this.#open.delete(id);
  }

  /** Looks at each file that was last looked at before `now`. */
  tick(now: Time): void {
    for (const open of [...this.#open.values()]) {
      if (now <= open.lookedAt) continue;
      try {
        this.#read(open.source, now);
        open.lookedAt = now;
      } catch (error) {
        // What SQLite cannot write is no fault of the file: it is looked at again.
        if (!(error instanceof SqlError)) throw error;
        this.#fail(open.source.id, error);
      }
    }
  }

  #read(source: Source, now: Time): void {
    const { id, isTail } = source;
    const store = this.#store;
    const note = store.note(id);
    // The cast trusts what we wrote.
    const from = note === null ? START : (JSON.parse(note) as FilePlace);
    let place = from;
    const deltas = readDeltas(source, from, (next) => {
      place = next;
    });
    store.write(() => {
      store.apply(id, now, deltas);
      if (place !== from) store.setNote(id, JSON.stringify(place));
      store.advance(id, isTail ? now + 1 : null);
    });
    if (!isTail) this.#open.delete(id);
  }

  /** The source stays where it is: everybody who reads it is told why. */
  #fail(id: ItemId, { sqlState, message }: SqlError): void {
    this.#open.delete(id);
    this.#items.fail(id, { code: sqlState, message });
    this.#tell({ kind: 'failed', id, code: sqlState, message });
  }
}

/** The new rows, and through `pass` the place behind each. Throws 22P02 with file and line for a bad record. */
function* readDeltas(
  { path, format, columns, isTail, hasHeader }: Source,
  from: FilePlace,
  pass: (next: FilePlace) => void,
): Generator<CellDelta> {
  const count = fieldCount(format, columns);
  for (const { text, line, next } of readRecords({ path, format, from, isClosed: !isTail })) {
    pass(next);
    if (hasHeader && line === 1) continue;
    let fields: readonly string[];
    try {
      fields = fieldsOf(format, text, count);
    } catch (error) {
      throw sqlError('22P02', `${path} line ${line}: ${toSqlError(error).message}`, {
        cause: error,
      });
    }
    yield { row: count < columns.length ? [...fields, BigInt(line)] : fields, n: 1 };
  }
}
