/** The judge over made-up evidence: a correct history passes, every damage is found under its own name. */
import { appendFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Verdict, VerdictFile } from '../../../../src/bench/stress/evidence.ts';
import { judge } from '../../../../src/bench/stress/judge/judge.ts';
import { type Put, RECORDS, type Step, SyntheticRun } from './synthetic-run.ts';

const SEED = 7;

async function judged(
  run: SyntheticRun,
  edit?: (run: SyntheticRun) => void,
  spoil: (folder: string) => void = () => undefined,
): Promise<VerdictFile> {
  const { folder, remove } = run.write(edit);
  try {
    spoil(folder);
    return await judge(folder);
  } finally {
    remove();
  }
}

function verdictOf({ properties }: VerdictFile, property: string): Verdict {
  const found = properties.find((one) => one.property === property);
  if (found === undefined) throw new Error(`no verdict of ${property}`);
  return found;
}

function failed({ properties }: VerdictFile): readonly string[] {
  return properties.filter(({ verdict }) => verdict === 'fail').map(({ property }) => property);
}

/** The first step of a kind after some that the test wants to be right. */
function find(steps: readonly Step[], is: (step: Step) => boolean): number {
  const index = steps.findIndex((step, at) => at > 4 && is(step));
  if (index < 0) throw new Error('this history has no such step');
  return index;
}

function replace(steps: readonly Step[], at: number, puts: readonly Put[]): readonly Step[] {
  return steps.map((step, index) => (index === at ? { ...step, puts } : step));
}

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

describe('what the whole run shows', () => {
  test('P11: a difference in the final comparison fails', async () => {
    const verdict = await judged(new SyntheticRun(SEED), (run) => {
      const { end } = run.run;
      if (end === null) return;
      const comparison = [{ replica: 'replica-1', rows: 1, differences: ['row 5 differs'] }];
      run.run = { ...run.run, end: { ...end, comparison } };
    });
    expect(failed(verdict)).toEqual(['P11']);
    expect(verdictOf(verdict, 'P11').witness[0]).toContain('row 5 differs');
  });

  test('P27: a run that got stuck, or a fault that was not mended, fails', async () => {
    const stuck = await judged(new SyntheticRun(SEED), (run) => {
      const { end } = run.run;
      if (end !== null) run.run = { ...run.run, end: { ...end, how: 'stuck', reason: 'no news' } };
    });
    expect(failed(stuck)).toEqual(['P27']);
    const broken = await judged(new SyntheticRun(SEED), ({ fault }) => {
      const one = { id: '1-x', fault: 'freeze-server', target: 'server' };
      fault.push({ t: 1, ...one, kind: 'start', parameters: {} });
      fault.push({ t: 2, ...one, kind: 'effect', effect: 'silent' });
      fault.push({ t: 3, ...one, kind: 'end', ok: false, ms: 2 });
    });
    expect(failed(broken)).toEqual(['P27']);
  });

  test('P18 P19: the first mistake is laid at the door of the crash before it', async () => {
    for (const [fault, property] of [
      ['kill-postgres', 'P18'],
      ['kill-receiver', 'P19'],
    ] as const) {
      const run = new SyntheticRun(SEED);
      run.damage('replica-1', (steps) =>
        replace(
          steps,
          find(steps, ({ puts }) => puts.length > 0),
          [],
        ),
      );
      const verdict = await judged(run, (damaged) => faultOn(damaged, fault));
      expect(failed(verdict)).toContain(property);
      const sound = await judged(new SyntheticRun(SEED), (whole) => faultOn(whole, fault));
      expect(verdictOf(sound, property).verdict).toBe('pass');
    }
  });

  test('P20: a lost slot must lead to a new copy', async () => {
    const hidden = await judged(new SyntheticRun(SEED), (run) => faultOn(run, 'drop-slot', 200));
    expect(failed(hidden)).toEqual(['P20']);
    const told = await judged(new SyntheticRun(SEED), (run) => {
      faultOn(run, 'drop-slot', 200);
      for (const { replica } of run.run.replicas) {
        const last = run.apply.findLast((event) => event.replica === replica);
        if (last !== undefined) run.apply.push({ ...last, kind: 'difference', t: last.t + 1 });
      }
    });
    expect(verdictOf(told, 'P20').verdict).toBe('pass');
  });

  test('P29: a new history after a crash, with the slot in place, means that something was forgotten', async () => {
    const verdict = await judged(new SyntheticRun(SEED), (run) => {
      faultOn(run, 'kill-server');
      for (const number of [1, 2]) {
        const note = `starting history ${number}: the slot is ahead of the log`;
        run.state.push({ t: 30 * number, process: 'server', state: 'notice', note });
      }
    });
    expect(failed(verdict)).toEqual(['P29']);
    expect(verdictOf(verdict, 'P29').witness[0]).toContain('ahead of the log');
  });

  test('a fault of which nothing was seen is counted as without effect', async () => {
    const verdict = await judged(new SyntheticRun(SEED), ({ fault }) => {
      const one = { id: '1-kill', fault: 'kill-postgres', target: 'postgres' };
      fault.push({ t: 1, ...one, kind: 'start', parameters: {} });
    });
    expect(verdict.faults).toEqual([{ fault: 'kill-postgres', times: 1, effects: 0 }]);
    expect(verdictOf(verdict, 'P18').verdict).toBe('not exercised');
  });
});

describe('P31: the evidence itself', () => {
  test('a commit that the oracle does not know, and one that it should not know', async () => {
    const lost = await judged(new SyntheticRun(SEED), ({ oracle }) => void oracle.pop());
    expect(failed(lost)).toContain('P31');
    expect(verdictOf(lost, 'P31').witness[0]).toContain('the oracle has no such transaction');
    const undead = await judged(new SyntheticRun(SEED), ({ op }) => {
      const at = op.findLastIndex(({ kind }) => kind === 'ok');
      const { t, process, tx } = op[at] ?? { t: 0, process: '', tx: '' };
      op[at] = { t, process, tx, kind: 'fail', reason: 'lost' };
    });
    expect(verdictOf(undead, 'P31').witness[0]).toContain('ended with fail (lost)');
  });

  test('an oracle with other rows than the writer, and one that contradicts itself', async () => {
    const other = await judged(new SyntheticRun(SEED), ({ op }) => {
      const at = op.findLastIndex(({ kind }) => kind === 'invoke');
      const event = op[at];
      if (event?.kind === 'invoke') op[at] = { ...event, changes: event.changes.slice(1) };
    });
    expect(verdictOf(other, 'P31').witness[0]).toContain('has other rows than sender-1/');
    const odd = await judged(new SyntheticRun(SEED), ({ oracle }) => {
      const [first] = oracle;
      if (first !== undefined) oracle[0] = { ...first, changes: first.changes.slice(1) };
    });
    expect(verdictOf(odd, 'P31').witness.join()).toMatch(/update of public\.account 0|other rows/);
  });

  test('missing and cut streams never pass', async () => {
    for (const name of ['op', 'oracle', 'apply', 'read', 'fault', 'state', 'proc', 'sample']) {
      const verdict = await judged(new SyntheticRun(SEED), undefined, (folder) =>
        rmSync(join(folder, `${name}.jsonl`)),
      );
      expect([name, verdict.verdict]).toEqual([name, 'FAIL']);
      expect(verdictOf(verdict, 'P31').witness.join()).toMatch(
        /\.jsonl is missing|other kind|no such/,
      );
    }
    const cut = await judged(new SyntheticRun(SEED), undefined, (folder) => {
      const path = join(folder, 'read.jsonl');
      truncateSync(path, readFileSync(path).length - 40);
    });
    expect(verdictOf(cut, 'P31').witness[0]).toMatch(
      /read\.jsonl line \d+ is of no use \(it is cut/,
    );
    const noise = await judged(new SyntheticRun(SEED), undefined, (folder) =>
      appendFileSync(join(folder, 'apply.jsonl'), 'null\n"x"\n{"t":"1"}\n'),
    );
    expect(noise.verdict).toBe('FAIL');
  });

  test('a run without an end does not pass, a folder without a run is refused', async () => {
    const cut = await judged(new SyntheticRun(SEED), (run) => {
      run.run = { ...run.run, end: null };
    });
    expect(cut.verdict).toBe('FAIL');
    expect(verdictOf(cut, 'P31').witness[0]).toContain('the run has no end');
    await expect(judge('/nowhere')).rejects.toMatchObject({ code: 'BAD_REQUEST' });
    await expect(
      judged(new SyntheticRun(SEED), undefined, (folder) =>
        writeFileSync(join(folder, 'run.json'), '{"format":9}'),
      ),
    ).rejects.toThrowError(/has format 9/);
  });

  test('events that are no use do not crash the judge', async () => {
    const verdict = await judged(new SyntheticRun(SEED), undefined, (folder) => {
      for (const name of ['op', 'oracle', 'apply', 'read', 'fault', 'state', 'proc', 'sample']) {
        appendFileSync(join(folder, `${name}.jsonl`), '{"t":5}\n');
      }
    });
    expect(verdict.verdict).toBe('FAIL');
  });
});

test('delays are measured from commit to apply, but not while something was broken', async () => {
  const calm = await judged(new SyntheticRun(SEED));
  expect(calm.latency).toMatchObject({ p50: 2, max: 2 });
  expect(calm.latency.samples).toBeGreaterThan(10);
  expect(calm.latency.histogram).toEqual([{ upToMs: 2, count: calm.latency.samples }]);
  const troubled = await judged(new SyntheticRun(SEED), (run) => faultOn(run, 'freeze-server'));
  expect(troubled.latency.samples).toBe(0);
  expect(calm.rowsPerSecond).toBeGreaterThan(100);
  expect(calm.cpuPerRowMs).toBeGreaterThan(0);
});

test('P19: a replica that comes back tells where it stands, which is not an apply', async () => {
  const back = (by: number) => (run: SyntheticRun) => {
    const at = run.apply.findIndex(
      ({ kind, replica }, index) => index > 5 && kind === 'apply' && replica === 'replica-1',
    );
    const seen = run.apply[at - by];
    if (seen !== undefined)
      run.apply.splice(at + 1, 0, { ...seen, changes: 0, kind: 'apply', life: 2 });
  };
  expect(failed(await judged(new SyntheticRun(SEED), back(0)))).toEqual([]);
  expect(failed(await judged(new SyntheticRun(SEED), back(1)))).toEqual(['P4']);
});

function faultOn({ fault }: SyntheticRun, name: string, t = 20): void {
  const one = { id: `1-${name}`, fault: name, target: 'somebody' };
  fault.push({ t, ...one, kind: 'start', parameters: {} });
  fault.push({ t: t + 1, ...one, kind: 'effect', effect: 'gone' });
  fault.push({ t: t + 5, ...one, kind: 'end', ok: true, ms: 5 });
}
