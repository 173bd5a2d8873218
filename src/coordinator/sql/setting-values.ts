/** Settings and their values: what SHOW, `current_setting` and `pg_settings` tell. */
import type { Context } from './context.ts';
import type { Isolation } from './determine.ts';
import { timeoutText } from './timeout-text.ts';

export const ISOLATIONS: ReadonlyMap<string, Isolation> = new Map([
  ['strict serializable', 'strict'],
  ['strong session serializable', 'session'],
  ['serializable', 'serializable'],
]);

/** Kept for whoever asks, without any effect. The value is the one that holds where nothing was set. */
export const KEPT: ReadonlyMap<string, string> = new Map([
  ['application_name', ''],
  ['bytea_output', 'hex'],
  ['client_encoding', 'UTF8'],
  ['client_min_messages', 'notice'],
  ['datestyle', 'ISO, MDY'],
  ['default_transaction_read_only', 'off'],
  ['extra_float_digits', '1'],
  ['integer_datetimes', 'on'],
  ['intervalstyle', 'postgres'],
  ['server_encoding', 'UTF8'],
  ['standard_conforming_strings', 'on'],
  ['timezone', 'UTC'],
]);

/** Those whose only value is the one they have. */
export const FIXED: ReadonlySet<string> = new Set([
  'client_encoding',
  'datestyle',
  'intervalstyle',
  'standard_conforming_strings',
  'timezone',
]);

const OWN = ['database', 'search_path', 'statement_timeout', 'transaction_isolation'];

/** Whose settings. */
export type Names = Pick<Context, 'state' | 'session'>;

/** Null for a name that is none. */
export function findSetting({ state, session }: Names, variable: string): string | null {
  const name = variable.toLowerCase().replaceAll(' ', '_');
  if (name === 'database') return session.database;
  if (name === 'schema' || name === 'search_path') return session.schema;
  if (name === 'transaction_isolation' || name === 'transaction_isolation_level') {
    return [...ISOLATIONS].find(([, level]) => level === session.isolation)?.[0] ?? '';
  }
  if (name === 'statement_timeout') return timeoutText(session.timeoutMs);
  const told = state.options.settings.find(([told]) => told === name)?.[1];
  return told ?? session.settings.get(name) ?? KEPT.get(name) ?? null;
}

/** All of them, by name. */
export function allSettings(names: Names): readonly (readonly [name: string, value: string])[] {
  const known = [...names.state.options.settings.map(([name]) => name), ...KEPT.keys(), ...OWN];
  return known.sort().map((name) => [name, findSetting(names, name) ?? '']);
}
