/**
 * The catalog across restarts: the statements that made it are kept, and carried out again. Items get the numbers that
 * they had, so that the rows in the file are theirs.
 */
import { itemOf, rankOf } from '../../coordinator/sql/catalog.ts';
import type { SqlCoordinator } from '../../coordinator/sql/state.ts';
import type { Response } from '../../coordinator/sql/types.ts';
import type { ItemId } from '../../sql/types.ts';
import type { DdlJournal, DdlRecord } from '../../sqlite/collections/ddl-journal.ts';

/** Where a statement was carried out: what names without a schema mean. */
export type DdlPlace = {
  readonly text: string;
  readonly database: string;
  readonly schema: string;
};

export class CatalogJournal {
  readonly #journal: DdlJournal;
  readonly #state: SqlCoordinator;
  readonly #known = new Set<ItemId>();
  #isReplaying = false;

  constructor(journal: DdlJournal, state: SqlCoordinator) {
    this.#journal = journal;
    this.#state = state;
  }

  /** A statement is done: if it changed the catalog, that is kept from now on. */
  note(response: Response, place: DdlPlace): void {
    const { kind } = response;
    if (this.#isReplaying || (kind !== 'created' && kind !== 'dropped' && kind !== 'altered'))
      return;
    if (kind === 'created' && response.existed) return;
    const made = this.#takeMade(place.text);
    this.#forgetGone();
    const [first] = made;
    if (kind === 'dropped' && response.object !== 'schema' && response.object !== 'database')
      return;
    this.#journal.add({ ...place, firstId: first ?? 0, ids: made.length });
    this.#journal.lastItem = this.#state.catalog.lastItem;
  }

  /** Carries everything out again. What fails is told, and left out. */
  async replay(
    run: (record: DdlRecord) => Promise<void>,
    onFailure: (record: DdlRecord, error: unknown) => void,
  ): Promise<void> {
    this.#isReplaying = true;
    const { catalog } = this.#state;
    for (const record of this.#journal.records) {
      const { firstId, ids } = record;
      if (ids > 0) catalog.lastItem = firstId - 1;
      try {
        await run(record);
      } catch (error) {
        onFailure(record, error);
      }
    }
    catalog.lastItem = Math.max(catalog.lastItem, this.#journal.lastItem);
    for (const id of catalog.items.keys()) this.#known.add(id);
    this.#isReplaying = false;
  }

  /** Numbers of the items that a statement has just made. */
  #takeMade(text: string): readonly number[] {
    const { catalog } = this.#state;
    const made = [...catalog.items.keys()]
      .filter((id) => !this.#known.has(id) && itemOf(catalog, id).text === text)
      .map(rankOf)
      .sort((a, b) => a - b);
    for (const rank of made) this.#known.add(`u${rank}`);
    return made;
  }

  /** Statements all of whose items are gone have nothing to make any more. */
  #forgetGone(): void {
    const { items } = this.#state.catalog;
    const gone = [...this.#known].filter((id) => !items.has(id));
    if (gone.length === 0) return;
    for (const id of gone) this.#known.delete(id);
    for (const { number, firstId, ids } of this.#journal.records) {
      const made = Array.from({ length: ids }, (_, index) => `u${firstId + index}`);
      if (made.length > 0 && made.every((id) => !items.has(id))) this.#journal.remove(number);
    }
  }
}
