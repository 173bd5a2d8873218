/** What the end of a step means, and the steps of a test together. */
import { isWorse } from '../../planner/rollup.ts';
import type { Exit } from '../processes/process-group.ts';

/** Exit codes of scripts that decide about themselves. */
const SCRIPT_STATUS = ['PASS', 'FAIL', 'WARN', 'CHECK', 'WAIVED', 'ABORT', 'SKIP'];

export type StepVerdict = {
  readonly status: string;
  /** Rules gave another verdict than the exit code. */
  readonly isMasked: boolean;
  readonly comment: string;
};

export type LogVerdict = { readonly status: string; readonly comment: string };

export type StepFacts = {
  readonly exit: Exit;
  /** Of its rules; null: it has none. */
  readonly byRules: LogVerdict | null;
  readonly ignoresExit: boolean;
  readonly isScript: boolean;
  /** In imported areas rules stand above the exit code. */
  readonly isCompatible: boolean;
};

export function verdictOf(facts: StepFacts): StepVerdict {
  const { exit, byRules } = facts;
  if (facts.isScript) return scriptVerdict(exit);
  const isFailed = exit.code !== 0;
  if (byRules === null) {
    const status = isFailed && !facts.ignoresExit ? 'FAIL' : 'PASS';
    return { status, isMasked: false, comment: isFailed ? exitText(exit) : '' };
  }
  if (!isFailed) return { ...byRules, isMasked: false };
  const isMasking = facts.isCompatible || facts.ignoresExit || !goesOn(byRules.status);
  if (!isMasking) return { status: 'FAIL', isMasked: false, comment: exitText(exit) };
  const text = goesOn(byRules.status) ? `${exitText(exit)} masked by rules` : exitText(exit);
  const comment = [byRules.comment, text].filter((part) => part !== '').join('; ');
  return { status: byRules.status, isMasked: goesOn(byRules.status), comment };
}

function scriptVerdict(exit: Exit): StepVerdict {
  const status = exit.signal === null ? (SCRIPT_STATUS[exit.code] ?? 'FAIL') : 'FAIL';
  return { status, isMasked: false, comment: exit.code === 0 ? '' : exitText(exit) };
}

function exitText({ code, signal }: Exit): string {
  return signal === null ? `exit ${code}` : `exit ${code} (signal ${signal})`;
}

/** The next step runs after these only. */
export function goesOn(status: string): boolean {
  return status === 'PASS' || status === 'WARN';
}

/**
 * Of steps one after the other: the first that stopped it decides, else a warning stays. Where steps go on behind one
 * that is bad (its result is an earlier attempt's), the worse of both.
 */
export function together(soFar: string, status: string): string {
  if (!goesOn(soFar)) return goesOn(status) || !isWorse(status, soFar) ? soFar : status;
  return soFar === 'WARN' && status === 'PASS' ? 'WARN' : status;
}
