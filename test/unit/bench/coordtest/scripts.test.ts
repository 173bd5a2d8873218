/** The scripts of the coordinator pass, are the same each time, and each fails when its rule is gone. */
import { expect, test } from 'vitest';
import type { Planted } from '../../../../src/bench/coordtest/world.ts';
import { step } from '../../../../src/coordinator/sql/machine.ts';
import { TIME_END } from '../../../../src/coordinator/sql/worker.ts';
import { guardsOf, runScript, SCRIPTS } from './run-script.ts';

/** Rules by the name under which scripts guard them, each taken away. */
const PLANTED: Readonly<Record<string, Planted>> = {
  'cancel-reaches-worker': {
    machine: (state, event) =>
      step(state, event).filter(
        (effect) => effect.kind !== 'worker' || effect.command.kind !== 'cancelPeek',
      ),
  },
  'cancel-checks-secret': { rules: () => ({ mayCancel: () => true }) },
  'start-not-before-since': {
    rules: () => ({ startTime: (upper) => Math.max((upper ?? 1) - 1, 0) }),
  },
  'sources-read-as-known': {
    rules: ({ readTime }) => ({
      readTime: (input) => readTime({ ...input, readsTables: true }),
    }),
  },
  'oracle-hears-of-reads': { rules: () => ({ afterRead: (oracle) => oracle }) },
  'clock-caps-reads': {
    rules: ({ readTime }) => ({ readTime: (input) => readTime({ ...input, isClocked: false }) }),
  },
  'commit-checks-the-store': { rules: () => ({ checksCommits: false }) },
  'strict-reads-follow-the-oracle': {
    rules: ({ readTime }) => ({
      readTime: (input) => readTime({ ...input, isolation: 'serializable' }),
    }),
  },
  'compaction-respects-holds': {
    rules: () => ({ sinceOf: ([policy = TIME_END]: Iterable<number>) => policy }),
  },
};

/** Those of ours beside them need several rules at once. */
const GUARDS = SCRIPTS.filter((script) => script.endsWith('.ct'));

test.each(SCRIPTS)('%s passes', async (script) => {
  expect((await runScript(script)).failure).toBeNull();
});

test('two runs of a script are the same, message by message', async () => {
  for (const script of SCRIPTS) {
    const [first, second] = [await runScript(script), await runScript(script)];
    expect(first.log.length).toBeGreaterThan(4);
    expect(second.log).toEqual(first.log);
  }
});

test('every script in the historic format guards a rule, and every rule is guarded', () => {
  const guarded = SCRIPTS.flatMap((script) => {
    expect(guardsOf(script).length > 0, script).toBe(script.endsWith('.ct'));
    return guardsOf(script);
  });
  expect([...new Set(guarded)].sort()).toEqual(Object.keys(PLANTED).sort());
});

test.each(Object.keys(PLANTED))(
  'without %s exactly the scripts that guard it fail',
  async (rule) => {
    const failed: string[] = [];
    for (const script of GUARDS) {
      const { failure } = await runScript(script, PLANTED[rule]);
      if (failure !== null) failed.push(script);
    }
    expect(failed).toEqual(GUARDS.filter((script) => guardsOf(script).includes(rule)));
  },
);
