/** The simulation is what it says: the same run for the same seed, clean runs, and bugs that are found. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test, vi } from 'vitest';
import { MUTANTS, mutantNamed, type SimMutant } from '../../../src/bench/sim/mutants.ts';
import { printPlan } from '../../../src/bench/sim/print-plan.ts';
import { runPlan } from '../../../src/bench/sim/run-plan.ts';
import { runSeed } from '../../../src/bench/sim/run-seed.ts';
import { shrink } from '../../../src/bench/sim/shrink.ts';
import { Totals } from '../../../src/bench/sim/summary.ts';
import { planOf } from '../../../src/sim/generate.ts';

const BIN = join(import.meta.dirname, '../../../bin/tidelock');
const TIMEOUT_MS = 120_000;
const run = promisify(execFile);

vi.setConfig({ testTimeout: TIMEOUT_MS });

async function hashOf(seed: number): Promise<string> {
  return (await runSeed(seed)).hash;
}

function mutant(name: string): SimMutant {
  const found = mutantNamed(name);
  if (found === undefined) throw new Error(`there is no bug ${name}`);
  return found;
}

describe('a seed', () => {
  test('P31: gives the same run every time, down to the last event', async () => {
    for (const seed of [1, 7, 24]) expect(await hashOf(seed)).toBe(await hashOf(seed));
  });

  test('P31: gives the same run in every process', async () => {
    const { stdout } = await run(process.execPath, [
      BIN,
      'sim',
      '--seed',
      '42',
      '--trace',
      '--json',
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ seed: 42, hash: await hashOf(42), findings: [] });
  });

  test('P31: gives the same run whatever ran before it in the process, and another one than its neighbour', async () => {
    const first = await hashOf(5);
    expect(await hashOf(6)).not.toBe(first);
    expect(await hashOf(5)).toBe(first);
  });
});

describe('the product', () => {
  test('P1, P2, P4, P5, P7, P9, P12, P13, P18, P19, P20, P24, P27, P29: is sound in a hundred runs, which reach rare states', async () => {
    const totals = new Totals();
    for (let seed = 1; seed <= 100; seed += 1) {
      const done = await runSeed(seed);
      const { findings, twoway } = done;
      expect({ seed, findings, twoway }).toEqual({ seed, findings: [], twoway: [] });
      totals.add(done);
    }
    const { sometimes, checked } = totals.summary();
    expect(sometimes.filter(({ times }) => times === 0)).toEqual([]);
    const required = [
      'P1',
      'P2',
      'P4',
      'P5',
      'P7',
      'P9',
      'P12',
      'P18',
      'P19',
      'P20',
      'P24',
      'P27',
      'P29',
    ];
    expect(required.filter((property) => (checked[property] ?? 0) === 0)).toEqual([]);
  });
});

describe('a planted bug', () => {
  const QUICK = [
    ...['early-heartbeat', 'leaked-savepoint', 'position-before-rows', 'ack-before-fsync'],
    ...['two-way: last-writer-wins', 'two-way: tombstones-forgotten', 'two-way: settled-too-early'],
    'two-way: first-batch-only',
  ];

  test.each(QUICK)('P31: %s is found within 30 seeds', async (name) => {
    for (let seed = 1; seed <= 30; seed += 1) {
      const { findings, twoway } = await runSeed(seed, { mutant: mutant(name) });
      if (findings.length + twoway.length > 0) return;
    }
    throw new Error(`${name} survived`);
  });

  test('names are unique, so that each can be asked for', () => {
    const names = MUTANTS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  test('is cut down to a few lines that still show it, and the script of it is that plan', async () => {
    const bug = mutant('ack-before-fsync');
    const { plan, findings } = await runPlan(planOf(12), { mutant: bug });
    const small = await shrink(plan, findings, { mutant: bug });
    expect(small.findings.map(({ property }) => property)).toContain('P29');
    expect(small.plan.actions.length).toBeLessThan(4);
    const text = printPlan({ plan: small.plan, bug: bug.name, comments: [] });
    expect(text).toMatchInlineSnapshot(`
        "#: world=sim

        world seed=12 safety=25212 bug=ack-before-fsync
        network delayMsMin=5 delayMsMax=80 breaks=0 repeats=0 splits=0 windowBytes=20000
        stream delayMsMax=60 messagesMax=2 resends=0
        server groupBytesMax=2000 partBytesMax=300 tailBytesMax=0 logBytesMax=1000000 keepS=5 leaseS=600 freshGroups=1000 digestEveryMs=4000
        ----

        replica name=r3 selectors=(C) start=5149 open-bytes=100000 sync-every=50
        ----

        transaction at=0 name=t0 open=0 visible=0
        ----

        fault at=18139 name=lose-server ms=500
        ----

        run
        ----
        every property holds
        "
      `);
  });
});
