/** Options that several commands share. */
import { type Command, InvalidArgumentError } from 'commander';

/** For options that may be given several times. */
export function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value];
}

/** `--token`, or TIDELOCK_TOKEN. */
export function tokenOf(flag: string | undefined): string | undefined {
  return flag ?? process.env.TIDELOCK_TOKEN;
}

/** A whole number from 1 to a million. */
export function countOption(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 1_000_000) return value;
  throw new InvalidArgumentError('a whole number from 1 to 1000000 is needed.');
}

/** Seconds, up to a day. */
export function secondsOption(text: string): number {
  const value = Number(text);
  if (value > 0 && value <= 86_400) return value;
  throw new InvalidArgumentError('a number of seconds, up to 86400, is needed.');
}

/**
 * Ends with a usage error when one of these options is missing. Not commander's own `requiredOption`: that
 * complains first, and hides that the option was there, but misspelt.
 */
export function requireOptions(command: Command, names: readonly string[]): void {
  for (const option of command.options) {
    if (!names.includes(option.attributeName())) continue;
    if (command.getOptionValue(option.attributeName()) !== undefined) continue;
    command.error(`error: required option '${option.flags}' not specified`);
  }
}
