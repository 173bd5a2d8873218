/** Judges a made-up run: writes its folder, perhaps spoils it, and removes it. */
import type { Verdict, VerdictFile } from '../../../../src/bench/stress/evidence.ts';
import { judge } from '../../../../src/bench/stress/judge/judge.ts';
import type { Put, Step, SyntheticRun } from './synthetic-run.ts';

export const SEED = 7;

export async function judged(
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

export function verdictOf({ properties }: VerdictFile, property: string): Verdict {
  const found = properties.find((one) => one.property === property);
  if (found === undefined) throw new Error(`no verdict of ${property}`);
  return found;
}

export function failed({ properties }: VerdictFile): readonly string[] {
  return properties.filter(({ verdict }) => verdict === 'fail').map(({ property }) => property);
}

export function faultOn({ fault }: SyntheticRun, name: string, t = 20): void {
  const one = { id: `1-${name}`, fault: name, target: 'somebody' };
  fault.push({ t, ...one, kind: 'start', parameters: {} });
  fault.push({ t: t + 1, ...one, kind: 'effect', effect: 'gone' });
  fault.push({ t: t + 5, ...one, kind: 'end', ok: true, ms: 5 });
}

/** The first step of a kind after some that the test wants to be right. */
export function find(steps: readonly Step[], is: (step: Step) => boolean): number {
  const index = steps.findIndex((step, at) => at > 4 && is(step));
  if (index < 0) throw new Error('this history has no such step');
  return index;
}

export function replace(steps: readonly Step[], at: number, puts: readonly Put[]): readonly Step[] {
  return steps.map((step, index) => (index === at ? { ...step, puts } : step));
}
