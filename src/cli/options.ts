/** Options that several commands share. */
import { randomInt } from 'node:crypto';
import { basename, delimiter, dirname, relative } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';

/** How this program is called again from here: by its name when it is in the PATH, else by its path. */
export function programName(): string {
  const program = process.argv[1] ?? 'tidelock';
  const folders = (process.env.PATH ?? '').split(delimiter);
  if (folders.includes(dirname(program))) return basename(program);
  const short = relative(process.cwd(), program);
  return short.startsWith('..') || short === '' ? program : short;
}

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

/** A whole number from 1 to 100: processes, connections. */
export function smallCountOption(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 100) return value;
  throw new InvalidArgumentError('a whole number from 1 to 100 is needed.');
}

const SEED_MAX = 2 ** 30;

/** A whole number that fits the generator. */
export function seedOption(text: string): number {
  const seed = Number(text);
  if (Number.isInteger(seed) && seed >= 0 && seed < SEED_MAX) return seed;
  throw new InvalidArgumentError(`a whole number from 0, below ${SEED_MAX}, is needed.`);
}

const MS_PER: Readonly<Record<string, number>> = { '': 1000, s: 1000, m: 60_000, h: 3_600_000 };
const DAY_MS = 86_400_000;

/** `20`, `90s`, `5m`, `1h`, up to a day; in milliseconds. */
export function durationOption(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([smh]?)$/.exec(text.trim());
  const ms = Number(match?.[1]) * (MS_PER[match?.[2] ?? ''] ?? Number.NaN);
  if (ms >= 1000 && ms <= DAY_MS) return ms;
  throw new InvalidArgumentError('a time from 1s to 24h is needed: 20, 90s, 5m, 1h.');
}

const AGO_MS: Readonly<Record<string, number>> = {
  ...{ s: 1000, m: 60_000, h: 3_600_000, d: DAY_MS, w: 7 * DAY_MS },
};

/** `90m`, `2d` before now, a date, or seconds since 1970; as milliseconds since 1970. */
export function sinceOption(text: string): number {
  const [, count = '', unit = ''] = /^(\d+)([smhdw])$/.exec(text.trim()) ?? [];
  const ago = Number(count) * (AGO_MS[unit] ?? Number.NaN);
  const at =
    count !== ''
      ? Date.now() - ago
      : /^\d{9,11}$/.test(text)
        ? Number(text) * 1000
        : Date.parse(text);
  if (Number.isFinite(at)) return at;
  throw new InvalidArgumentError('90s, 15m, 2h, 3d, 1w, a date or seconds since 1970 is needed.');
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

/** A path as it is seen from here, when it is below. */
export function shortPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith('..') || short === '' ? path : short;
}

/** The words of a command that does this again. */
export function commandLine(...words: readonly string[]): string {
  const quoted = words.map((word) =>
    /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`,
  );
  return [programName(), 'runs', ...quoted].join(' ');
}

const RANDOM_MAX = 2 ** 47;

/** In [0, 1), not to be guessed: for secrets. */
export function strongRandom(): number {
  return randomInt(RANDOM_MAX) / RANDOM_MAX;
}
