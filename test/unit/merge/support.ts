/** Histories of one row, written at several places that see parts of each other's changes. */
import fc from 'fast-check';
import type { Cell } from '../../../src/core/value.ts';
import { deleteChange, insertChange, updateChange } from '../../../src/merge/local-change.ts';
import { merge, type RowState, UNKNOWN_ROW } from '../../../src/merge/row-state.ts';

export const COLUMNS = ['a', 'b', 'c'] as const;

/** Few values of every type, so that equal and unequal ones of equal version meet often. */
export const cells: fc.Arbitrary<Cell> = fc.oneof(
  fc.constantFrom<Cell>(null, 0, -0, 1, 1.5, -1, 1e300, Number.NaN, Infinity, -Infinity),
  fc.constantFrom<Cell>(9007199254740992, 9007199254740993n, -9007199254740993n, 2n ** 63n - 1n),
  fc.constantFrom<Cell>('', '1', 'NaN', 'a', 'b', 'é', '\uffff', '\u{10000}'),
  fc.constantFrom<Cell>(new Uint8Array(), new Uint8Array([0]), new Uint8Array([0, 255])),
);

export const row: fc.Arbitrary<ReadonlyMap<string, Cell>> = fc
  .tuple(cells, cells, cells)
  .map((values) => new Map(COLUMNS.map((name, index) => [name, values[index] ?? null])));

type Step = {
  readonly place: number;
  readonly kind: 'insert' | 'update' | 'delete';
  readonly values: ReadonlyMap<string, Cell>;
  /** Columns that an update writes. */
  readonly written: readonly string[];
  /** The place whose changes the writer takes over first. */
  readonly sees: number;
};

const PLACES = 3;

const step: fc.Arbitrary<Step> = fc.record({
  place: fc.nat(PLACES - 1),
  kind: fc.constantFrom('insert', 'update', 'delete'),
  values: row,
  written: fc.subarray([...COLUMNS], { minLength: 1 }),
  sees: fc.nat(PLACES - 1),
});

/** A change and the places in the list of the changes that its writer had seen. */
export type Written = { readonly change: RowState; readonly after: ReadonlySet<number> };

/** Changes as they come about when places write offline and meet now and then. */
export const histories: fc.Arbitrary<readonly Written[]> = fc
  .array(step, { maxLength: 12 })
  .map(play);

function play(steps: readonly Step[]): readonly Written[] {
  const places = Array.from({ length: PLACES }, () => ({
    state: UNKNOWN_ROW,
    seen: new Set<number>(),
  }));
  const written: Written[] = [];
  for (const { place, kind, values, written: names, sees } of steps) {
    const [own, other] = [places[place], places[sees]];
    if (own === undefined || other === undefined) continue;
    own.state = merge(own.state, other.state);
    own.seen = new Set([...own.seen, ...other.seen]);
    const change = changeOf(
      own.state,
      kind,
      new Map([...values].filter(([n]) => names.includes(n))),
      values,
    );
    if (change === null) continue;
    written.push({ change, after: new Set(own.seen) });
    own.seen.add(written.length - 1);
    own.state = merge(own.state, change);
  }
  return written;
}

function changeOf(
  state: RowState,
  kind: Step['kind'],
  some: ReadonlyMap<string, Cell>,
  all: ReadonlyMap<string, Cell>,
): RowState | null {
  if (kind === 'insert') return insertChange(state, all);
  return kind === 'update' ? updateChange(state, some) : deleteChange(state);
}

export function mergeAll(changes: readonly RowState[]): RowState {
  return changes.reduce(merge, UNKNOWN_ROW);
}

/** A form in which two states are equal exactly when they store the same. */
export function shown(state: RowState): unknown {
  const columns = [...state.columns].sort(([a], [b]) => (a < b ? -1 : 1));
  return [state.cl, columns.map(([name, { version, value }]) => [name, version, cellText(value)])];
}

function cellText(cell: Cell): string {
  if (cell instanceof Uint8Array) return `x'${Buffer.from(cell).toString('hex')}'`;
  if (typeof cell === 'string') return JSON.stringify(cell);
  return Object.is(cell, -0) ? '-0' : String(cell);
}
