/** What both forms of log rules share. */
import type { Comparator, LogRule, LogRules, RuleKind } from './types.ts';

/** The section that is the whole log. */
export const BODY = 'LogFileBody';

export type RulesDraft = {
  readonly sections: LogRules['sections'][number][];
  readonly rules: LogRule[];
};

/** How many lines a rule without a count wants. */
export function standardCount(kind: RuleKind): { comparator: Comparator; count: number } {
  if (kind === 'required') return { comparator: '>=', count: 1 };
  return kind === 'ignore' ? { comparator: '>=', count: 0 } : { comparator: '=', count: 0 };
}
