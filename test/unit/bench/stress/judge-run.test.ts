/** What the judge makes of a whole run: its end, faults, histories, and evidence that is damaged. */
import { appendFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { judge } from '../../../../src/bench/stress/judge/judge.ts';
import { failed, faultOn, find, judged, replace, SEED, verdictOf } from './judging.ts';
import { SyntheticRun } from './synthetic-run.ts';

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
      faultOn(run, 'drop-slot', 500);
      for (const { replica } of run.run.replicas) {
        const last = run.apply.findLast((event) => event.replica === replica);
        if (last !== undefined) run.apply.push({ ...last, kind: 'difference', t: last.t + 200 });
      }
    });
    expect(verdictOf(told, 'P20').verdict).toBe('pass');
  });

  test('P20: what committed after the slot was lost is not applied before the new copy', async () => {
    const late = await judged(new SyntheticRun(SEED), (run) => {
      faultOn(run, 'drop-slot', 200);
      for (const { replica } of run.run.replicas) {
        const last = run.apply.findLast((event) => event.replica === replica);
        // Copied in the end, as a comparison of digests would do it; but the gap was passed before.
        if (last !== undefined) run.apply.push({ ...last, kind: 'difference', t: last.t + 1 });
      }
    });
    expect(failed(late)).toEqual(['P20']);
    expect(verdictOf(late, 'P20').witness[0]).toContain('which committed after its slot was lost');
  });

  test('P29: a new history after a crash, with the slot in place, means that something was forgotten', async () => {
    const verdict = await judged(new SyntheticRun(SEED), (run) => {
      faultOn(run, 'kill-server');
      for (const number of [1, 2]) {
        const note = `77-${number}-1000`;
        run.state.push({ t: 30 * number, process: 'server', state: 'timeline', note });
      }
    });
    expect(failed(verdict)).toEqual(['P29']);
    expect(verdictOf(verdict, 'P29').witness[0]).toContain('77-2-1000');
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
