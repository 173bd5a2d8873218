/**
 * One view that is kept by delta: the statements that bring its state up to date when an input changes. They read the
 * input's `delta_N`, and the inputs' rows as they are after that change.
 */
import type { Plan } from '../../sql/plan.ts';
import type { Stored } from '../../sql/storage.ts';
import type { ItemId } from '../../sql/types.ts';
import { prepareArrays, type SqlStatement } from '../sql.ts';
import type { CellDelta } from './collection.ts';
import type { CollectionStore } from './collection-store.ts';
import { columnList, deltaTable, liveTable } from './collection-table.ts';
import { GroupState } from './group-state.ts';
import type { KeptPlan } from './kept-plan.ts';
import { carrying, leafId, pick, range, type Term } from './linear-plan.ts';
import { planSql } from './plan-sql.ts';

/** What stands for a leaf: its rows as they are now, or its changes. */
type LeafSource = 'live' | 'delta';

export type KeptViewInit = {
  readonly id: ItemId;
  readonly kept: KeptPlan;
  /** The collections that the items of the plan's leaves are. */
  readonly collectionOf: (item: ItemId) => ItemId;
};

export class KeptView {
  readonly id: ItemId;
  readonly kept: KeptPlan;
  /** The collections that it reads, each once. */
  readonly inputs: readonly ItemId[];
  readonly #store: CollectionStore;
  readonly #collectionOf: (item: ItemId) => ItemId;
  readonly #byInput = new Map<ItemId, readonly SqlStatement[]>();

  constructor(store: CollectionStore, { id, kept, collectionOf }: KeptViewInit) {
    this.#store = store;
    this.id = id;
    this.kept = kept;
    this.#collectionOf = collectionOf;
    this.inputs = [...new Set(kept.terms.flatMap(({ leaves }) => leaves.map(collectionOf)))];
  }

  /** The collection that a leaf of one of its terms is. */
  inputOf({ leaves }: Term, leaf: number): ItemId | null {
    const item = leaves[leaf];
    return item === undefined ? null : this.#collectionOf(item);
  }

  /** Puts everything that the inputs have now into the empty state, at a time. */
  fill(time: number): void {
    const all = this.kept.terms.map((term) =>
      this.#productSql(term, { sources: term.leaves.map(() => 'live'), sign: 1 }),
    );
    this.#run(time, this.#prepare(all.join(' UNION ALL ')));
  }

  /** An input has changed: its `delta_N` says how. */
  update(input: ItemId, time: number): void {
    const known = this.#byInput.get(input) ?? this.#prepare(this.#changeSql(input));
    this.#byInput.set(input, known);
    this.#run(time, known);
  }

  #prepare(rows: string): readonly SqlStatement[] {
    const state = this.#store.versioned(this.id);
    if (state instanceof GroupState) return state.prepareAdd(rows);
    const names = columnList(state.columns.length);
    const statement = prepareArrays(
      this.#store.sql,
      `SELECT ${names || '1'}, sum(w) FROM (${rows}) GROUP BY ${names || '1'} HAVING sum(w) <> 0`,
    );
    statement.setReadBigInts(true);
    return [statement];
  }

  #run(time: number, statements: readonly SqlStatement[]): void {
    const state = this.#store.versioned(this.id);
    if (state instanceof GroupState) {
      state.add(time, statements);
      return;
    }
    for (const statement of statements) this.#store.apply(this.id, time, deltasOf(statement));
  }

  /** The sum over all ways to take the input's leaves as changed, at least one of them: see `linear-plan.ts`. */
  #changeSql(input: ItemId): string {
    const products = this.kept.terms.flatMap((term) => {
      const own = term.leaves.flatMap((item, leaf) =>
        this.#collectionOf(item) === input ? [leaf] : [],
      );
      return subsets(own).map((changed) =>
        this.#productSql(term, {
          sources: term.leaves.map((_, leaf) => (changed.includes(leaf) ? 'delta' : 'live')),
          sign: changed.length % 2 === 1 ? 1 : -1,
        }),
      );
    });
    return products.join(' UNION ALL ');
  }

  /** A SELECT of one product: `c0`, ... of a bag, or `k0`, ..., `p0`, ..., `f0`, ... of groups, and `w`. */
  #productSql(
    { plan, leaves }: Term,
    { sources, sign }: { readonly sources: readonly LeafSource[]; readonly sign: 1 | -1 },
  ): string {
    const width = plan.columns.length;
    const { plan: carried, extra } = carrying(plan);
    const { names, plan: shown } = this.#shown(carried, width, extra);
    const weights = range(extra).map((index) => `w${index}`);
    const text = planSql(shown, (leaf) => this.#leafSql(leaf, leaves, sources));
    const product = [...(sign < 0 ? ['-1'] : []), ...weights].join(' * ');
    return `SELECT ${[...names, `${product} AS w`].join(', ')}
      FROM (WITH product (${[...names, ...weights].join(', ')}) AS (${text}) SELECT * FROM product)`;
  }

  /** What the state is made of, and the weights. */
  #shown(carried: Plan, width: number, extra: number): { names: readonly string[]; plan: Plan } {
    const { state } = this.kept;
    const weights = pick(carried.columns, range(extra, width));
    if (state.kind === 'bag') {
      return { names: range(width).map((index) => `c${index}`), plan: carried };
    }
    const named = [
      ...state.keys.map((expression, index) => ({ name: `k${index}`, expression })),
      ...state.aggregates.flatMap(({ arg, filter }, index) => [
        ...(arg === null ? [] : [{ name: `p${index}`, expression: arg }]),
        ...(filter === null ? [] : [{ name: `f${index}`, expression: filter }]),
      ]),
    ];
    const columns = named.map(({ name, expression: { type } }) => ({
      name,
      type,
      isNullable: true,
    }));
    return {
      names: named.map(({ name }) => name),
      plan: {
        kind: 'project',
        input: carried,
        columns: [...columns, ...weights.columns],
        expressions: [...named.map(({ expression }) => expression), ...weights.expressions],
      },
    };
  }

  #leafSql(leaf: ItemId, leaves: readonly ItemId[], sources: readonly LeafSource[]): string {
    const index = leaves.findIndex((_, one) => leafId(one) === leaf);
    const item = leaves[index] ?? leaf;
    const { number, columns } = this.#store.get(this.#collectionOf(item));
    const table = sources[index] === 'delta' ? deltaTable(number) : liveTable(number);
    const names = columnList(columns.length);
    return `SELECT ${names && `${names}, `}n AS c${columns.length} FROM ${table}`;
  }
}

function* deltasOf(statement: SqlStatement): Generator<CellDelta> {
  for (const cells of statement.iterate() as unknown as Iterable<readonly Stored[]>) {
    yield { row: cells.slice(0, -1), n: Number(cells.at(-1)) };
  }
}

/** All but the empty one. */
function subsets(all: readonly number[]): number[][] {
  return range(2 ** all.length - 1, 1).map((bits) =>
    all.filter((_, index) => (bits & (1 << index)) !== 0),
  );
}
