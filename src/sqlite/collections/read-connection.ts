/**
 * A connection that only reads the file of a `CollectionStore` of another process. Each read is one SQLite transaction: it
 * sees what was committed when it began, and nothing of what comes later.
 */
import type { Stored } from '../../sql/storage.ts';
import { type FunctionSql, openFunctionSql, prepareArrays, rollBack } from '../sql.ts';
import { registerSqlFunctions } from '../sql-functions.ts';
import { addNumericTotals } from './numeric-totals.ts';
import { type ReadState, type ReadText, type RelationPlace, resolveRead } from './read-text.ts';

/** How long a read waits for the writer to be through with a checkpoint or a recovery. */
const WAIT_MS = 5000;
/** What SQLite keeps of the file in memory; large sorts go to temporary files. */
const CACHE_KIB = 16 * 1024;

/** A collection is gone, or is not kept at the time that was asked for: compile the read again. */
export class StaleRead extends Error {}

export class ReadConnection {
  readonly #sql: FunctionSql;

  /** Throws what SQLite throws. */
  constructor(file: string) {
    this.#sql = openFunctionSql(file, { timeoutMs: WAIT_MS, isReadOnly: true });
    this.#sql.exec(`PRAGMA cache_size = -${CACHE_KIB}; PRAGMA temp_store = FILE`);
    registerSqlFunctions(this.#sql);
    addNumericTotals(this.#sql);
  }

  /** The rows of a read. Throws `StaleRead`, and what SQLite or its functions throw. Whoever stops early is rolled back. */
  *read(read: ReadText): Generator<readonly Stored[]> {
    const sql = this.#sql;
    sql.exec('BEGIN');
    try {
      const text = resolveRead(read, (place) => this.#stateOf(place));
      if (text === null) throw new StaleRead('a collection is not what the read was compiled for');
      const statement = prepareArrays(sql, text);
      statement.setReadBigInts(true);
      yield* statement.iterate() as unknown as Iterable<readonly Stored[]>;
    } finally {
      rollBack(sql);
    }
  }

  close(): void {
    this.#sql.close();
  }

  #stateOf({ id, number }: RelationPlace): ReadState | null {
    const row = prepareArrays(
      this.#sql,
      `SELECT since, "changedAt", "hasRepeats" FROM tidelock_collections WHERE number = ? AND id = ?`,
    ).get(number, id) as unknown as readonly [number, number, number] | undefined;
    if (row === undefined) return null;
    const [since, changedAt, hasRepeats] = row;
    return { since, changedAt, hasRepeats: hasRepeats !== 0 };
  }
}
