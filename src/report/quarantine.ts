/**
 * Tests known to be flaky: their failures stay visible and do not make a run fail, until a day.
 *
 * A line per entry: `PATTERN OWNER YYYY-MM-DD REASON...`; `#` begins a comment. From the day on (UTC) the entry no
 * longer counts, so nothing is forgotten in quarantine.
 */
import { TidelockError } from '../core/errors.ts';

export type Quarantined = {
  /** In the language of selections. */
  readonly pattern: string;
  readonly owner: string;
  /** Milliseconds since 1970; the first moment at which it does not count. */
  readonly until: number;
  readonly reason: string;
};

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
