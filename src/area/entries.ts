/** Reading of values out of a configuration: numbers, lists, pairs. */
import { durationS } from './durations.ts';
import { unfit } from './errors.ts';
import type { Config, Entry, StateStatus } from './types.ts';

export function entriesOf(config: Config, section: string): readonly Entry[] {
  return config.sections.get(section)?.entries ?? [];
}

export function entryOf(config: Config, section: string, key: string): Entry | null {
  return entriesOf(config, section).find((entry) => entry.key === key) ?? null;
}

/** Null when the key is not there, or has no value. */
export function textOf(config: Config, section: string, key: string): string | null {
  const value = entryOf(config, section, key)?.value.trim() ?? '';
  return value === '' ? null : value;
}

/** A number, or null. Throws AREA_UNFIT. */
export function numberOf(config: Config, section: string, key: string): number | null {
  const entry = entryOf(config, section, key);
  if (entry === null || entry.value.trim() === '') return null;
  const value = Number(entry.value.trim());
  if (Number.isFinite(value)) return value;
  throw unfit(`${key} is no number: ${entry.value}`, entry.origin);
}

/** A whole number from 1; null when there is none. Throws AREA_UNFIT. */
export function countOf(entry: Entry | null): number | null {
  if (entry === null || entry.value.trim() === '') return null;
  const value = Number(entry.value.trim());
  if (Number.isInteger(value) && value >= 1) return value;
  throw unfit(`${entry.key} is no whole number from 1: ${entry.value}`, entry.origin);
}

/** A whole number from 0 to `max`; null when there is none. Throws AREA_UNFIT. */
export function wholeOf(entry: Entry | null, max: number): number | null {
  if (entry === null || entry.value.trim() === '') return null;
  const value = Number(entry.value.trim());
  if (Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw unfit(`${entry.key} is no whole number from 0 to ${max}: ${entry.value}`, entry.origin);
}

export function durationOf(config: Config, section: string, key: string): number | null {
  const entry = entryOf(config, section, key);
  if (entry === null || entry.value.trim() === '') return null;
  return durationS(entry.value, entry.origin);
}

/** Words between blanks. `#f` is what an unset variable leaves behind in areas of Megatest. */
export function wordsOf(text: string): readonly string[] {
  return text.split(/\s+/).filter((word) => word !== '' && word !== '#f');
}

/** `COMPLETED/FAIL` */
export function stateStatusOf(text: string): StateStatus {
  const at = text.indexOf('/');
  if (at < 0) return { state: text, status: '' };
  return { state: text.slice(0, at), status: text.slice(at + 1) };
}
