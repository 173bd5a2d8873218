/**
 * What an event of a run costs the planner, in a run of 10,000 executions against one of 1,000: it must not depend on
 * how many executions there are. Shapes: independent tests, a chain, items that wait for items, job groups.
 *
 *   node bench/perf/planner.ts [--executions 10000] [--rounds 5]
 */
import { parseArgs } from 'node:util';
import { readAreaText } from '../../src/planner/area-text.ts';
import { step } from '../../src/planner/machine.ts';
import { newPlannerState } from '../../src/planner/state.ts';
import type { PlanInput, PlannerEffect } from '../../src/planner/types.ts';
import { median, processorMs, spread } from './numbers.ts';

const { values } = parseArgs({
  options: {
    executions: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '5' },
  },
});
const EXECUTIONS = Number(values.executions);
const ROUNDS = Number(values.rounds);
/** Twenty-five tests of so many items each make the run. */
const TESTS = 25;
const GROUPS = 20;

type Shape = (executions: number) => string;

const SHAPES: Readonly<Record<string, Shape>> = {
  flat: (n) => listed(n, (at) => `t${at}`),
  chain: (n) => listed(n, (at) => (at === 0 ? 't0' : `t${at} waits=t${at - 1}`)),
  itemwise: (n) => {
    const items = `items=${Array.from({ length: n / TESTS }, (_, at) => at)}`;
    return listed(TESTS, (at) => `t${at} ${items}${at === 0 ? '' : ` waits=t${at - 1}:itemwait`}`);
  },
  groups: (n) => listed(n, (at) => `t${at} group=g${at % GROUPS}`),
};

function listed(count: number, line: (at: number) => string): string {
  const limits = Array.from({ length: GROUPS }, (_, at) => `group.g${at}=2`);
  const lines = Array.from({ length: count }, (_, at) => line(at));
  return [`area jobs=50 ${limits.join(' ')}`, ...lines].join('\n');
}

type Cost = { readonly planMs: number; readonly eventUs: number };

function run(text: string): Cost {
  const request = {
    target: 't',
    run: 'r',
    pattern: '%',
    tags: null,
    rerun: { kind: 'none' },
  } as const;
  const input: PlanInput = { ...readAreaText(text), existing: [], request };
  const state = newPlannerState();
  const running: string[] = [];
  const note = (effects: readonly PlannerEffect[]): void => {
    for (const effect of effects) if (effect.kind === 'launch') running.push(effect.exec);
  };
  const planMs = processorMs(() => note(step(state, { kind: 'start', input, at: 0 })));
  const runMs = processorMs(() => {
    for (const exec of running) {
      note(step(state, { kind: 'entered', exec, state: 'RUNNING', status: 'n/a', at: 0 }));
      note(step(state, { kind: 'entered', exec, state: 'COMPLETED', status: 'PASS', at: 0 }));
    }
  });
  if (!state.isDone) throw new Error('the run did not end');
  return { planMs, eventUs: (runMs * 1000) / (2 * running.length) };
}

for (const [name, shape] of Object.entries(SHAPES)) {
  const [large, small] = [shape(EXECUTIONS), shape(EXECUTIONS / 10)];
  const rounds = Array.from({ length: ROUNDS }, () => ({ large: run(large), small: run(small) }));
  const ratios = rounds.map((round) => round.large.eventUs / round.small.eventUs);
  const planMs = median(rounds.map((round) => round.large.planMs));
  const eventUs = median(rounds.map((round) => round.large.eventUs));
  process.stderr.write(
    `${name}: an event among ${EXECUTIONS} costs ${spread(ratios)} of one among ${EXECUTIONS / 10}; ` +
      `planned in ${planMs.toFixed(0)} ms, ${eventUs.toFixed(1)} us an event\n`,
  );
  const result = { bench: 'planner', shape: name, executions: EXECUTIONS, planMs, eventUs };
  process.stdout.write(`${JSON.stringify({ ...result, ratio: median(ratios) })}\n`);
}
