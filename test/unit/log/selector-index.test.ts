import { expect, test } from 'vitest';
import { SelectorIndex } from '../../../src/log/selector-index.ts';
import { newGroup } from './groups.ts';

function headOf(seq: number, selectors: readonly string[], hasAll = false) {
  return { ...newGroup(100 + seq, { selectors, hasAll }).head, seq };
}

test('a merged group takes the places of its members, for every selector of any of them', () => {
  const index = new SelectorIndex();
  const heads = [['FR'], ['DE'], ['FR', 'IT'], ['FR'], []].map((some, at) =>
    headOf(at + 1, some, at === 1),
  );
  for (const head of heads) index.add(head);
  index.merge(1, headOf(3, ['FR', 'DE', 'IT'], true));
  expect(index.next(['FR'], 0)).toBe(3);
  expect(index.next(['DE'], 2)).toBe(3);
  expect(index.next([], 0)).toBe(3);
  expect(index.next(['FR'], 3)).toBe(4);
  index.drop(3);
  expect(index.next(['DE', 'IT'], 0)).toBe(Number.POSITIVE_INFINITY);
  expect(index.next(['FR'], 0)).toBe(4);
});
