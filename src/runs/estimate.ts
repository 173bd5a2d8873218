/** How long what is open in a run will take: by earlier runs, else by what this run has shown so far. */
import type { TestRow } from '../planner/rows.ts';
import { isTerminal } from '../planner/states.ts';
import { idOf } from './run-history.ts';

type Shown = { count: number; seconds: number };

/** A change of one execution costs no more than that: a run may have 100,000. */
export class Estimate {
  readonly #expected: ReadonlyMap<string, number>;
  /** Executions that have not ended. */
  readonly #open = new Set<string>();
  /** Of the open ones that earlier runs have, in seconds. */
  #expectedS = 0;
  /** How many of the others are open, by test. */
  readonly #unknown = new Map<string, number>();
  readonly #shown = new Map<string, Shown>();
  readonly #shownAll: Shown = { count: 0, seconds: 0 };

  /** `expected`: seconds by execution, from earlier runs. */
  constructor(expected: ReadonlyMap<string, number>) {
    this.#expected = expected;
  }

  /** Executions of the run as they are now; those that are known already may be among them. */
  know(rows: readonly TestRow[]): void {
    for (const row of rows) {
      if (row.isToplevel) continue;
      if (isTerminal(row)) this.ended(row);
      else this.#add(row, 1);
    }
  }

  /** One has ended. What was never started, or was there before, shows nothing of its time. */
  ended(row: TestRow): void {
    if (!this.#open.has(idOf(row.name, row.itemPath))) return;
    this.#add(row, -1);
    const { startedAt, endedAt } = row;
    if (row.state !== 'COMPLETED' || startedAt === null || endedAt === null) return;
    const of = this.#shown.get(row.name) ?? { count: 0, seconds: 0 };
    this.#shown.set(row.name, of);
    for (const shown of [of, this.#shownAll]) {
      shown.count += 1;
      shown.seconds += (endedAt - startedAt) / 1000;
    }
  }

  /** Seconds of work, one after the other; null: nothing is known yet. */
  get restS(): number | null {
    let seconds = this.#expectedS;
    for (const [test, count] of this.#unknown) {
      if (count === 0) continue;
      const shown = this.#shown.get(test) ?? this.#shownAll;
      if (shown.count === 0) return null;
      seconds += (count * shown.seconds) / shown.count;
    }
    return seconds;
  }

  #add({ name, itemPath }: TestRow, change: 1 | -1): void {
    const id = idOf(name, itemPath);
    if (this.#open.has(id) === change > 0) return;
    if (change > 0) this.#open.add(id);
    else this.#open.delete(id);
    const expected = this.#expected.get(id);
    if (expected !== undefined) this.#expectedS += change * expected;
    else this.#unknown.set(name, (this.#unknown.get(name) ?? 0) + change);
  }
}
