import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { EventRow } from '../../../src/planner/rows.ts';
import { faultsDuring, faultsOf, faultWords } from '../../../src/report/faults.ts';
import { boundsOf, lanesOf, piecesOf, usesOf } from '../../../src/report/time-line.ts';
import { testRow } from './rows.ts';

function event(part: Partial<EventRow>): EventRow {
  return {
    ...{ seq: 1, area: 'a', at: 0, kind: 'fault', runId: 1, testId: 1, old: null, new: null },
    ...{ actor: 'me', cause: '', isForced: false, ...part },
  };
}

const anyRows = fc
  .array(fc.tuple(fc.nat(200), fc.nat(40), fc.constantFrom('h1', 'h2')), {
    ...{ minLength: 1, maxLength: 40 },
  })
  .map((parts) =>
    parts.map(([startedAt, ms, host], id) =>
      testRow(`t${id}`, { id, startedAt, endedAt: startedAt + ms, host }),
    ),
  );

describe('lanes', () => {
  test('have every piece once, without overlap, and no more slots than ran at once', () => {
    fc.assert(
      fc.property(anyRows, (rows) => {
        const pieces = piecesOf(rows, [], 0);
        const lanes = lanesOf(pieces);
        expect(lanes.flatMap((lane) => lane.pieces.map(({ id }) => id)).sort()).toEqual(
          rows.map(({ id }) => id).sort(),
        );
        for (const lane of lanes) {
          for (const [at, piece] of lane.pieces.entries())
            expect(piece.from).toBeGreaterThanOrEqual(lane.pieces[at - 1]?.to ?? 0);
        }
        for (const { host, slots } of usesOf(pieces, lanes)) {
          const own = pieces.filter(({ row }) => row.host === host);
          const atOnce = own.map(
            ({ from }) => own.filter((one) => one.from <= from && one.to > from).length,
          );
          // A piece without length takes a slot too, where all others are taken.
          expect(slots).toBeGreaterThanOrEqual(Math.max(...atOnce));
          expect(slots).toBeLessThanOrEqual(Math.max(...atOnce) + 1);
        }
      }),
    );
  });

  test('say how long nothing ran', () => {
    const rows = [
      testRow('a', { id: 1, startedAt: 0, endedAt: 10, host: 'h' }),
      testRow('b', { id: 2, startedAt: 5, endedAt: 20, host: 'h' }),
      testRow('c', { id: 3, startedAt: 50, endedAt: null, host: 'h' }),
      testRow('d', { id: 4, startedAt: null, endedAt: null }),
    ];
    const pieces = piecesOf(rows, [], 60);
    expect(usesOf(pieces, lanesOf(pieces))).toEqual([
      { host: 'h', slots: 2, busyMs: 35, idle: [{ from: 20, to: 50 }], idleMs: 30 },
    ]);
    expect(boundsOf(pieces)).toEqual({ from: 0, to: 60 });
  });
});

test('who waited for a whole test waited for the item of it that ended last before then', () => {
  const rows = [
    testRow('a', { id: 1, isToplevel: true, startedAt: null }),
    testRow('a/1', { id: 2, startedAt: 0, endedAt: 10 }),
    testRow('a/2', { id: 3, startedAt: 0, endedAt: 20 }),
    testRow('a/3', { id: 4, startedAt: 90, endedAt: 95 }),
    testRow('b', { id: 5, startedAt: 30, endedAt: 40 }),
  ];
  const waits = [
    event({ kind: 'wait', testId: 5, new: '4' }),
    event({ kind: 'wait', testId: 5, new: '1 2' }),
  ];
  expect(piecesOf(rows, waits, 0).find(({ id }) => id === 5)?.after).toEqual([3, 2]);
});

describe('faults', () => {
  const faults = faultsOf([
    event({ at: 100, new: 'kill-server' }),
    event({ at: 110, new: 'cut (receiver-1)' }),
    event({ at: 120, old: 'kill-server', new: 'kill-server', cause: 'the server came again' }),
    event({ at: 130, old: 'kill-server' }),
    event({ at: 200, new: 'kill-server' }),
    event({ at: 210, kind: 'lag', new: '6000 ms' }),
  ]);

  test('have a beginning, an end if it was told, and what was seen of them', () => {
    expect(faults).toEqual([
      {
        ...{ name: 'kill-server', testId: 1, from: 100, to: 130 },
        effects: ['the server came again'],
      },
      { name: 'cut (receiver-1)', testId: 1, from: 110, to: null, effects: [] },
      { name: 'kill-server', testId: 1, from: 200, to: null, effects: [] },
    ]);
    expect(faultWords(faults)).toBe('kill-server 2 times, cut (receiver-1)');
  });

  test('meet whoever runs meanwhile', () => {
    const names = (startedAt: number | null, endedAt: number | null) =>
      faultsDuring(faults, { startedAt, endedAt }).map(({ from }) => from);
    expect(names(125, 150)).toEqual([100]);
    expect(names(0, 99)).toEqual([]);
    expect(names(150, null)).toEqual([200]);
    expect(names(null, null)).toEqual([]);
  });
});
