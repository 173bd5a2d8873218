import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { criticalPath, type Span } from '../../../src/report/critical-path.ts';

/** A job of a random run: how long it takes, and which earlier ones it waits for. */
type Job = { readonly ms: number; readonly after: readonly number[] };

const RUNS = { numRuns: 300 };

const anyJobs: fc.Arbitrary<readonly Job[]> = fc
  .array(fc.tuple(fc.nat(50), fc.array(fc.nat(1000), { maxLength: 3 })), {
    minLength: 1,
    maxLength: 30,
  })
  .map((jobs) =>
    jobs.map(([ms, picks], at) => ({
      ms,
      after: at === 0 ? [] : [...new Set(picks.map((pick) => pick % at))],
    })),
  );

/** Starts each job as soon as its prerequisites have ended and a slot is free, in order of readiness. */
function simulate(jobs: readonly Job[], slots: number): readonly Span[] {
  const spans = new Map<number, Span>();
  const running: Span[] = [];
  let now = 0;
  while (spans.size < jobs.length || running.length > 0) {
    for (const [id, { ms, after }] of jobs.entries()) {
      const isReady = after.every((one) => (spans.get(one)?.to ?? Number.MAX_VALUE) <= now);
      if (spans.has(id) || !isReady || running.length >= slots) continue;
      const span = { id, from: now, to: now + ms, after };
      spans.set(id, span);
      if (ms > 0) running.push(span);
    }
    const isMore = jobs.some(
      ({ after }, id) =>
        !spans.has(id) && after.every((one) => (spans.get(one)?.to ?? Number.MAX_VALUE) <= now),
    );
    if (isMore && running.length < slots) continue;
    now = Math.min(...running.map(({ to }) => to));
    for (const done of running.filter(({ to }) => to <= now))
      running.splice(running.indexOf(done), 1);
  }
  return [...spans.values()];
}

function lengthOf(spans: readonly Span[], ids: readonly number[]): number {
  return ids.reduce((sum, id) => {
    const span = spans.find((one) => one.id === id);
    return sum + (span === undefined ? 0 : span.to - span.from);
  }, 0);
}

function endOf(spans: readonly Span[]): number {
  return Math.max(...spans.map(({ to }) => to));
}

/** The longest chain by trying all. */
function longest(jobs: readonly Job[]): number {
  const ends: number[] = [];
  for (const { ms, after } of jobs)
    ends.push(Math.max(0, ...after.map((one) => ends[one] ?? 0)) + ms);
  return Math.max(...ends);
}

describe('the critical path', () => {
  test('of nothing is nothing', () => {
    expect(criticalPath([])).toEqual([]);
  });

  test('is the longest chain of prerequisites when there is room for everything', () => {
    fc.assert(
      fc.property(anyJobs, (jobs) => {
        const spans = simulate(jobs, Number.MAX_VALUE);
        const path = criticalPath(spans, 0);
        expect(
          lengthOf(
            spans,
            path.map(({ id }) => id),
          ),
        ).toBe(longest(jobs));
        expect(endOf(spans)).toBe(longest(jobs));
      }),
      RUNS,
    );
  });

  test('explains every moment of a run with few slots', () => {
    fc.assert(
      fc.property(anyJobs, fc.integer({ min: 1, max: 4 }), (jobs, slots) => {
        const spans = simulate(jobs, slots);
        const path = criticalPath(spans, 0);
        expect(
          lengthOf(
            spans,
            path.map(({ id }) => id),
          ),
        ).toBe(endOf(spans));
        expect(path.map(({ waitedMs }) => waitedMs)).toEqual(path.map(() => 0));
      }),
      RUNS,
    );
  });

  test('is what a run with room for everything has to shorten to end earlier', () => {
    fc.assert(
      fc.property(anyJobs, fc.nat(1000), (jobs, pick) => {
        const at = pick % jobs.length;
        const path = criticalPath(simulate(jobs, Number.MAX_VALUE), 0).map(({ id }) => id);
        const changed = (ms: number): readonly Job[] =>
          jobs.map((job, index) => (index === at ? { ...job, ms } : job));
        const was = longest(jobs);
        const { ms } = jobs[at] as Job;
        if (path.includes(at)) expect(longest(changed(ms + 7))).toBe(was + 7);
        else expect(longest(changed(0))).toBe(was);
      }),
      RUNS,
    );
  });

  test('holds together whatever the times are: lengths and waits add up to the run', () => {
    const anySpans = fc
      .array(fc.tuple(fc.nat(100), fc.nat(20), fc.array(fc.nat(25), { maxLength: 3 })), {
        ...{ minLength: 1, maxLength: 25 },
      })
      .map((parts) => parts.map(([from, ms, after], id) => ({ id, from, to: from + ms, after })));
    fc.assert(
      fc.property(anySpans, fc.constantFrom(0, 5, 250), (spans, graceMs) => {
        const path = criticalPath(spans, graceMs);
        const begin = Math.min(...spans.map(({ from }) => from));
        const waited = path.reduce((sum, { waitedMs }) => sum + waitedMs, 0);
        expect(path.every(({ waitedMs }) => waitedMs >= 0)).toBe(true);
        expect(
          lengthOf(
            spans,
            path.map(({ id }) => id),
          ) + waited,
        ).toBe(endOf(spans) - begin);
        expect(path[0]?.why).toBe('begin');
        for (const [at, { id, why }] of path.entries()) {
          if (why !== 'prerequisite') continue;
          expect(spans[id]?.after).toContain(path[at - 1]?.id);
        }
      }),
      RUNS,
    );
  });

  test('tells a wait for a prerequisite from a wait for room', () => {
    const spans = [
      { id: 1, from: 0, to: 1000, after: [] },
      { id: 2, from: 0, to: 5000, after: [] },
      { id: 3, from: 5100, to: 6000, after: [1] },
      { id: 4, from: 6200, to: 7000, after: [3] },
    ];
    expect(criticalPath(spans)).toEqual([
      { id: 2, why: 'begin', waitedMs: 0 },
      { id: 3, why: 'room', waitedMs: 100 },
      { id: 4, why: 'prerequisite', waitedMs: 200 },
    ]);
  });
});
