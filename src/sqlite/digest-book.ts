/**
 * The digests of a replica, per table and selector, kept up to date row by row and written with the rows
 * they describe. A digest of no rows is not kept.
 */
import { Digest } from '../core/digest.ts';
import type { RowHasher } from '../core/row-hasher.ts';
import type { Cell } from '../core/value.ts';
import { asNumber, asText, type Sql, type SqlStatement } from './sql.ts';

/** The digest of one selector's rows of one table: 32 hexadecimal digits and the number of rows. */
export type ReplicaDigest = {
  readonly table: string;
  readonly selector: string;
  readonly digest: string;
  readonly rows: number;
};

/** `before`: a copy of what is stored, while it differs; null where nothing is stored. */
type Entry = { readonly digest: Digest; before: Digest | null };

/** Rows of one table, and the selector of each. */
export type SelectedRows = {
  readonly rows: (readonly Cell[])[];
  readonly selectors: string[];
};

/** One table's digests. */
export class TableDigests {
  readonly #table: string;
  readonly #entries = new Map<string, Entry>();
  readonly #changed = new Set<string>();
  readonly #onChange: () => void;

  /** `onChange` is called at the first change after `settle` or `revert`. */
  constructor(table: string, onChange: () => void) {
    this.#table = table;
    this.#onChange = onChange;
  }

  load(stored: ReplicaDigest): void {
    const digest = Digest.parse(stored.digest, stored.rows);
    this.#entries.set(stored.selector, { digest, before: null });
  }

  /** Adds the first `count` rows. Neighbours of one selector are hashed together. */
  add(hasher: RowHasher, rows: SelectedRows, count: number): void {
    eachRun(rows.selectors, count, (selector, start, end) => {
      this.#touch(selector).add(hasher.sum(rows.rows, start, end), end - start);
    });
  }

  /** Takes out all of these rows. */
  remove(hasher: RowHasher, rows: SelectedRows): void {
    eachRun(rows.selectors, rows.rows.length, (selector, start, end) => {
      this.#touch(selector).remove(hasher.sum(rows.rows, start, end), end - start);
    });
  }

  /** The table has no rows any more. */
  clear(): void {
    for (const [selector, entry] of this.#entries) {
      this.#touch(selector);
      entry.digest.words.fill(0);
      entry.digest.rows = 0;
    }
  }

  /** What differs from what was last saved. */
  changed(): readonly ReplicaDigest[] {
    return [...this.#changed].map((selector) => this.#describe(selector));
  }

  all(): readonly ReplicaDigest[] {
    return [...this.#entries.keys()]
      .map((selector) => this.#describe(selector))
      .filter((entry) => !isEmpty(entry));
  }

  /** What was changed is saved. */
  settle(): void {
    for (const selector of this.#changed) {
      const entry = this.#entries.get(selector);
      if (isEmpty(this.#describe(selector))) this.#entries.delete(selector);
      else if (entry !== undefined) entry.before = null;
    }
    this.#changed.clear();
  }

  /** What was changed is taken back. */
  revert(): void {
    for (const selector of this.#changed) {
      const before = this.#entries.get(selector)?.before;
      if (before === null || before === undefined) this.#entries.delete(selector);
      else this.#entries.set(selector, { digest: before, before: null });
    }
    this.#changed.clear();
  }

  #touch(selector: string): Digest {
    const known = this.#entries.get(selector);
    if (known !== undefined && this.#changed.has(selector)) return known.digest;
    const entry = known ?? { digest: new Digest(), before: null };
    if (known !== undefined) {
      known.before = new Digest();
      known.before.merge(known.digest);
    }
    this.#entries.set(selector, entry);
    if (this.#changed.size === 0) this.#onChange();
    this.#changed.add(selector);
    return entry.digest;
  }

  #describe(selector: string): ReplicaDigest {
    const digest = this.#entries.get(selector)?.digest ?? new Digest();
    return { table: this.#table, selector, digest: digest.hex, rows: digest.rows };
  }
}

/** All tables' digests of one file. */
export class DigestBook {
  readonly #tables = new Map<string, TableDigests>();
  readonly #changed = new Set<TableDigests>();
  readonly #save: SqlStatement;
  readonly #delete: SqlStatement;

  constructor(sql: Sql) {
    this.#save = sql.prepare(
      `INSERT INTO tidelock_digests (table_name, selector, digest, rows) VALUES (?, ?, ?, ?)
       ON CONFLICT (table_name, selector) DO UPDATE SET digest = excluded.digest, rows = excluded.rows`,
    );
    this.#delete = sql.prepare(
      'DELETE FROM tidelock_digests WHERE table_name = ? AND selector = ?',
    );
    for (const entry of readDigests(sql)) this.table(entry.table).load(entry);
  }

  table(name: string): TableDigests {
    const known = this.#tables.get(name);
    if (known !== undefined) return known;
    const made: TableDigests = new TableDigests(name, () => this.#changed.add(made));
    this.#tables.set(name, made);
    return made;
  }

  all(): readonly ReplicaDigest[] {
    return [...this.#tables.values()].flatMap((table) => table.all());
  }

  /** Writes what changed, inside the caller's transaction. */
  save(): readonly ReplicaDigest[] {
    const changed = [...this.#changed].flatMap((table) => table.changed());
    for (const entry of changed) {
      if (isEmpty(entry)) this.#delete.run(entry.table, entry.selector);
      else this.#save.run(entry.table, entry.selector, entry.digest, entry.rows);
    }
    return changed;
  }

  /** The caller's transaction is committed. */
  settle(): void {
    for (const table of this.#changed) table.settle();
    this.#changed.clear();
  }

  /** The caller's transaction is rolled back. */
  revert(): void {
    for (const table of this.#changed) table.revert();
    this.#changed.clear();
  }
}

/** Calls `use` for each run of equal selectors. */
function eachRun(
  selectors: readonly string[],
  count: number,
  use: (selector: string, start: number, end: number) => void,
): void {
  for (let start = 0; start < count; ) {
    const selector = selectors[start] ?? '';
    let end = start + 1;
    while (end < count && selectors[end] === selector) end += 1;
    use(selector, start, end);
    start = end;
  }
}

/** No rows, and nothing left of any: anything else is worth showing. */
function isEmpty(entry: ReplicaDigest): boolean {
  return entry.rows === 0 && /^0*$/.test(entry.digest);
}

/** The digests that are stored in the file. */
export function readDigests(sql: Sql): readonly ReplicaDigest[] {
  const rows = sql.prepare('SELECT table_name, selector, digest, rows FROM tidelock_digests').all();
  return rows.map((row) => ({
    table: asText(row.table_name),
    selector: asText(row.selector),
    digest: asText(row.digest),
    rows: asNumber(row.rows),
  }));
}
