/** Which results that are there already run again when a run is started. */
import { matches, type Patterns } from '../area/patterns.ts';
import type { StateStatus, TestDef } from '../area/types.ts';
import { isActive, isGood, isWaiting } from './states.ts';
import type { RerunRule } from './types.ts';

export type RerunDecision =
  /** It waits or is adopted as it is. */
  | { readonly kind: 'goesOn' }
  | {
      readonly kind: 'again';
      readonly reason: string;
      readonly cleans: boolean;
      /** Some of its steps. */
      readonly isPart: boolean;
    }
  | { readonly kind: 'kept'; readonly reason: string };

/** `-rerun-clean` keeps these. */
const CLEAN_KEEPS: ReadonlySet<string> = new Set(['PASS', 'WARN', 'WAIVED']);

/** `chosen` picks by name: for one execution it is all or nothing. `chosen`: the patterns of the rule. */
export function ruleFor(
  rule: RerunRule,
  chosen: Patterns,
  { test, itemPath }: { readonly test: string; readonly itemPath: string },
): RerunRule {
  if (rule.kind !== 'chosen') return rule;
  return matches(chosen, test, itemPath) ? rule : { kind: 'none' };
}

/** They have a work area in which a step can run again. */
const HAS_STEPS: ReadonlySet<string> = new Set(['COMPLETED', 'INCOMPLETE', 'KILLED', 'STUCK']);

/** Its work area is there, with steps that have ended. */
export function hasSteps(state: string): boolean {
  return HAS_STEPS.has(state);
}

/** The script comes first, named by its file. */
export function stepNamesOf({
  runScript,
  steps,
}: Pick<TestDef, 'runScript' | 'steps'>): readonly string[] {
  const names = steps.map(({ name }) => name);
  return runScript === null ? names : [scriptName(runScript), ...names];
}

export function scriptName(runScript: string): string {
  return runScript.split(' ', 1)[0]?.split('/').at(-1) || 'script';
}

/** What a rule about steps needs to know of an execution. */
export type StepFacts = {
  /** The pattern names it: it was not only pulled in. */
  readonly isNamed: boolean;
  readonly steps: readonly string[];
};

/**
 * What becomes of a result at `old`. Dependents of what fails and runs again (`failed` with `downstream`) are
 * the caller's: only the graph knows them.
 */
export function rerunDecision(
  old: StateStatus,
  rule: RerunRule,
  autoRerun: readonly StateStatus[],
  facts: StepFacts | null = null,
): RerunDecision {
  if (isActive(old) || isWaiting(old)) return { kind: 'goesOn' };
  const shown = `${old.state}/${old.status}`;
  if (rule.kind === 'resume') return { kind: 'kept', reason: `${shown}, and the run goes on` };
  if (old.state === 'REMOVING') return { kind: 'kept', reason: 'it is being removed' };
  if (rule.kind === 'steps' && hasSteps(old.state) && facts?.isNamed === true) {
    if (!facts.steps.includes(rule.step))
      return { kind: 'kept', reason: `${shown}, and it has no step ${rule.step}` };
    const reason = `${shown}, again ${rule.isOnly ? 'only its step' : 'from its step'} ${rule.step}`;
    return { kind: 'again', reason, cleans: false, isPart: true };
  }
  if (['NOT_STARTED', 'INCOMPLETE', 'DELETED'].includes(old.state)) {
    return again(`${shown} always runs again`, rule);
  }
  if (isNamed(old, autoRerun)) return again(`allow-auto-rerun names ${shown}`, rule);
  const why = reasonOf(old, rule);
  if (why !== null) return again(`${shown}, ${why}`, rule);
  return { kind: 'kept', reason: `${shown}, and no rerun of it was asked for` };
}

function again(reason: string, rule: RerunRule): RerunDecision {
  return { kind: 'again', reason, cleans: rule.kind === 'clean', isPart: false };
}

/** Null: it stays. */
function reasonOf(old: StateStatus, rule: RerunRule): string | null {
  switch (rule.kind) {
    case 'chosen':
      return 'and it was chosen';
    case 'all':
      return 'and all are to run again';
    case 'clean':
      return old.state === 'COMPLETED' && CLEAN_KEEPS.has(old.status)
        ? null
        : 'and a clean rerun was asked for';
    case 'failed':
      return isGood(old) ? null : 'and what failed is to run again';
    case 'matching': {
      const name = rule.names.find((text) => text === old.status || text === old.state);
      return name === undefined ? null : `and ${name} is to run again`;
    }
    default:
      return null;
  }
}

function isNamed(old: StateStatus, pairs: readonly StateStatus[]): boolean {
  return pairs.some(({ state, status }) => state === old.state && status === old.status);
}
