/**
 * Uploads that write the same rows, one after the other in the order in which they came. Postgres would let them
 * wait too, but in no order, and only for as long as one waits for the lock of a stranger.
 */
import type { Upload } from '../../core/upload.ts';

type Rows = {
  readonly rows: ReadonlySet<string>;
  /** In which the rows are. */
  readonly tables: ReadonlySet<string>;
  /** Of a large upload, whose rows are not counted one by one. */
  readonly whole: ReadonlySet<string>;
};
type Entry = { readonly rows: Rows; readonly done: Promise<void> };

export class UploadQueue {
  /** Under way or waiting, in their order; the server limits how many uploads there are at once. */
  readonly #entries = new Set<Entry>();

  /** Runs `work` as soon as no earlier upload that shares a row with this one is left. */
  async run<T>(upload: Upload, work: () => Promise<T>): Promise<T> {
    const rows = rowsOf(upload);
    const before = [...this.#entries].filter((entry) => isShared(entry.rows, rows));
    let leave = (): void => undefined;
    const done = new Promise<void>((resolve) => {
      leave = resolve;
    });
    const entry: Entry = { rows, done };
    this.#entries.add(entry);
    try {
      // Everybody waits for earlier ones only, so nobody waits in a circle.
      for (const earlier of before) await earlier.done;
      return await work();
    } finally {
      this.#entries.delete(entry);
      leave();
    }
  }
}

/** As they are written: two spellings of one key are left to Postgres' own locks. */
function rowsOf({ transactions }: Upload): Rows {
  const rows = new Set<string>();
  const tables = new Set<string>();
  const whole = new Set<string>();
  for (const { changes, large } of transactions) {
    for (const table of large?.tables ?? []) whole.add(table);
    for (const [, table, , key] of changes) {
      tables.add(table);
      rows.add(`${table}\0${JSON.stringify(key)}`);
    }
  }
  return { rows, tables: tables.union(whole), whole };
}

function isShared(a: Rows, b: Rows): boolean {
  return (
    !a.rows.isDisjointFrom(b.rows) ||
    !a.whole.isDisjointFrom(b.tables) ||
    !a.tables.isDisjointFrom(b.whole)
  );
}
