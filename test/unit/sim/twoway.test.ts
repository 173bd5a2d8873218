/** A failing run of sites that write is cut down, and the script of it is that run. */
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { driveScript } from '../../../src/bench/script/drive.ts';
import { mutantNamed, type SimMutant } from '../../../src/bench/sim/mutants.ts';
import { CLEAN, printTwowayPlan } from '../../../src/bench/sim/print-plan.ts';
import { runTwowayPlan } from '../../../src/bench/sim/run-twoway.ts';
import { outputOf } from '../../../src/bench/sim/script-parts.ts';
import { openSimWorld } from '../../../src/bench/sim/script-world.ts';
import { shrinkTwoway } from '../../../src/bench/sim/shrink-twoway.ts';
import { parseScript } from '../../../src/script/parse.ts';
import type { CaseResult } from '../../../src/script/run.ts';
import { type TwowayPlan, twowayPlanOf } from '../../../src/sim/twoway/plan.ts';

const SEEDS_MAX = 30;
const ACTIONS_MAX = 4;
const BUGS = ['last-writer-wins', 'tombstones-forgotten', 'first-batch-only', 'settled-too-early'];

vi.setConfig({ testTimeout: 60_000 });

function bugNamed(name: string): SimMutant {
  const found = mutantNamed(`two-way: ${name}`);
  if (found === undefined) throw new Error(`there is no bug ${name}`);
  return found;
}

function propertyOf({ property }: { readonly property: string }): string {
  return property;
}

type Failing = {
  readonly plan: TwowayPlan;
  readonly result: Awaited<ReturnType<typeof runTwowayPlan>>;
};

async function firstFailing(bug: SimMutant): Promise<Failing> {
  for (let seed = 1; seed <= SEEDS_MAX; seed += 1) {
    const plan = twowayPlanOf(seed);
    const result = await runTwowayPlan(plan, { mutant: bug });
    if (result.findings.length > 0) return { plan, result };
  }
  throw new Error(`${bug.name} survived`);
}

/** What the last directive did. */
async function lastOf(text: string): Promise<CaseResult | undefined> {
  const file = join(import.meta.dirname, 'made-up.test');
  const script = parseScript(text, { file, dialect: 'strict' });
  const { settings } = script;
  const results = await driveScript(script, {
    open: openSimWorld,
    context: {
      ...{ file, settings, profile: undefined, signal: new AbortController().signal },
      postgres: () => Promise.reject(new Error('a simulated run needs no Postgres')),
    },
  });
  return results.at(-1);
}

async function shownBy(plan: TwowayPlan, bug: string | null): Promise<string> {
  const last = await lastOf(printTwowayPlan({ plan, bug, comments: [] }));
  if (last === undefined || last.kind === 'broken') throw new Error(String(last?.error));
  return last.output;
}

describe('a run of sites that write', () => {
  test('P10: what only the causal judge sees is found: newest rows first, what they are based on later', async () => {
    const bug = bugNamed('newest-first');
    const outcomes: { own: readonly string[]; found: readonly string[] }[] = [];
    for (let seed = 1; seed <= SEEDS_MAX; seed += 1) {
      const { own, findings } = await runTwowayPlan(twowayPlanOf(seed), { mutant: bug });
      outcomes.push({ own: own.map(propertyOf), found: findings.map(propertyOf) });
    }
    expect(outcomes.flatMap(({ own }) => own)).toEqual([]);
    expect(new Set(outcomes.flatMap(({ found }) => found))).toEqual(new Set(['P10']));
  });

  test.each(BUGS)(
    'P31: is cut down to a few steps, whose script fails with %s and passes without',
    async (name) => {
      const bug = bugNamed(name);
      const { plan, result } = await firstFailing(bug);
      const small = await shrinkTwoway(plan, result.findings, { mutant: bug });
      expect(small.plan.actions.length).toBeLessThanOrEqual(ACTIONS_MAX);
      expect(small.plan.sites.length).toBeLessThanOrEqual(2);
      const known = result.findings.map(({ property }) => property);
      expect(small.findings.some(({ property }) => known.includes(property))).toBe(true);
      expect(await shownBy(small.plan, bug.name)).toBe(outputOf(small.findings));
      expect(await shownBy(small.plan, null)).toBe(CLEAN);
    },
  );

  test('P31: is the same run as a script, with everything that it has', async () => {
    const bug = bugNamed('last-writer-wins');
    const faults = new Set<string>();
    for (let seed = 1; seed <= SEEDS_MAX; seed += 1) {
      const plan = twowayPlanOf(seed);
      for (const one of plan.actions) if (one.kind === 'fault') faults.add(one.fault);
      const { findings } = await runTwowayPlan(plan, { mutant: bug });
      expect({ seed, shown: await shownBy(plan, bug.name) }).toEqual({
        seed,
        shown: outputOf(findings),
      });
    }
    expect([...faults].sort()).toEqual(['crash', 'cut', 'kill', 'partition']);
  });

  test('P31: leaving out a site leaves the others what they do', async () => {
    const plan = twowayPlanOf(3);
    const [gone] = plan.sites;
    const calm = { ...plan.network, breaks: 0, repeats: 0 };
    const linesOf = async (sites: readonly string[]): Promise<string[]> => {
      const actions = plan.actions.filter(({ site }) => site !== null && sites.includes(site));
      const lines: string[] = [];
      await runTwowayPlan(
        { ...plan, network: calm, sites, actions },
        { onLine: (line) => lines.push(line) },
      );
      return lines.filter((line) => line.endsWith(': follows') && !line.includes(` ${gone}:`));
    };
    const all = await linesOf(plan.sites);
    expect(all.length).toBeGreaterThan(10);
    const rest = await linesOf(plan.sites.filter((name) => name !== gone));
    const both = Math.min(all.length, rest.length, 10);
    expect(rest.slice(0, both)).toEqual(all.slice(0, both));
  });
});

describe('a script of such a run', () => {
  const HEAD = '#: world=sim\n\ntwo-way seed=1\n----\n\nsite name=s1\n----\n\n';

  test.each([
    ['write at=1 site=s9\n----\n', 'site=s9 is unknown'],
    ['fault at=1 name=cut target=s9\n----\n', 'target=s9 is unknown'],
    ['fault at=1 name=drop-slot target=s1\n----\n', 'name=drop-slot is unknown'],
    ['write at=1 site=s1\nput k1 a=x\n----\n', 'no write: put k1 a=x'],
    ['replica name=r1\n----\n', 'there is no directive replica in a run of sites that write'],
  ])('names what it does not know: %j', async (text, message) => {
    const last = await lastOf(HEAD + text);
    expect(last).toMatchObject({ kind: 'broken', error: { message } });
  });

  test('knows only bugs of such runs', async () => {
    const last = await lastOf('#: world=sim\n\ntwo-way seed=1 bug=ack-before-fsync\n----\n');
    const message = 'ack-before-fsync is no bug of sites that write';
    expect(last).toMatchObject({ kind: 'broken', error: { message } });
  });
});
