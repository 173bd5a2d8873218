import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Counts, countsOf, pairOf, recount, rollUp } from '../../../src/planner/rollup.ts';
import { STATES, type StatePair } from '../../../src/planner/rows.ts';

function rolled(...keys: string[]): string {
  const { state, status } = rollUp(countsOf(keys.map(pairOf)));
  return `${state}/${status}`;
}

const PASS = 'COMPLETED/PASS';
const SKIP = 'COMPLETED/SKIP';

describe('the toplevel of items', () => {
  test.each([
    [[PASS, PASS, SKIP], PASS],
    [[SKIP, SKIP], SKIP],
    [[PASS, 'COMPLETED/WARN', 'COMPLETED/FAIL'], 'COMPLETED/FAIL'],
    [[PASS, 'RUNNING/n/a', 'COMPLETED/FAIL'], 'RUNNING/FAIL'],
    [[PASS, 'NOT_STARTED/PREQ_FAIL'], 'COMPLETED/CHECK'],
    [[PASS, 'NOT_STARTED/n/a'], 'NOT_STARTED/CHECK'],
    [[PASS, 'KILLED/KILLED'], 'KILLED/KILLED'],
    [[PASS, 'INCOMPLETE/STUCK/DEAD'], 'INCOMPLETE/STUCK/DEAD'],
    [['COMPLETED/FAIL', 'COMPLETED/ABORT', 'COMPLETED/CHECK'], 'COMPLETED/ABORT'],
  ])('%j is %s, as in the table', (items, expected) => {
    expect(rolled(...items)).toBe(expected);
  });

  test.each([
    [[], 'NOT_STARTED/n/a'],
    [['NOT_STARTED/n/a', 'NOT_STARTED/KEEP_TRYING'], 'NOT_STARTED/n/a'],
    [['LAUNCHED/n/a', 'NOT_STARTED/n/a'], 'RUNNING/n/a'],
    [['COMPLETED/FAIL', 'KILLED/KILLED'], 'KILLED/KILLED'],
    [['COMPLETED/FAIL', 'INCOMPLETE/DEAD'], 'INCOMPLETE/DEAD'],
    [['COMPLETED/FAIL', 'INCOMPLETE/PASS'], 'INCOMPLETE/INCOMPLETE'],
    [['COMPLETED/ABORT', 'KILLED/KILLED'], 'KILLED/ABORT'],
    [['COMPLETED/FAIL', 'NOT_STARTED/PREQ_FAIL'], 'COMPLETED/FAIL'],
    [['KILLED/KILLED', 'NOT_STARTED/BLOCKED', PASS], 'KILLED/KILLED'],
    [['NOT_STARTED/n/a', 'NOT_STARTED/PREQ_FAIL', PASS], 'NOT_STARTED/CHECK'],
    [['NOT_STARTED/PREQ_FAIL', 'NOT_STARTED/PREQ_DISCARDED'], 'NOT_STARTED/PREQ_FAIL'],
    [['NOT_STARTED/PREQ_DISCARDED'], 'NOT_STARTED/PREQ_DISCARDED'],
    [[PASS, 'COMPLETED/odd text'], PASS],
    [['COMPLETED/odd text', 'COMPLETED/even text'], 'COMPLETED/even text'],
    [['ARCHIVED/PASS', 'ARCHIVED/FAIL'], 'ARCHIVED/FAIL'],
    [['ARCHIVED/PASS', 'COMPLETED/FAIL'], 'COMPLETED/FAIL'],
    [['DELETED/FAIL', PASS], PASS],
    [['DELETED/FAIL'], 'DELETED/FAIL'],
  ])('%j is %s, by the rules of ours', (items, expected) => {
    expect(rolled(...items)).toBe(expected);
  });

  const anyPair: fc.Arbitrary<StatePair> = fc.record({
    state: fc.constantFrom(...STATES),
    status: fc.constantFrom('n/a', 'PASS', 'FAIL', 'SKIP', 'KILLED', 'PREQ_FAIL', 'a/b', ''),
  });

  test('from kept counts is the one from all items, in whatever order they change', () => {
    const changes = fc.array(fc.tuple(fc.nat(7), fc.option(anyPair)), { maxLength: 60 });
    fc.assert(
      fc.property(changes, (list) => {
        const items = new Map<number, StatePair>();
        const counts: Counts = {};
        for (const [id, to] of list) {
          recount(counts, items.get(id) ?? null, to);
          if (to === null) items.delete(id);
          else items.set(id, to);
          expect(counts).toEqual(countsOf(items.values()));
          expect(rollUp(counts)).toEqual(rollUp(countsOf([...items.values()].reverse())));
        }
      }),
    );
  });

  test('never ends with a better verdict than a killed, dead or failed item has', () => {
    const bad = fc.constantFrom('KILLED/KILLED', 'INCOMPLETE/DEAD', 'COMPLETED/FAIL');
    fc.assert(
      fc.property(bad, fc.array(anyPair, { maxLength: 9 }), (key, others) => {
        const { state, status } = rollUp(countsOf([pairOf(key), ...others]));
        if (state === 'NOT_STARTED') expect(status).toBe('CHECK');
        else expect(['PASS', 'WARN', 'SKIP', 'CHECK', 'WAIVED', 'n/a']).not.toContain(status);
      }),
    );
  });
});
