/** Performs the plan: two lanes side by side, one fault after the other in each. */
import type { PlannedFault } from './plan.ts';
import type { Running, Stage } from './run.ts';

export async function runFaults(
  _stage: Stage,
  _running: Running,
  _when: { readonly plan: readonly PlannedFault[]; readonly endMs: number },
): Promise<void> {}
