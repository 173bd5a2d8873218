/** Reads on this thread, at once and in one piece: for scripts, whose order is fixed, and for what is surely small. */
import { toSqlError } from '../../../sql/errors.ts';
import { fromStored } from '../../../sql/storage.ts';
import type { SqlRow } from '../../../sql/types.ts';
import type { CollectionStore } from '../../../sqlite/collections/collection-store.ts';
import type { Readers, ReadListener, ReadRequest, RunningRead } from './read-port.ts';

const ENDED: RunningRead = { next: () => undefined, end: () => undefined };

export class ReadersHere implements Readers {
  readonly #store: CollectionStore;

  constructor(store: CollectionStore) {
    this.#store = store;
  }

  start({ text, types }: ReadRequest, listener: ReadListener): RunningRead {
    const rows: SqlRow[] = [];
    try {
      for (const cells of this.#store.readNow(text)) {
        rows.push(types.map((type, index) => fromStored(type, cells[index] ?? null)));
      }
    } catch (error) {
      listener.failed(toSqlError(error));
      return ENDED;
    }
    listener.rows(rows, { bytes: 0, isLast: true });
    return ENDED;
  }
}
