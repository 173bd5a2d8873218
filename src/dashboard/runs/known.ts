/** Known failures of the area, for every page that shows results. */
import type { QuarantineEntry } from '../../protocol/run-files.ts';
import { type InQuarantine, knownFailures } from '../../report/quarantine.ts';
import { type Asked, useAsk } from '../ask.ts';

export type Quarantine = Asked<{ readonly entries: readonly QuarantineEntry[] }> & {
  readonly entries: readonly QuarantineEntry[];
  /** The entry that a result stands in, also one that has ended. */
  readonly of: InQuarantine<QuarantineEntry>;
};

export function useQuarantine(): Quarantine {
  const asked = useAsk<{ readonly entries: readonly QuarantineEntry[] }>('/runs/v1/quarantine');
  const entries = asked.answer?.entries ?? [];
  return { ...asked, entries, of: knownFailures(entries, null) };
}

/** `until 31 Jan 2027`, or that it has ended. */
export function untilText({ until }: Pick<QuarantineEntry, 'until'>, nowMs: number): string {
  const day = new Date(until).toISOString().slice(0, 10);
  return nowMs < until ? `until ${day}` : `ended ${day}: counts again`;
}
