/**
 * Applies changes of all tables inside the caller's SQLite transaction. Used by the replica that follows, by
 * its difference snapshots, and by snapshot files alike.
 */

import { TidelockError } from '../core/errors.ts';
import type { RowChange } from '../core/row-change.ts';
import { RowHasher } from '../core/row-hasher.ts';
import type { TableDef } from '../core/table.ts';
import type { DigestBook } from './digest-book.ts';
import type { LocalStore } from './local-store.ts';
import type { ReplicaCatalog } from './replica-catalog.ts';
import { scanSlices } from './replica-scan.ts';
import type { ReplicaTable } from './replica-table.ts';
import type { Sql } from './sql.ts';
import { TableWriter } from './table-writer.ts';

/** Tables that keep prepared statements; beyond it all of them start anew. */
const WRITERS_MAX = 100;

export class ChangeApplier {
  readonly #sql: Sql;
  readonly #catalog: ReplicaCatalog;
  readonly #book: DigestBook | null;
  readonly #local: LocalStore | null;
  readonly #writers = new Map<string, TableWriter>();
  #last: TableWriter | null = null;
  /** Definitions that changed since the last `settle`. */
  definitionChanges = 0;

  /** `local`: where programs write to the file. */
  constructor(
    sql: Sql,
    catalog: ReplicaCatalog,
    parts: { readonly book: DigestBook | null; readonly local: LocalStore | null },
  ) {
    this.#sql = sql;
    this.#catalog = catalog;
    this.#book = parts.book;
    this.#local = parts.local;
  }

  apply(changes: readonly RowChange[]): void {
    this.#local?.expect(changes);
    for (const change of changes) this.#apply(change);
  }

  /** Writes everything that is still collected. */
  flush(): void {
    for (const writer of this.#writers.values()) writer.flush();
  }

  /** The caller's transaction was committed. */
  settle(): void {
    this.definitionChanges = 0;
    this.#book?.settle();
  }

  /** The caller's transaction was rolled back: everything as stored. */
  revert(): void {
    this.#writers.clear();
    this.#last = null;
    this.definitionChanges = 0;
    this.#book?.revert();
    this.#catalog.reload();
  }

  /** The table's layout changed: collected changes are written, statements forgotten. */
  release(name: string): void {
    this.#writers.get(name)?.flush();
    this.#writers.delete(name);
    this.#last = null;
  }

  /** Gives a table any new definition, keeping the rows that can be kept. */
  redefine(definition: TableDef): void {
    const isLive = this.#catalog.get(definition.name)?.state !== 'resyncing';
    this.#define(definition);
    const stored = this.#catalog.get(definition.name);
    if (isLive && stored?.state === 'live') return;
    this.recount(this.#catalog.rebuild(definition));
  }

  drop(name: string): void {
    this.release(name);
    this.#local?.beforeDefinition(name);
    this.#book?.table(name).clear();
    this.#catalog.drop(name);
    this.definitionChanges += 1;
  }

  /** The table's digests anew from its rows. */
  recount(table: ReplicaTable): void {
    if (this.#book === null) return;
    const digests = this.#book.table(table.name);
    const hasher = new RowHasher(table.definition);
    digests.clear();
    scanSlices(this.#sql, table, (slice) => digests.add(hasher, slice, slice.rows.length));
  }

  /** The table's writer, or null when its changes are not applied. Throws `PROTOCOL` for unknown tables. */
  writer(name: string): TableWriter | null {
    if (this.#last?.table.name === name) return this.#last;
    const known = this.#writers.get(name) ?? this.#makeWriter(name);
    if (known !== null) this.#last = known;
    return known;
  }

  #makeWriter(name: string): TableWriter | null {
    const stored = this.#catalog.get(name);
    if (stored === undefined) {
      throw new TidelockError({
        code: 'PROTOCOL',
        message: `a change of table ${name} came before the table's definition`,
        hint: 'compare the versions of the server and of this program',
      });
    }
    if (stored.state === 'resyncing') return null;
    if (this.#writers.size >= WRITERS_MAX) {
      this.flush();
      this.#writers.clear();
    }
    const writer = new TableWriter(this.#sql, stored.table, {
      digests: this.#book?.table(name) ?? null,
      guard: this.#local?.guard(stored.table) ?? null,
    });
    this.#writers.set(name, writer);
    return writer;
  }

  #apply(change: RowChange): void {
    switch (change.type) {
      case 'insert':
        this.writer(change.table)?.insert(change.selector, change.row);
        return;
      case 'update':
        this.writer(change.table)?.update(change);
        return;
      case 'delete':
        this.writer(change.table)?.delete(change.selector, change.key);
        return;
      case 'truncate':
        this.writer(change.table)?.truncate(this.#sql);
        return;
      case 'table':
        this.#define(change.table);
        return;
      case 'drop':
        this.drop(change.table);
        return;
      default:
        this.release(change.table);
        this.#catalog.setState(change.table, 'resyncing');
    }
  }

  #define(definition: TableDef): void {
    this.release(definition.name);
    this.#local?.beforeDefinition(definition.name);
    const effect = this.#catalog.evolve(definition);
    if (effect === 'none') return;
    this.definitionChanges += 1;
    const stored = this.#catalog.get(definition.name);
    if (effect === 'filled' && stored !== undefined) this.recount(stored.table);
  }
}
