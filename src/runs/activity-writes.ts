/** What the activity of a run writes of an execution that does not run, or not yet. */
import type { StatePair } from '../planner/rows.ts';
import type { RunWrite } from '../planner/run-store.ts';
import { NEVER_STARTED, type NeverStarted, type TransitionEvent } from '../planner/states.ts';

type Reset = {
  readonly reason: string;
  /** It may still be of another configuration than the one that is written now. */
  readonly keepsStale: boolean;
  /** Whose results go; null: all. */
  readonly steps: readonly string[] | null;
};

/** It is to run again. */
export function resetWrites(
  testId: number,
  { reason, keepsStale, steps }: Reset,
): readonly RunWrite[] {
  const gone = { exitCode: null, cpuMs: null, rssMaxBytes: null, endedAt: null, startedAt: null };
  const facts = { ...gone, comment: '', ...(keepsStale ? {} : { isStale: false }) };
  return [
    { kind: 'transition', testId, event: { kind: 'reset' }, facts, cause: reason },
    { kind: 'clearTest', testId, steps },
  ];
}

/** It has a result without having run. */
export function settlingWrite(testId: number, pair: StatePair, cause: string): RunWrite {
  const isKnown = (NEVER_STARTED as readonly string[]).includes(pair.status);
  const event: TransitionEvent = isKnown
    ? { kind: 'settle', status: pair.status as NeverStarted }
    : { kind: 'force', to: pair };
  return { kind: 'transition', testId, event, facts: { comment: cause }, cause };
}
