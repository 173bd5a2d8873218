/** Patches of views. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { applyPatch, type JsonObject, patchOf } from '../../../src/protocol/merge-patch.ts';

/** Objects as views have them: without nulls. */
const VIEW: fc.Arbitrary<JsonObject> = fc.letrec<{ view: JsonObject }>((tie) => ({
  view: fc.dictionary(
    fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor', '1'),
    fc.oneof(
      { depthSize: 'small' },
      fc.integer({ min: 0, max: 3 }),
      fc.constantFrom('', 'text'),
      fc.array(fc.integer({ min: 0, max: 1 }), { maxLength: 2 }),
      tie('view'),
    ),
    { maxKeys: 4 },
  ) as fc.Arbitrary<JsonObject>,
})).view;

const asText = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test('a patch turns the first view into the second, also after it went over the wire', () => {
  fc.assert(
    fc.property(VIEW, VIEW, (before, after) => {
      const patch = patchOf(before, after);
      const there = patch === null ? before : applyPatch(before, asText(patch) as JsonObject);
      const sorted = (value: JsonObject): unknown => asText(sort(value));
      expect(sorted(there)).toEqual(sorted(after));
    }),
  );
});

test('equal views have no patch, and a patch holds only what changed', () => {
  expect(patchOf({ a: { b: 1 } }, { a: { b: 1 } })).toBeNull();
  expect(patchOf({ a: { b: 1, c: 2 }, d: [1] }, { a: { b: 1, c: 3 }, d: [1] })).toEqual({
    a: { c: 3 },
  });
  expect(patchOf({ a: 1, b: 2 }, { b: 2 })).toEqual({ a: null });
});

test('a field named __proto__ is a field', () => {
  const after = JSON.parse('{"__proto__": {"x": 1}}') as JsonObject;
  const there = applyPatch({}, patchOf({}, after) ?? {});
  expect(Object.hasOwn(there, '__proto__')).toBe(true);
  expect(({} as { x?: number }).x).toBeUndefined();
});

function sort(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return entries.map(([name, inner]) => [name, sort(inner)]);
}
