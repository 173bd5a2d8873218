/**
 * A difference snapshot on its way into a replica: buckets of rows are replaced, everything in one write
 * transaction. Rows that are as they were are not written again.
 *
 * The keys of the named buckets are noted in a temporary table (on disk: memory stays bounded), each row
 * that arrives crosses its key out, and what is left over at the end is deleted.
 */
import { bucketOf } from '../core/bucket.ts';
import { TidelockError } from '../core/errors.ts';
import type { Ts } from '../core/lsn.ts';
import type { RowChange } from '../core/row-change.ts';
import type { TableDef } from '../core/table.ts';
import type { Cell } from '../core/value.ts';
import type { ChangeApplier } from './change-applier.ts';
import type { DigestBook, ReplicaDigest } from './digest-book.ts';
import { KeyList } from './key-list.ts';
import type { ReplicaCatalog } from './replica-catalog.ts';
import { scanRows } from './replica-scan.ts';
import type { ReplicaState } from './replica-schema.ts';
import type { Sql } from './sql.ts';
import type { RowCounts, TableWriter } from './table-writer.ts';

/** Keys of vanished rows that are deleted in one go. */
const DELETE_KEYS_MAX = 500;

export type ResyncTarget = {
  readonly server: string;
  readonly timeline: string;
  readonly position: Ts;
  readonly selectors: readonly string[];
};

export type ResyncContext = {
  readonly sql: Sql;
  readonly catalog: ReplicaCatalog;
  readonly applier: ChangeApplier;
  readonly book: DigestBook | null;
  readonly bucketCount: number;
  readonly guard: <T>(work: () => T) => T;
  readonly commit: (changes: ResyncTarget & { readonly state: ReplicaState }) => void;
  readonly rollback: () => void;
};

/** After a throw of any method call `rollback`, and nothing else. */
export class ReplicaResync {
  readonly #context: ResyncContext;
  readonly #doomed = new Map<string, KeyList>();
  readonly #counts: RowCounts = { inserted: 0, updated: 0, deleted: 0 };
  #isReplaced = false;
  #last: TableWriter | null = null;

  constructor(context: ResyncContext) {
    this.#context = context;
  }

  /** All tables of the new state: creates, alters (or rebuilds) and drops. Called once, first. */
  define(tables: readonly TableDef[]): void {
    this.#context.guard(() => {
      const { catalog, applier } = this.#context;
      const names = new Set(tables.map((table) => table.name));
      for (const { table } of catalog.all()) {
        if (names.has(table.name)) continue;
        applier.drop(table.name);
      }
      for (const table of tables) applier.redefine(table);
    });
  }

  /** Every row of these buckets goes, unless `insert` brings it (back). Called at most once per table. */
  replace(name: string, buckets: readonly number[]): void {
    this.#context.guard(() => {
      const { sql, catalog, bucketCount } = this.#context;
      const table = catalog.get(name)?.table;
      if (table === undefined || this.#doomed.has(name) || this.#isReplaced) {
        throw new TidelockError({
          code: 'PROTOCOL',
          message: `a difference snapshot replaces table ${name}, which is unknown or was replaced before`,
          hint: 'compare the versions of the server and of this program',
        });
      }
      const wanted = new Set(buckets);
      const keys = new KeyList(sql, table, this.#doomed.size);
      this.#doomed.set(name, keys);
      scanRows(sql, table, (row) => {
        const key = table.keyCells(row);
        if (wanted.has(bucketOf(key, bucketCount))) keys.add(key);
      });
      keys.flush();
    });
  }

  /** Rows of the buckets named before. */
  insert(changes: readonly RowChange[]): void {
    this.#context.guard(() => {
      for (const change of changes) {
        if (change.type !== 'insert') continue;
        if (this.#last?.table.name !== change.table) this.#last = this.#comparing(change.table);
        this.#last?.upsert(change.selector, change.row);
      }
    });
  }

  /** Late changes, after all rows. */
  apply(changes: readonly RowChange[]): void {
    this.#context.guard(() => {
      this.#finishRows();
      this.#context.applier.apply(changes);
    });
  }

  /** The digests that the transaction would commit, to be compared before `commit`. */
  digests(): readonly ReplicaDigest[] {
    return this.#context.guard(() => {
      this.#finishRows();
      this.#context.applier.flush();
      return this.#context.book?.all() ?? [];
    });
  }

  /** The digests anew, by full scan: the stored ones may have been wrong before (somebody wrote into the file). */
  recount(): void {
    this.#context.guard(() => {
      this.#finishRows();
      const { applier, catalog } = this.#context;
      applier.flush();
      for (const { table } of catalog.all()) applier.recount(table);
    });
  }

  /** Stores the new identity; the position may be of another timeline. */
  commit(target: ResyncTarget): Readonly<RowCounts> {
    return this.#context.guard(() => {
      this.#finishRows();
      for (const { table } of this.#context.catalog.all()) {
        this.#context.catalog.setState(table.name, 'live');
      }
      this.#context.commit({ ...target, state: 'live' });
      return this.#counts;
    });
  }

  rollback(): void {
    this.#context.rollback();
  }

  #comparing(name: string): TableWriter | null {
    const writer = this.#context.applier.writer(name);
    const keys = this.#doomed.get(name);
    writer?.compareInto({
      counts: this.#counts,
      seen: (seen: readonly (readonly Cell[])[]) => keys?.delete(seen),
    });
    return writer;
  }

  /** All rows have come: what is left of the named buckets is gone in Postgres. */
  #finishRows(): void {
    if (this.#isReplaced) return;
    this.#isReplaced = true;
    this.#context.applier.flush();
    for (const [name, keys] of this.#doomed) {
      const writer = this.#comparing(name);
      for (let slice = keys.take(DELETE_KEYS_MAX); slice.length > 0; ) {
        for (const key of slice) writer?.delete('', key);
        writer?.flush();
        slice = keys.take(DELETE_KEYS_MAX);
      }
      keys.drop();
    }
    for (const { table } of this.#context.catalog.all()) this.#context.applier.release(table.name);
  }
}
