/** The executions that an action is about, followed by the events of their run: rows are read again only when new ones come. */
import { pairOf } from '../planner/rollup.ts';
import type { StatePair, TestRow } from '../planner/rows.ts';
import type { RunStore } from '../planner/run-store.ts';
import { isActive, isTerminal } from '../planner/states.ts';

const EVENTS_AT_ONCE = 1000;

export class ScopeWatch {
  readonly #store: Pick<RunStore, 'read' | 'seq'>;
  readonly #runId: number;
  readonly #read: () => readonly TestRow[];
  readonly #rows = new Map<number, TestRow>();
  readonly #active = new Set<number>();
  /** Of the run, but not meant. */
  readonly #others = new Set<number>();
  #since: number;

  /** `read`: all rows that it is about, as they are now. */
  constructor(
    store: Pick<RunStore, 'read' | 'seq'>,
    runId: number,
    read: () => readonly TestRow[],
  ) {
    this.#store = store;
    this.#runId = runId;
    this.#read = read;
    this.#since = store.seq; // what is written from now on comes as events
    this.#know();
  }

  /** Executions that run, or are about to. */
  get active(): number {
    return this.#active.size;
  }

  /** Everything that it was ever about. */
  rows(): readonly TestRow[] {
    return [...this.#rows.values()];
  }

  /** Reads what has happened since the last time; true when something more runs. */
  look(): boolean {
    let hasMore = false;
    for (let isMore = true; isMore; ) {
      const query = { kind: 'events', runId: this.#runId, testId: null } as const;
      const found = this.#store.read({ ...query, since: this.#since, limit: EVENTS_AT_ONCE });
      const { events = [] } = found;
      for (const { kind, testId, new: now } of events) {
        if (kind === 'transition' && testId !== null && now !== null)
          hasMore = this.#heard(testId, pairOf(now)) || hasMore;
      }
      this.#since = events.at(-1)?.seq ?? this.#since;
      isMore = events.length === EVENTS_AT_ONCE;
    }
    return hasMore;
  }

  #heard(testId: number, pair: StatePair): boolean {
    if (!isActive(pair)) {
      if (isTerminal(pair)) this.#active.delete(testId);
      return false;
    }
    if (this.#others.has(testId)) return false;
    if (!this.#rows.has(testId)) {
      const hasMore = this.#know();
      if (!this.#rows.has(testId)) this.#others.add(testId);
      return hasMore;
    }
    const isNew = !this.#active.has(testId);
    this.#active.add(testId);
    return isNew;
  }

  /** True when there are rows that were not there before. */
  #know(): boolean {
    const before = this.#rows.size;
    for (const row of this.#read()) {
      this.#rows.set(row.id, row);
      if (isActive(row)) this.#active.add(row.id);
      else this.#active.delete(row.id);
    }
    return this.#rows.size > before;
  }
}
