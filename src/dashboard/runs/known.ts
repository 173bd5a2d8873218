/** Known failures of the area, for every page that shows results. */
import { useMemo } from 'preact/hooks';
import type { QuarantineEntry } from '../../protocol/run-files.ts';
import { compileForPage } from '../../report/page-patterns.ts';
import { type InQuarantine, knownFailures } from '../../report/quarantine.ts';
import type { ApiError } from '../api.ts';
import { useAsk } from '../ask.ts';

const OPTIONS = { now: null, compile: compileForPage };

export type Quarantine = {
  readonly entries: readonly QuarantineEntry[];
  readonly error: ApiError | null;
  /** The entry that a result stands in, also one that has ended. */
  readonly of: InQuarantine<QuarantineEntry>;
};

export function useQuarantine(): Quarantine {
  const { answer, error } = useAsk<{ readonly entries: readonly QuarantineEntry[] }>(
    '/runs/v1/quarantine',
  );
  const entries = answer?.entries ?? [];
  const of = useMemo(() => {
    const usable = entries.filter((entry) => matcherOf(entry) !== null);
    return knownFailures(usable, OPTIONS);
  }, [answer]);
  return { entries, error, of };
}

/** Null: its pattern cannot be used. */
export function matcherOf(entry: QuarantineEntry): InQuarantine<QuarantineEntry> | null {
  try {
    return knownFailures([entry], OPTIONS);
  } catch {
    return null;
  }
}

/** The two parts of `test/item path`. */
export function partsOfExec(exec: string): { readonly name: string; readonly itemPath: string } {
  const [name = '', ...items] = exec.split('/');
  return { name, itemPath: items.join('/') };
}

/** `until 2027-01-31`, or that it has ended. */
export function untilText({ until }: Pick<QuarantineEntry, 'until'>, nowMs: number): string {
  const day = new Date(until).toISOString().slice(0, 10);
  return nowMs < until ? `until ${day}` : `ended ${day}: counts again`;
}
