/** Tells the run manager what is disturbed, where this is a step of a test: its helper is in the environment. */
import { execFile } from 'node:child_process';
import type { FaultNews } from '../bench/stress/run.ts';

/** One call after the other: ends must not overtake beginnings. A call that fails is not repeated; the evidence has all of it. */
export function faultTeller(environment: NodeJS.ProcessEnv): (news: FaultNews) => void {
  const { MT_MEGATEST: helper, TIDELOCK_CALLS: calls } = environment;
  if (helper === undefined || calls === undefined) return () => undefined;
  let before = Promise.resolve();
  return ({ fault, target, state, words }) => {
    const args = ['-fault', fault, ':state', state, ':target', target, '-m', words];
    before = before.then(
      () => new Promise((resolve) => execFile(helper, args, () => resolve(undefined))),
    );
  };
}
