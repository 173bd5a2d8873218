import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Cell } from '../../../src/core/value.ts';
import { deleteChange, insertChange, updateChange } from '../../../src/merge/local-change.ts';
import {
  deadRow,
  isAlive,
  merge,
  type RowState,
  UNKNOWN_ROW,
} from '../../../src/merge/row-state.ts';
import { COLUMNS, cells, histories, mergeAll, row, shown, type Written } from './support.ts';

const RUNS = { numRuns: 500 };

function values(a: Cell, b: Cell = null, c: Cell = null): ReadonlyMap<string, Cell> {
  return new Map([
    ['a', a],
    ['b', b],
    ['c', c],
  ]);
}

function changed(state: RowState, a: Cell): RowState {
  return updateChange(state, new Map([['a', a]])) ?? state;
}

function ended(state: RowState): RowState {
  return deleteChange(state) ?? state;
}

function valueIn(state: RowState, name: string): Cell | undefined {
  return state.columns.get(name)?.value;
}

const changesOf = (history: readonly Written[]): RowState[] => history.map(({ change }) => change);

describe('P12', () => {
  test('P12: any order of the same changes gives the same row', () => {
    const orders = histories.chain((history) => {
      const changes = changesOf(history);
      return fc.tuple(
        fc.constant(changes),
        fc.shuffledSubarray(changes, { minLength: changes.length }),
      );
    });
    fc.assert(
      fc.property(orders, ([changes, shuffled]) => {
        expect(shown(mergeAll(shuffled))).toEqual(shown(mergeAll(changes)));
      }),
      RUNS,
    );
  });

  test('P12: changes may be merged among themselves first, in any groups', () => {
    fc.assert(
      fc.property(histories, fc.array(fc.nat(3)), (history, cuts) => {
        const changes = changesOf(history);
        const groups: RowState[][] = [[], [], [], []];
        changes.forEach((change, index) => {
          groups[cuts[index] ?? 0]?.push(change);
        });
        expect(shown(mergeAll(groups.map(mergeAll)))).toEqual(shown(mergeAll(changes)));
      }),
      RUNS,
    );
  });

  test('P12: a change that arrives again changes nothing', () => {
    fc.assert(
      fc.property(histories, fc.array(fc.nat()), (history, repeats) => {
        const changes = changesOf(history);
        const again = repeats.flatMap((at) => changes.slice(at % (changes.length + 1)).slice(0, 1));
        const state = mergeAll(changes);
        for (const change of again) expect(merge(state, change)).toBe(state);
        expect(shown(mergeAll([...changes, ...again]))).toEqual(shown(state));
      }),
      RUNS,
    );
  });

  test('P12: two places that got the same changes, each after what its writer had seen, are equal', () => {
    fc.assert(
      fc.property(histories, fc.infiniteStream(fc.nat()), fc.nat(12), (history, picks, count) => {
        const order = causalOrder(history, picks).slice(0, count);
        const forwards = order.map((at) => history[at]?.change ?? UNKNOWN_ROW);
        const sorted = [...order].sort((a, b) => a - b);
        const written = sorted.map((at) => history[at]?.change ?? UNKNOWN_ROW);
        expect(shown(mergeAll(forwards))).toEqual(shown(mergeAll(written)));
        const state = mergeAll(forwards);
        if (isAlive(state)) expect([...state.columns.keys()].sort()).toEqual([...COLUMNS]);
      }),
      RUNS,
    );
  });

  test('P12: any two and three states merge alike from either side, also such as nobody would write', () => {
    fc.assert(
      fc.property(anyState, anyState, anyState, (a, b, c) => {
        expect(shown(merge(a, b))).toEqual(shown(merge(b, a)));
        expect(shown(merge(a, merge(b, c)))).toEqual(shown(merge(merge(a, b), c)));
        expect(merge(a, a)).toBe(a);
      }),
      RUNS,
    );
  });
});

const anyState: fc.Arbitrary<RowState> = fc
  .tuple(
    fc.nat(4),
    fc.dictionary(fc.constantFrom(...COLUMNS), fc.tuple(fc.integer({ min: 1, max: 3 }), cells)),
  )
  .map(([cl, columns]) => {
    const states = Object.entries(columns).map(
      ([name, [version, value]]) => [name, { version, value }] as const,
    );
    return cl % 2 === 1 ? { cl, columns: new Map(states) } : deadRow(cl);
  });

/** Places of the changes, so that each stands behind those that its writer had seen. */
function causalOrder(history: readonly Written[], picks: fc.Stream<number>): number[] {
  const order: number[] = [];
  while (order.length < history.length) {
    const ready = history.flatMap(({ after }, at) =>
      !order.includes(at) && [...after].every((one) => order.includes(one)) ? [at] : [],
    );
    const pick = picks.next().value ?? 0;
    order.push(ready[pick % ready.length] ?? 0);
  }
  return order;
}

describe('P13', () => {
  const first = insertChange(UNKNOWN_ROW, values('old', 'b'));

  test('P13: a delete beats an update of the same life that did not see it', () => {
    const state = merge(merge(first, ended(first)), changed(first, 'new'));
    expect(shown(state)).toEqual(shown(deadRow(2)));
  });

  test('P13: a row inserted again beats the delete and the updates of its former life', () => {
    const dead = merge(first, ended(first));
    const again = insertChange(dead, values('again'));
    const state = mergeAll([changed(first, 'late'), again, ended(first), first]);
    expect(shown(state)).toEqual(shown(again));
    expect(again.cl).toBe(3);
  });

  test('P13: two deletes are one, and a delete after an insert again ends the new life too', () => {
    expect(shown(merge(ended(first), ended(first)))).toEqual(shown(deadRow(2)));
    const again = insertChange(deadRow(2), values('again'));
    expect(shown(mergeAll([ended(first), ended(again), again]))).toEqual(shown(deadRow(4)));
  });

  test('P13: a row that is replaced begins a new life, and updates of the old one are lost', () => {
    const replaced = insertChange(first, values('replaced'));
    const state = mergeAll([first, changed(changed(first, 'x'), 'y'), replaced]);
    expect(shown(state)).toEqual(shown(replaced));
    expect(replaced.cl).toBe(3);
  });

  test('P13: a key that two places change to different keys ends once and lives at both', () => {
    const rows = new Map([['old', first]]);
    const moves = ['left', 'right'].flatMap((key) => [
      { key: 'old', change: ended(first) },
      { key, change: insertChange(UNKNOWN_ROW, values(key)) },
    ]);
    for (const { key, change } of [...moves, ...moves].reverse())
      rows.set(key, merge(rows.get(key) ?? UNKNOWN_ROW, change));
    const alive = [...rows].filter(([, state]) => isAlive(state)).map(([key]) => key);
    expect(alive.sort()).toEqual(['left', 'right']);
    expect(rows.get('old')).toEqual(deadRow(2));
  });

  test('P13: two inserts of one key merge by column', () => {
    const left = insertChange(UNKNOWN_ROW, values('x', 1, null));
    const right = insertChange(UNKNOWN_ROW, values('y', null, null));
    const state = merge(left, right);
    expect(COLUMNS.map((name) => valueIn(state, name))).toEqual(['y', 1, null]);
  });
});

describe('P14', () => {
  test('P14: a write that saw another one wins, whatever its value', () => {
    fc.assert(
      fc.property(row, cells, cells, (start, first, second) => {
        const state = insertChange(UNKNOWN_ROW, start);
        const seen = merge(state, changed(state, first));
        const final = merge(seen, changed(seen, second));
        expect(shown(merge(final, seen))).toEqual(shown(final));
        const written = valueIn(final, 'a') ?? null;
        expect(Object.is(written, second) || written === second).toBe(true);
      }),
      RUNS,
    );
  });

  test('P14: of two writes that did not see each other the one with more versions wins, then the greater value', () => {
    const start = insertChange(UNKNOWN_ROW, values('start'));
    const twice = changed(merge(start, changed(start, 'z')), 'a');
    expect(valueIn(mergeAll([start, twice, changed(start, 'zz')]), 'a')).toBe('a');
    expect(valueIn(mergeAll([start, changed(start, 'x'), changed(start, 'y')]), 'a')).toBe('y');
  });

  test('P14: the source of the merge reads no clock and knows no site', () => {
    // The folder is pure (tidy.test.ts); a change has no field that could hold either.
    const change = insertChange(UNKNOWN_ROW, values(1));
    expect(Object.keys(change).sort()).toEqual(['cl', 'columns']);
    expect(Object.keys(change.columns.get('a') ?? {}).sort()).toEqual(['value', 'version']);
  });
});

describe('local changes', () => {
  test('an update has the columns that differ, each one version higher, and nothing else', () => {
    const state = insertChange(UNKNOWN_ROW, values(1, 'b', null));
    const change = updateChange(
      state,
      new Map<string, Cell>([
        ['a', 1n],
        ['b', 'c'],
        ['c', null],
      ]),
    );
    expect(shown(change ?? UNKNOWN_ROW)).toEqual([1, [['b', 2, '"c"']]]);
    expect(updateChange(state, new Map([['a', 1]]))).toBeNull();
    expect(updateChange(deadRow(2), new Map([['a', 1]]))).toBeNull();
  });

  test('a delete of a row that is not alive is no change', () => {
    expect(deleteChange(UNKNOWN_ROW)).toBeNull();
    expect(deleteChange(deadRow(2))).toBeNull();
  });

  test('every change that is written shows at its writer', () => {
    fc.assert(
      fc.property(histories, (history) => {
        for (const { change, after } of history) {
          const before = mergeAll([...after].map((at) => history[at]?.change ?? UNKNOWN_ROW));
          const state = merge(before, change);
          expect(state).not.toBe(before);
          for (const [name, column] of change.columns) expect(state.columns.get(name)).toBe(column);
        }
      }),
      RUNS,
    );
  });
});
