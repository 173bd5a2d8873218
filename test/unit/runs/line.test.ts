/** What a time line is drawn from. */
import { describe, expect, onTestFinished, test } from 'vitest';
import type { RunWrite } from '../../../src/planner/run-store.ts';
import { openHome } from '../../../src/runs/database/home.ts';
import { runBed, seedRun, tempDir } from '../../support/run-bed.ts';
import { until } from '../../support/stack.ts';

function note(
  event: Partial<Extract<RunWrite, { kind: 'note' }>['event']>,
): Extract<RunWrite, { kind: 'note' }> {
  const none = { runId: null, testId: null, old: null, new: null, cause: '' };
  return { kind: 'note', event: { kind: 'fault', ...none, ...event } };
}

describe('the question for a time line', () => {
  test('finds the waits of the run, and faults of every run in its time', () => {
    const { store } = runBed();
    const { runId, ids } = seedRun(store, ['a', 'b']);
    const [a = 0, b = 0] = ids;
    store.write({
      actor: 'me',
      writes: [
        note({ kind: 'wait', runId, testId: b, new: `${a}` }),
        note({ kind: 'wait', runId: runId + 1, testId: 99, new: '98' }),
        note({ at: 999_000, new: 'too early' }),
        note({ at: 1_000_500, runId, testId: a, new: 'kill-server' }),
        note({ at: 1_000_700, kind: 'lag', new: '6000 ms' }),
        note({ at: 1_002_000, new: 'too late' }),
      ],
    });
    const { events = [] } = store.read({
      kind: 'line',
      runId,
      since: 0,
      from: 1_000_000,
      to: 1_001_000,
    });
    expect(events.map(({ kind, at, testId, new: now }) => [kind, at, testId, now])).toEqual([
      ['wait', 1_000_000, b, `${a}`],
      ['fault', 1_000_500, a, 'kill-server'],
      ['lag', 1_000_700, null, '6000 ms'],
    ]);
  });

  test('finds the lag of the time, the highest of each slice, for a day', () => {
    const { store } = runBed();
    const day = 86_400_000;
    store.noteLag({ at: 1000, ageMs: 5 });
    for (const [at, ageMs] of [
      [0, 10],
      [1, 30],
      [2, 20],
      [6000, 40],
    ] as const)
      store.noteLag({ at: day + 2000 + at, ageMs });
    const lagOf = (from: number, to: number) =>
      store.read({ kind: 'line', runId: 1, since: 0, from, to }).lag;
    expect(lagOf(0, day)).toEqual([]);
    expect(lagOf(day, day + 6_000_000)?.map(({ ageMs }) => ageMs)).toEqual([40]);
    expect(lagOf(day, day + 600)).toEqual([]);
    expect(lagOf(day + 2000, day + 2600)?.map(({ ageMs }) => ageMs)).toEqual([10, 30, 20]);
  });
});

test('the syncer keeps how late it was, so that a page which is opened later can show it', async () => {
  const dir = tempDir();
  const home = await openHome({ area: `${dir}/area`, tempDir: `${dir}/tmp`, hostId: 'h1' });
  onTestFinished(() => home.close());
  const before = Date.now();
  seedRun(home.store, ['a']);
  await home.syncer.carried(20_000);
  const samples = () =>
    home.store.read({ kind: 'line', runId: 1, since: 0, from: before - 1000, to: Date.now() })
      .lag ?? [];
  await until('the lag is there', () => samples().length > 0, 20_000);
  expect(samples().every(({ ageMs }) => ageMs >= 0 && ageMs < 60_000)).toBe(true);
});
