/**
 * Tests known to be flaky: their failures stay visible and do not make a run fail, until a day.
 *
 * A line per entry: `PATTERN OWNER YYYY-MM-DD REASON...`; `#` begins a comment. From the day on (UTC) the entry no
 * longer counts, so nothing is forgotten in quarantine.
 */
import { matches, type Patterns } from '../area/patterns.ts';
import { TidelockError } from '../core/errors.ts';
import type { TestRow } from '../planner/rows.ts';

export type Quarantined = {
  /** In the language of selections. */
  readonly pattern: string;
  readonly owner: string;
  /** Milliseconds since 1970; the first moment at which it does not count. */
  readonly until: number;
  readonly reason: string;
};

/** Whether a result is of an entry, in time or not. */
export type InQuarantine<Entry> = (row: Pick<TestRow, 'name' | 'itemPath'>) => Entry | null;

export type KnownOptions = {
  /** Milliseconds since 1970; null: also entries that have ended. */
  readonly now: number | null;
  readonly compile: (pattern: string) => Patterns;
};

/** The entry that a result stands in now, or null. */
export function knownFailures<Entry extends Pick<Quarantined, 'pattern' | 'until'>>(
  quarantine: readonly Entry[],
  { now, compile }: KnownOptions,
): InQuarantine<Entry> {
  const entries = quarantine
    .filter(({ until }) => now === null || now < until)
    .map((entry) => ({ entry, patterns: compile(entry.pattern) }));
  return ({ name, itemPath }) =>
    entries.find(({ patterns }) => matches(patterns, name, itemPath))?.entry ?? null;
}

const LINE = /^(\S+)\s+(\S+)\s+(\d{4}-\d{2}-\d{2})(?:\s+(.*))?$/;

/** Throws BAD_CONFIG with file and line. */
export function parseQuarantine(text: string, file: string): Quarantined[] {
  return text.split('\n').flatMap((raw, index) => {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) return [];
    const [, pattern = '', owner = '', day = '', reason = ''] = LINE.exec(line) ?? [];
    const until = day === '' ? Number.NaN : Date.parse(`${day}T00:00:00Z`);
    if (Number.isNaN(until) || reason === '') throw bad(file, index + 1, line);
    return [{ pattern, owner, until, reason }];
  });
}

function bad(file: string, line: number, text: string): TidelockError {
  return new TidelockError({
    code: 'BAD_CONFIG',
    message: `${file}:${line} is no entry of a quarantine: ${text}`,
    hint: 'write PATTERN OWNER YYYY-MM-DD REASON, for example: net/% ann 2027-01-31 flaky port',
  });
}
