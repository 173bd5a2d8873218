/** The judge over made-up evidence: a correct history passes, every damage is found under its own name. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { failed, find, judged, replace, SEED, verdictOf } from './judging.ts';
import { type Put, RECORDS, type Step, SyntheticRun } from './synthetic-run.ts';

const isRecord = ({ table }: Put): boolean => table === RECORDS;

test('a correct history passes, whatever its seed', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 30 }), async (seed) => {
      const verdict = await judged(new SyntheticRun(seed, 30));
      expect(failed(verdict)).toEqual([]);
      expect(verdict.verdict).toBe('PASS');
      const notExercised = verdict.properties.filter((one) => one.verdict === 'not exercised');
      expect(notExercised.map(({ property }) => property)).toEqual([
        ...['P18', 'P19', 'P20', 'P25', 'P29'],
      ]);
    }),
    { numRuns: 25 },
  );
});

test('P1: a transaction that a replica leaves out is named with its rows', async () => {
  const run = new SyntheticRun(SEED);
  run.damage('replica-1', (steps) => {
    const at = find(steps, ({ puts }) =>
      puts.some(({ row, before }) => row && before?.sel === 'a'),
    );
    return replace(steps, at, []);
  });
  const verdict = await judged(run);
  expect(verdict.verdict).toBe('FAIL');
  expect(failed(verdict)).toContain('P1');
  expect(verdictOf(verdict, 'P1').witness[0]).toMatch(
    /^replica-1 at 0\/\w+ (shows|lacks) public\.stress_table \d+.* (since|written at) 0\/\w+/,
  );
});

test('P2: rows that are ahead of the position will be applied twice', async () => {
  const run = new SyntheticRun(SEED);
  run.damage('replica-1', (steps) => {
    const at = find(steps, ({ kind, puts }) => kind === 'apply' && puts.length > 0);
    const later = steps[at];
    return replace(steps, at - 1, [...(steps[at - 1]?.puts ?? []), ...(later?.puts ?? [])]);
  });
  const verdict = await judged(run);
  expect(failed(verdict)).toContain('P2');
  expect(verdictOf(verdict, 'P2').witness.join()).toContain('applied twice');
});

test('P3: a row that was rolled back is found wherever it shows', async () => {
  const run = new SyntheticRun(SEED);
  const row = { id: '777777', content: 'row 777777', sel: 'a' };
  run.damage('replica-1', (steps) => {
    const at = find(steps, ({ kind }) => kind === 'apply');
    const leaked = { table: RECORDS, key: '777777', row, before: null };
    return replace(steps, at, [...(steps[at]?.puts ?? []), leaked]);
  });
  const verdict = await judged(run);
  expect(failed(verdict)).toContain('P3');
  expect(verdictOf(verdict, 'P3').witness.join()).toContain('sender-1/doomed wrote');
});

test('P4: a position at which nothing was committed is not a position', async () => {
  const run = new SyntheticRun(SEED);
  run.damage('replica-1', (steps) => {
    const at = find(steps, ({ kind }) => kind === 'apply');
    return steps.map((step, index) =>
      index === at ? { ...step, position: step.position - 8 } : step,
    );
  });
  expect(failed(await judged(run))).toContain('P4');
});

test('P4: transactions that are applied in another order are found', async () => {
  const run = new SyntheticRun(SEED);
  run.damage('replica-1', (steps) => {
    const at = find(steps, ({ kind }) => kind === 'apply');
    const next = steps.findIndex(({ kind }, index) => index > at && kind === 'apply');
    const [one, other] = [steps[at], steps[next]];
    return steps.map((step, index) =>
      index === at ? (other ?? step) : index === next ? (one ?? step) : step,
    );
  });
  const verdict = await judged(run);
  expect(failed(verdict)).toEqual(expect.arrayContaining(['P4', 'P8']));
  expect(verdictOf(verdict, 'P4').witness[0]).toMatch(/applied 0\/\w+ after it had applied/);
});

test('P5: half a transaction is a torn one', async () => {
  const run = new SyntheticRun(SEED);
  run.damage('replica-1', (steps) => {
    const isWide = ({ puts }: Step): boolean => puts.filter(isRecord).length > 1;
    const at = find(steps, isWide);
    return replace(steps, at, steps[at]?.puts.slice(1) ?? []);
  });
  const verdict = await judged(run);
  expect(failed(verdict)).toContain('P5');
  expect(verdictOf(verdict, 'P5').witness[0]).toContain('shows a part of the transaction of 0/');
});

test('P5: a sum that is not constant is found without any row', async () => {
  const run = new SyntheticRun(SEED);
  const verdict = await judged(run, ({ read }) => {
    const seen = read[10];
    if (seen === undefined) throw new Error('too few reads');
    read[10] = { ...seen, sums: { ...seen.sums, a: '199' } };
  });
  expect(failed(verdict)).toEqual(['P5']);
  expect(verdictOf(verdict, 'P5').witness[0]).toContain('balances of 199 in a');
});

test('P6: a transaction that reaches one selector and not the other is found', async () => {
  const run = new SyntheticRun(SEED, 80);
  run.damage('replica-2', (steps) => {
    const has = ({ puts }: Step, sel: string): boolean =>
      puts.filter(isRecord).some(({ row, before }) => row?.sel === sel && before?.sel !== 'b');
    const at = find(steps, (step) => has(step, 'b') && has(step, 'c'));
    return replace(steps, at, steps[at]?.puts.filter(({ row }) => row?.sel !== 'c') ?? []);
  });
  expect(failed(await judged(run))).toContain('P6');
});

test('P7: a copy without the transaction that was in flight is found at once', async () => {
  const run = new SyntheticRun(SEED);
  run.damage('replica-1', (steps) => {
    const [copy] = steps;
    return replace(steps, 0, copy?.puts.slice(0, -1) ?? []);
  });
  const verdict = await judged(run);
  expect(failed(verdict)).toContain('P7');
  expect(verdictOf(verdict, 'P7').checked).toBeGreaterThan(0);
});

test('P8: a reader that goes back is found', async () => {
  const run = new SyntheticRun(SEED);
  const verdict = await judged(run, ({ read }) => {
    const [first, second] = [read[8], read[9]];
    if (first === undefined || second === undefined) throw new Error('too few reads');
    read[8] = second;
    read[9] = first;
  });
  expect(failed(verdict)).toContain('P8');
});

test('P17: a row that stays behind when it moves is named with where it went', async () => {
  const run = new SyntheticRun(SEED);
  run.damage('replica-1', (steps) => {
    const isMove = (put: Put): boolean =>
      isRecord(put) &&
      put.row === null &&
      run.commits.some(({ puts }) =>
        puts.some((one) => one.key === put.key && one.before === put.before && one.row !== null),
      );
    const at = find(steps, ({ puts }) => puts.some(isMove));
    return replace(steps, at, steps[at]?.puts.filter((put) => !isMove(put)) ?? []);
  });
  const verdict = await judged(run);
  expect(failed(verdict)).toContain('P17');
  expect(verdictOf(verdict, 'P17').witness[0]).toMatch(/still shows .* but it moved to [bc] at/);
});

test('P22: a value that nobody wrote is shown beside the one that was', async () => {
  const run = new SyntheticRun(SEED);
  run.damage('replica-1', (steps) => {
    const is = ({ row }: Put): boolean => typeof row?.content === 'string';
    const at = find(steps, ({ puts }) => puts.some(is));
    const puts = steps[at]?.puts ?? [];
    return replace(
      steps,
      at,
      puts.map((put) => (is(put) ? { ...put, row: { ...put.row, content: '' } } : put)),
    );
  });
  const verdict = await judged(run);
  expect(failed(verdict)).toContain('P22');
  expect(verdictOf(verdict, 'P22').witness[0]).toMatch(
    /content = '', but what was written is content = /,
  );
});

test('P24: a marker past what was not delivered is called a lie', async () => {
  const run = new SyntheticRun(SEED);
  run.damage('replica-1', (steps) => {
    const at = find(steps, ({ kind }) => kind === 'apply');
    return steps.map((step, index) =>
      index === at ? { ...step, kind: 'marker' as const, puts: [] } : step,
    );
  });
  const verdict = await judged(run);
  expect(failed(verdict)).toEqual(expect.arrayContaining(['P1', 'P24']));
  expect(verdictOf(verdict, 'P24').witness[0]).toMatch(/^a marker moved replica-1 to 0\//);
});

test('P1: damage is found without rows and reads, by the digests alone', async () => {
  const run = new SyntheticRun(SEED);
  run.damage('replica-1', (steps) =>
    replace(
      steps,
      find(steps, ({ puts }) => puts.length > 0),
      [],
    ),
  );
  const verdict = await judged(run, (damaged) => {
    damaged.read = damaged.read.map(({ delta, ...event }) => event);
  });
  expect(failed(verdict)).toContain('P1');
});
