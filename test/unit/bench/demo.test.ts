import { describe, expect, test } from 'vitest';
import { Atlas, FOUNDED_ID_MIN } from '../../../src/bench/demo/atlas.ts';
import type { Fault } from '../../../src/bench/demo/faults.ts';
import { latenciesOf, samplesOf } from '../../../src/bench/demo/latency.ts';
import type { City } from '../../../src/bench/demo/places.ts';
import { type Findings, judge, type ReplicaCheck } from '../../../src/bench/demo/verdict.ts';
import { SeededRandom } from '../../../src/bench/random.ts';
import { together, until } from '../../../src/bench/until.ts';

const COUNTRIES = ['FR', 'DE', 'CH'];

function city(id: number, country: string): City {
  return { id, country, name: `p${id}`, admin: '01', kind: 'PPL', population: 100, lat: 1, lon: 2 };
}

function atlas(seed: number): Atlas {
  const cities = COUNTRIES.flatMap((country, index) =>
    Array.from({ length: 12 }, (_, place) => city(index * 100 + place, country)),
  );
  return new Atlas({
    random: new SeededRandom(seed),
    cities,
    kinds: [{ code: 'PPL', edits: 3 }],
    countries: COUNTRIES,
    cityId: FOUNDED_ID_MIN,
    relocationId: 7,
    step: 3,
  });
}

describe('the plan of a writer', () => {
  test('is the same for the same seed, and another for another', () => {
    const plans = (seed: number): string => {
      const planned = atlas(seed);
      return JSON.stringify(Array.from({ length: 200 }, () => planned.next().statements));
    };
    expect(plans(1)).toBe(plans(1));
    expect(plans(1)).not.toBe(plans(2));
  });

  test('only names rows that are there, whatever came before', () => {
    const planned = atlas(5);
    const present = new Set(
      COUNTRIES.flatMap((_, index) =>
        Array.from({ length: 12 }, (_, place) => index * 100 + place),
      ),
    );
    for (let index = 0; index < 3000; index += 1) {
      for (const { sql, params } of planned.next().statements) {
        const id = Number(params[0]);
        if (sql.startsWith('INSERT INTO city')) {
          expect(present.has(id)).toBe(false);
          present.add(id);
        } else if (sql.includes('city') && !sql.startsWith('INSERT')) {
          expect(present.has(id)).toBe(true);
          if (sql.startsWith('DELETE')) present.delete(id);
        }
      }
    }
    const kept = [...planned.written].filter(([, row]) => row !== null).map(([id]) => id);
    expect(kept.every((id) => present.has(id))).toBe(true);
  });

  test('a rolled-back transaction leaves no trace, and its keys are never used again', () => {
    const planned = atlas(9);
    const { ids, statements } = planned.planRolledBack(20);
    expect(statements).toHaveLength(40);
    expect(planned.written.size).toBe(0);
    for (let index = 0; index < 300; index += 1) planned.next();
    expect(ids.some((id) => planned.written.has(id))).toBe(false);
  });

  test('a move concerns the replicas of both countries', () => {
    const { countries, statements } = atlas(2).plan('move');
    expect(countries.size).toBeGreaterThan(1);
    expect(countries.has(statements[0]?.params[1] ?? '')).toBe(true);
  });
});

describe('the delays', () => {
  const applied = (firstMs: number, appliedAtMs: number, transactions = 1) => ({
    ...{ kind: 'applied' as const, ts: '0/1', micros: firstMs * 1000, changes: 1 },
    ...{ firstMicros: firstMs * 1000, appliedAtMs, transactions },
  });

  test('every transaction of a batch counts as long as the oldest waited', () => {
    expect(samplesOf([applied(1000, 1030, 3), applied(10, 20)], 500)).toEqual([
      { committedMs: 1000, latencyMs: 30 },
      { committedMs: 1000, latencyMs: 30 },
      { committedMs: 1000, latencyMs: 30 },
    ]);
  });

  test('what waited for a fault counts for the longest only, also when it began before', () => {
    const samples = samplesOf([applied(1000, 1004), applied(1999, 2600), applied(2100, 2600)], 0);
    const latencies = latenciesOf([{ samples, faults: [{ fromMs: 2000, toMs: 2500 }] }]);
    expect(latencies).toEqual({ count: 1, p50Ms: 4, p99Ms: 4, longestMs: 601 });
  });
});

describe('the verdict', () => {
  const check: ReplicaCheck = {
    ...{ selector: 'FR', file: 'FR.db', position: '0/1', digest: '00', ghosts: 0 },
    isDigestEqual: true,
    comparison: { rows: 1, wrong: 0, named: [], lost: 0, foreign: 0 },
  };
  const period = { fromMs: 1, toMs: 2 };
  const cut: Fault = {
    ...{ kind: 'connection cut', redelivered: 0 },
    observed: { downAfterMs: 1, backAfterMs: 2, pids: [1, 2], period },
  };
  const kill: Fault = {
    ...{ kind: 'replica killed', selector: 'IT', isCopied: false },
    observed: { pid: 1, position: '0/1', missed: 3, levelAfterMs: 4, period },
  };
  const good: Findings = {
    ...{ replicas: [check], faults: [cut, kill], ghostsInPostgres: 0 },
    latencies: { count: 1, p50Ms: 1, p99Ms: 1, longestMs: 1 },
    kinds: { insert: 1, update: 1, delete: 1, move: 1, relocation: 1, bulk: 1, everyone: 1 },
    rolledBack: { ids: [1], seenInside: 1 },
  };
  const replica = (part: Partial<ReplicaCheck>): Findings => ({
    ...good,
    replicas: [{ ...check, ...part }],
  });
  const rows = (part: Partial<ReplicaCheck['comparison']>): Findings =>
    replica({ comparison: { ...check.comparison, ...part } });

  test('is a pass when nothing is wrong', () => {
    expect(judge(good)).toEqual([]);
  });

  test.each<[string, Findings, RegExp]>([
    [
      'a row differs',
      rows({ wrong: 7, named: ['city 1'] }),
      /7 rows differ .*city 1\n.*and 6 more/s,
    ],
    ['a digest differs', replica({ isDigestEqual: false }), /digest differs/],
    ['a write is lost', rows({ lost: 1 }), /lost writes: 1/],
    ['somebody else writes', rows({ foreign: 1 }), /another program write/],
    ['a rolled-back row came', replica({ ghosts: 1 }), /1 rows that were rolled back/],
    ['Postgres has it', { ...good, ghostsInPostgres: 1 }, /Postgres has 1 rows/],
    ['nothing was rolled back', { ...good, rolledBack: null }, /^NOT EXERCISED: no transaction/],
    [
      'no effect of the cut was seen',
      { ...good, faults: [{ ...cut, observed: null }, kill] },
      /^NOT EXERCISED: the connection/,
    ],
    [
      'no effect of the kill was seen',
      { ...good, faults: [cut, { ...kill, observed: null }] },
      /^NOT EXERCISED: no replica/,
    ],
    [
      'the killed replica was copied',
      { ...good, faults: [cut, { ...kill, isCopied: true }] },
      /copied anew/,
    ],
    ['a kind never came', { ...good, kinds: { ...good.kinds, move: 0 } }, /of kind move/],
    [
      'no delay was measured',
      { ...good, latencies: { ...good.latencies, count: 0 } },
      /no delay was measured/,
    ],
  ])('is none when %s', (_what, findings, problem) => {
    expect(judge(findings)).toEqual([expect.stringMatching(problem)]);
  });
});

describe('waiting', () => {
  const never = new AbortController().signal;

  test('ends at its limit, with what it waited for', async () => {
    const waiting = until('the moon is blue', () => false, { limitMs: 10, signal: never });
    await expect(waiting).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: expect.stringContaining('the moon is blue'),
    });
  });

  test('side by side: the first failure ends the others and is thrown', async () => {
    const ended: string[] = [];
    const waits = async (signal: AbortSignal): Promise<void> => {
      await until('never', () => false, { limitMs: 60_000, signal }).finally(() => ended.push('b'));
    };
    const fails = async (): Promise<void> => {
      throw new Error('broken');
    };
    await expect(together(never, [fails, waits])).rejects.toThrow('broken');
    expect(ended).toEqual(['b']);
  });
});
