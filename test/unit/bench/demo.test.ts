import { describe, expect, test } from 'vitest';
import { Atlas, FOUNDED_ID_MIN } from '../../../src/bench/demo/atlas.ts';
import type { City } from '../../../src/bench/demo/places.ts';
import { type Findings, problemsOf, type ReplicaCheck } from '../../../src/bench/demo/verdict.ts';
import { SeededRandom } from '../../../src/bench/random.ts';
import type { Verdict } from '../../../src/bench/stress/evidence.ts';
import type { FaultOutcome } from '../../../src/bench/stress/run-faults.ts';
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
    kinds: [{ code: 'PPL', meaning: 'populated place', edits: 3 }],
    now: () => new Date(0),
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
  });

  test('a rolled-back transaction leaves no trace, and its keys are never used again', () => {
    const planned = atlas(9);
    const { ids, statements } = planned.planRolledBack(20);
    expect(statements).toHaveLength(40);
    const written = new Set<number>();
    for (let index = 0; index < 300; index += 1) {
      for (const { changes } of planned.next().statements) {
        for (const { table, key } of changes) if (table === 'public.city') written.add(Number(key));
      }
    }
    expect(written.size).toBeGreaterThan(50);
    expect(ids.some((id) => written.has(id))).toBe(false);
  });

  test('says of every statement which rows it leaves behind', () => {
    const planned = atlas(11);
    const rows = new Map(
      COUNTRIES.flatMap((country, index) =>
        Array.from({ length: 12 }, (_, place) => [`${index * 100 + place}`, { country }] as const),
      ),
    ) as Map<string, Readonly<Record<string, string | null>>>;
    for (let index = 0; index < 2000; index += 1) {
      for (const { sql, params, changes } of planned.next().statements) {
        for (const { table, op, key, row } of changes) {
          expect(sql.startsWith(op.toUpperCase())).toBe(true);
          if (table !== 'public.city') continue;
          expect(rows.has(key)).toBe(op !== 'insert');
          if (sql.includes('SET country')) expect(row?.country).toBe(params[1]);
          else if (op === 'update') expect(row?.country).toBe(rows.get(key)?.country);
          if (row === null) rows.delete(key);
          else rows.set(key, row);
        }
      }
    }
  });

  test('a move concerns the replicas of both countries', () => {
    const { countries, statements } = atlas(2).plan('move');
    expect(countries.size).toBeGreaterThan(1);
    expect(countries.has(statements[0]?.params[1] ?? '')).toBe(true);
  });
});

describe('the verdict', () => {
  const check: ReplicaCheck = {
    ...{ selector: 'FR', file: 'FR.db', position: '0/1', digest: '00', isDigestEqual: true },
    comparison: { replica: 'FR', rows: 1, differences: [] },
  };
  const outcome = (fault: 'cut-walsender' | 'kill-receiver'): FaultOutcome => ({
    planned: { id: fault, atMs: 1, fault, target: 'IT', holdMs: 1 },
    ...{ effects: ['seen'], isHealed: true, ms: 5, why: null },
  });
  const [cut, kill] = [outcome('cut-walsender'), outcome('kill-receiver')];
  const property = (name: string, part: Partial<Verdict> = {}): Verdict => ({
    ...{ property: name, title: 'a title', verdict: 'pass', checked: 1, witness: [], ...part },
  });
  const latency = { samples: 1, p50: 1, p90: 1, p99: 1, max: 1, histogram: [] };
  const good: Findings = {
    ...{ replicas: [check], plan: [cut.planned, kill.planned], faults: [cut, kill] },
    judged: { properties: [property('P1'), property('P17')], latency },
    kinds: { insert: 1, update: 1, delete: 1, move: 1, relocation: 1, bulk: 1, everyone: 1 },
    rolledBackRows: 50,
  };
  const replica = (part: Partial<ReplicaCheck>): Findings => ({
    ...good,
    replicas: [{ ...check, ...part }],
  });
  const judged = (properties: readonly Verdict[]): Findings => ({
    ...good,
    judged: { properties, latency },
  });

  test('is a pass when nothing is wrong', () => {
    expect(problemsOf(good)).toEqual([]);
  });

  test.each<[string, Findings, RegExp]>([
    [
      'a row differs',
      replica({ comparison: { replica: 'FR', rows: 2, differences: ['city 1', 'city 2'] } }),
      /2 rows differ .*FR\.db.*city 1\n.*city 2/s,
    ],
    ['a digest differs', replica({ isDigestEqual: false }), /digest differs/],
    [
      'a property fails',
      judged([property('P5', { verdict: 'fail', witness: ['torn at 0/1'] })]),
      /^P5, a title: FAILS\n +torn at 0\/1$/,
    ],
    [
      'a property that must be exercised is not',
      judged([property('P17', { verdict: 'not exercised' })]),
      /^NOT EXERCISED: P17/,
    ],
    ['nothing was rolled back', { ...good, rolledBackRows: 0 }, /^NOT EXERCISED: no transaction/],
    [
      'no effect of the cut was seen',
      { ...good, faults: [{ ...cut, effects: [] }, kill] },
      /^NOT EXERCISED: no effect of cut-walsender/,
    ],
    ['the kill did not happen', { ...good, faults: [cut] }, /^NOT EXERCISED: .*kill-receiver/],
    [
      'it did not heal',
      { ...good, faults: [cut, { ...kill, isHealed: false }] },
      /after kill-receiver things were not as before/,
    ],
    ['a kind never came', { ...good, kinds: { ...good.kinds, move: 0 } }, /of kind move/],
    [
      'no delay was measured',
      {
        ...good,
        judged: { properties: good.judged.properties, latency: { ...latency, samples: 0 } },
      },
      /no delay was measured/,
    ],
  ])('is none when %s', (_what, findings, problem) => {
    expect(problemsOf(findings)).toEqual([expect.stringMatching(problem)]);
  });

  test('a property that a short run need not exercise is no problem', () => {
    expect(problemsOf(judged([property('P20', { verdict: 'not exercised' })]))).toEqual([]);
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
