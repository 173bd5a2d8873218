/** What the doctor reports. */

export type Finding = {
  /** What was looked at: `wal_level`, `table public.cities`. */
  readonly check: string;
  readonly level: 'ok' | 'warn' | 'fail';
  readonly found: string;
  readonly meaning: string;
  /** The exact statement, or empty when there is nothing to do. */
  readonly remedy: string;
};

export function ok(check: string, found: string): Finding {
  return { check, level: 'ok', found, meaning: '', remedy: '' };
}

export function warn(check: string, found: string, meaning: string, remedy: string): Finding {
  return { check, level: 'warn', found, meaning, remedy };
}

export function fail(check: string, found: string, meaning: string, remedy: string): Finding {
  return { check, level: 'fail', found, meaning, remedy };
}
