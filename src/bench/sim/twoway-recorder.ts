/** Turns what a run of sites that write tells into the histories that the causal judge of the two-way runs reads. */
import { isAlive, type RowState } from '../../merge/row-state.ts';
import type { SeenRows, TwowayObserver } from '../../sim/twoway/evidence.ts';
import {
  siteNumber,
  type TwowayPlan,
  WRITES_PER_SITE,
  type WriteAction,
} from '../../sim/twoway/plan.ts';
import type { Write } from '../../sim/twoway/site-disk.ts';
import type { Comparison } from '../twoway/evidence.ts';
import type { HistoryLine, Part } from '../twoway/history.ts';
import type { Evidence } from '../twoway/read-evidence.ts';
import { changesBetween, Gathering, NOBODY, placeOf, type Shown, writeOf } from '../twoway/rows.ts';

/** Numbers of transactions that only delete are behind this. */
const FIRST_UNNAMED = 5_000_000;
const COLUMNS = ['text', 'number'] as const;

export class TwowayRecorder implements TwowayObserver {
  readonly #plan: TwowayPlan;
  readonly #histories = new Map<number, HistoryLine[]>();
  readonly #shown = new Map<number, Shown>();
  /** Keys that are there, as of the last read. */
  readonly #alive = new Map<number, ReadonlySet<string>>();
  #unnamed = 0;
  #end: Parameters<TwowayObserver['ended']>[0] | null = null;

  constructor(plan: TwowayPlan) {
    this.#plan = plan;
    for (const site of [...plan.sites, null]) this.#histories.set(siteNumber(site), []);
  }

  seen({ t, site, rows }: Parameters<TwowayObserver['seen']>[0]): void {
    const database = siteNumber(site);
    const shown = shownOf(rows);
    const changed = changesBetween(this.#shown.get(database) ?? new Map(), shown);
    this.#shown.set(database, shown);
    this.#alive.set(database, new Set(aliveIn(rows).map(([key]) => key)));
    if (Object.keys(changed).length > 0) this.#add(database, { k: 'read', t, changed });
  }

  written({ t, site, writes }: Parameters<TwowayObserver['written']>[0]): void {
    const database = siteNumber(site);
    const alive = new Set(this.#alive.get(database));
    const parts = writes.flatMap((write) => partOf(write, alive));
    if (parts.length === 0) return;
    const write = numberOf(writes) ?? this.#ownNumber(database);
    this.#add(database, { k: 'write', t, step: 0, write, operation: 'update', parts });
    this.#add(database, { k: 'outcome', t, write, isDone: true });
  }

  ended(event: Parameters<TwowayObserver['ended']>[0]): void {
    this.#end = event;
  }

  /** Null when nothing can be said: nothing was written, or other writes have the same values. */
  evidence(): Evidence | null {
    const writes = this.#plan.actions.filter((action) => action.kind === 'write');
    const isAny = [...this.#histories.values()].some((history) => history.length > 0);
    const end = this.#end;
    if (end === null || !isAny || !isStamped(writes)) return null;
    const server = textOf(end.server);
    const comparisons = this.#plan.sites.map((site): Comparison => {
      const here = textOf(end.sites.get(site) ?? new Map());
      const differences = here === server ? [] : [`${here} here, ${server} there`];
      return { database: siteNumber(site), rows: 0, digests: [server, here], differences };
    });
    return {
      run: runOf(this.#plan, end),
      ...{ steps: [], troubles: [], leaks: [], histories: this.#histories },
      final: {
        ...{ comparisons, owners: {}, treasures: {} },
        shown: Object.fromEntries(shownOf(end.server)),
      },
    };
  }

  /** Of a transaction that leaves no value behind. */
  #ownNumber(database: number): number {
    this.#unnamed += 1;
    return database * WRITES_PER_SITE + FIRST_UNNAMED + this.#unnamed;
  }

  #add(database: number, line: HistoryLine): void {
    this.#histories.get(database)?.push(line);
  }
}

function runOf(
  { seed, sites }: TwowayPlan,
  { t, isAtRest }: { readonly t: number; readonly isAtRest: boolean },
): Evidence['run'] {
  return {
    ...{ format: 1, id: `seed-${seed}`, seed, startedAt: '', versions: {}, table: null, bug: null },
    ...{ options: { workload: 'mixed' }, databases: sites.length, iterations: 0, rows: 0 },
    faults: [],
    end: {
      ...{ reason: null, durationMs: t, settleMs: null, finished: sites.map(siteNumber) },
      how: isAtRest ? 'quiet' : 'stuck',
    },
  };
}

/** Each value tells the transaction that wrote it, and no other one has its number. */
function isStamped(actions: readonly WriteAction[]): boolean {
  const numbers = new Set<number>();
  for (const { writes } of actions) {
    const puts = writes.filter(({ kind }) => kind !== 'delete');
    const number = numberOf(writes);
    if (number === null) continue;
    if (puts.some(({ a, b }) => writeOf(a) !== number || Number(b) !== number)) return false;
    if (number === NOBODY || numbers.has(number)) return false;
    numbers.add(number);
  }
  return true;
}

/** Of a transaction; null when it only deletes. */
function numberOf(writes: readonly Write[]): number | null {
  const put = writes.find(({ kind }) => kind !== 'delete');
  return put === undefined ? null : writeOf(put.a);
}

/** Nothing when there is nothing to delete. */
function partOf({ kind, key }: Write, alive: Set<string>): readonly Part[] {
  const [batch, place] = placeOf(key);
  const rows = { [batch]: [[place, place] as const] };
  const isThere = alive.has(key);
  if (kind === 'delete') {
    return alive.delete(key) ? [{ kind: 'delete', columns: [], rows }] : [];
  }
  alive.add(key);
  const isUpdate = kind === 'put' && isThere;
  return [{ kind: isUpdate ? 'update' : 'insert', columns: isUpdate ? COLUMNS : [], rows }];
}

function shownOf(rows: SeenRows): Shown {
  const gathering = new Gathering();
  for (const [key, { columns }] of aliveIn(rows)) {
    const number = Number(columns.get('b')?.value ?? NOBODY);
    gathering.add(key, writeOf(columns.get('a')?.value), number);
  }
  return gathering.shown;
}

function aliveIn(rows: SeenRows): readonly (readonly [string, RowState])[] {
  return [...rows].filter(([, state]) => isAlive(state));
}

function textOf(rows: SeenRows): string {
  const texts = aliveIn(rows).map(([key, { columns }]) => {
    return `${key}: ${columns.get('a')?.value} ${columns.get('b')?.value}`;
  });
  return texts.sort().join(', ') || 'nothing';
}
