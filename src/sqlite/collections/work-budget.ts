/**
 * Bounds how long one read may take: SQLite cannot be interrupted, and while it works nothing else is served. Compiled
 * queries call the counter for every combination of rows that a join or a correlated subquery looks at.
 */
import { sqlError } from '../../sql/errors.ts';
import type { FunctionSql } from '../sql.ts';

/** In queries. */
export const WORK_COUNTER = 'tidelock_work';
/** Calls from one look at the clock to the next. */
const CALLS_PER_LOOK = 256;

type Limit = { readonly maxMs: number; readonly now: () => number };

export class WorkBudget {
  #limit: Limit | null = null;
  #end = Number.POSITIVE_INFINITY;
  #calls = 0;

  constructor(sql: FunctionSql) {
    sql.function(WORK_COUNTER, { varargs: true }, () => this.#count());
  }

  /** Before that reads may take as long as they want. */
  set limit(limit: Limit) {
    this.#limit = limit;
  }

  /** A read begins. */
  begin(): void {
    if (this.#limit !== null) this.#end = this.#limit.now() + this.#limit.maxMs;
  }

  /** Throws 54000. */
  #count(): number {
    this.#calls += 1;
    if (this.#calls % CALLS_PER_LOOK !== 0 || this.#limit === null) return 1;
    if (this.#limit.now() > this.#end) {
      throw sqlError('54000', `the query was given up after ${this.#limit.maxMs / 1000} s`, {
        hint: 'nothing else is served while it is computed: join on equal columns, or filter first',
      });
    }
    return 1;
  }
}
