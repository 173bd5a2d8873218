/** Whether a prerequisite satisfies its dependent: tables 5.1 and 5.3 of docs/planner.md. */
import type { Mode } from '../area/types.ts';
import type { StatePair } from './rows.ts';
import type { Verdict } from './state.ts';
import { hasEnded, isGood, isTerminal } from './states.ts';

/**
 * `fail`: it ran and is not good enough, its dependent becomes PREQ_FAIL. `discard`: it will never run, its
 * dependent becomes PREQ_DISCARDED. Null stands for what is still open.
 */
export function verdictOf(mode: Mode, prerequisite: StatePair | null): Verdict {
  if (prerequisite === null || !isTerminal(prerequisite)) return 'wait';
  if (!hasEnded(prerequisite)) return 'discard';
  if (mode === 'toplevel' || mode === 'itemwait-toplevel') return 'met';
  return isGood(prerequisite) ? 'met' : 'fail';
}
