import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chartOf, drawnOf, viewOf, within, zoomed } from '../../../src/dashboard/runs/chart.ts';
import { testRow } from '../report/rows.ts';

const WHOLE = { from: 1000, to: 101_000 };

test('the view is the one of the address, inside of the run; without one it is the whole run', () => {
  const of = (text: string) => viewOf(WHOLE, new URLSearchParams(text));
  expect(of('')).toEqual(WHOLE);
  expect(of('from=10000&to=20000')).toEqual({ from: 11_000, to: 21_000 });
  expect(of('from=-5&to=1e9')).toEqual(WHOLE);
  expect(of('from=x&to=20000')).toEqual({ from: 1000, to: 21_000 });
});

test('a view never leaves the run, however far one moves or looks closer', () => {
  const time = fc.integer({ min: -1_000_000, max: 1_000_000 });
  fc.assert(
    fc.property(time, time, fc.constantFrom(0.5, 2), (a, b, by) => {
      const view = within(WHOLE, zoomed({ from: Math.min(a, b), to: Math.max(a, b) }, by, a));
      expect(view.from).toBeGreaterThanOrEqual(WHOLE.from);
      expect(view.to).toBeLessThanOrEqual(WHOLE.to);
      expect(view.to).toBeGreaterThan(view.from);
    }),
  );
});

test('of very many executions the longest are drawn, and those of the critical path', () => {
  const rows = Array.from({ length: 4000 }, (_, at) =>
    testRow(`t${at}`, { id: at, startedAt: at * 10, endedAt: at * 10 + 1 + (at % 7) }),
  );
  const chart = chartOf(rows, { events: [], lag: [] }, 0);
  const drawn = drawnOf(chart, chart.whole, new Set([7, 14]));
  expect(drawn.size).toBe(1500);
  expect(drawn.has(7) && drawn.has(14)).toBe(true);
  expect(drawn.has(6)).toBe(true);
});
