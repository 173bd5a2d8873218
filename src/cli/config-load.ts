/**
 * Reads the settings: flags win over the environment, which wins over the file, which wins over defaults.
 * Whatever is wrong is reported at once, all of it, with where it came from.
 */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { messageOf, TidelockError } from '../core/errors.ts';
import { SETTING_LIST, SETTINGS, type Setting, type SettingName, type Settings } from './config.ts';
import { collect } from './options.ts';

const ENV_PREFIX = 'TIDELOCK_';
const TYPO_DISTANCE_MAX = 2;
const FILE_BYTES_MAX = 1024 * 1024;

export type ConfigSources = {
  /** Path given with `--config`. */
  readonly file: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** By flag name, as commander collected them. */
  readonly flags: Readonly<Record<string, unknown>>;
};

type Found = { readonly value: unknown; readonly from: string };

/** Adds the flags of these settings (all by default) and `--config`. */
export function addSettingFlags(command: Command, names?: readonly SettingName[]): Command {
  for (const setting of SETTING_LIST) {
    if (setting.flagName === undefined) continue;
    if (names !== undefined && !names.includes(setting.name)) continue;
    const flags = `--${setting.flagName} ${setting.metavar ?? ''}`.trim();
    if (setting.isList) command.option(flags, setting.help, collect);
    else command.option(flags, helpOf(setting));
  }
  return command.option('--config <file>', 'JSON file with settings');
}

/** One line per setting, for `--help`: its name in the file and in the environment, and its default. */
export function settingsHelp(): string {
  const rows = SETTING_LIST.map((setting) => [setting.name, setting.env, helpOf(setting)] as const);
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map(
    ([name, env, help]) =>
      `  ${name.padEnd(widths[0] ?? 0)}  ${env.padEnd(widths[1] ?? 0)}  ${help}`,
  );
  return `\nSettings (in the file, in the environment):\n${lines.join('\n')}\n`;
}

/** Throws `BAD_CONFIG` with every problem. */
export function loadSettings(sources: ConfigSources): Settings {
  const problems: string[] = [];
  const found = new Map<string, Found>();
  readFile(sources.file, found, problems);
  readEnvironment(sources.environment, found, problems);
  for (const { name, flagName } of SETTING_LIST) {
    const value = flagName === undefined ? undefined : sources.flags[camel(flagName)];
    if (value !== undefined) found.set(name, { value, from: `--${flagName}` });
  }
  const values = Object.fromEntries([...found].map(([name, { value }]) => [name, value]));
  const parsed = SETTINGS.safeParse(values);
  for (const issue of parsed.error?.issues ?? []) {
    const [name = '', ...rest] = issue.path.map(String);
    const where = [name, ...rest].join('.');
    problems.push(`${where} (${found.get(name)?.from ?? 'default'}): ${issue.message}`);
  }
  if (problems.length > 0 || parsed.data === undefined) throw badConfig(problems);
  return parsed.data;
}

/** The settings as they may be shown: secrets are covered. */
export function redacted(settings: Settings): Record<string, unknown> {
  return Object.fromEntries(
    SETTING_LIST.map(({ name, isSecret }) => {
      const value = settings[name];
      if (isSecret !== true) return [name, value];
      if (Array.isArray(value)) return [name, value.map(() => '***')];
      return [name, typeof value === 'string' ? withoutPassword(value) : value];
    }),
  );
}

/** A URL without its password. Anything that is no URL is covered whole. */
export function withoutPassword(url: string): string {
  try {
    const parsed = new URL(url);
    if (parsed.password !== '') parsed.password = '***';
    if (parsed.searchParams.has('password')) parsed.searchParams.set('password', '***');
    return parsed.href;
  } catch {
    return '***';
  }
}

export function badConfig(problems: readonly string[]): TidelockError {
  const count = problems.length === 1 ? '1 setting is' : `${problems.length} settings are`;
  return new TidelockError({
    code: 'BAD_CONFIG',
    message: `${count} wrong:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`,
    hint: 'all settings: tidelock serve --help; the ones in force: tidelock serve --print-config',
  });
}

function helpOf({ help, byDefault }: Setting): string {
  if (byDefault === undefined || Array.isArray(byDefault)) return help;
  return `${help} (default: ${String(byDefault)})`;
}

function readFile(path: string | undefined, found: Map<string, Found>, problems: string[]): void {
  if (path === undefined) return;
  const content = parseFile(path, problems);
  for (const [name, value] of Object.entries(content)) {
    if (Object.hasOwn(SETTINGS.shape, name)) found.set(name, { value, from: path });
    else problems.push(`${name} (${path}): there is no such setting${suggestion(name, namesOf)}`);
  }
}

function parseFile(path: string, problems: string[]): object {
  try {
    const content = readFileSync(path, 'utf8');
    if (content.length > FILE_BYTES_MAX)
      throw new Error(`it has more than ${FILE_BYTES_MAX} bytes`);
    const parsed: unknown = JSON.parse(content);
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed;
    throw new Error('it is not a JSON object');
  } catch (error) {
    problems.push(`--config ${path}: ${messageOf(error)}`);
    return {};
  }
}

/** Other programs of ours read the environment too, so only near misses are refused. */
function readEnvironment(
  environment: ConfigSources['environment'],
  found: Map<string, Found>,
  problems: string[],
): void {
  const byEnv = new Map(SETTING_LIST.map((setting) => [setting.env, setting]));
  for (const [env, value] of Object.entries(environment)) {
    if (!env.startsWith(ENV_PREFIX) || value === undefined) continue;
    const setting = byEnv.get(env);
    if (setting !== undefined) {
      found.set(setting.name, { value: listed(setting, value), from: env });
      continue;
    }
    const near = suggestion(env, (known) => known.env, ENV_PREFIX);
    if (near !== '') problems.push(`${env}: there is no such setting${near}`);
  }
}

function listed({ isList, separator }: Setting, value: string): unknown {
  if (!isList || separator === undefined) return value;
  return value.split(separator).filter((part) => part !== '');
}

const namesOf = (setting: Setting): string => setting.name;

/** `; did you mean X?`, or nothing when no name is near. `prefix` is common to all names. */
function suggestion(wrong: string, nameOf: (setting: Setting) => string, prefix = ''): string {
  const limit = Math.max(TYPO_DISTANCE_MAX, Math.floor((wrong.length - prefix.length) / 4));
  let best: { name: string; distance: number } | null = null;
  for (const setting of SETTING_LIST) {
    const name = nameOf(setting);
    const distance = editDistance(wrong.toLowerCase(), name.toLowerCase());
    if (distance <= limit && distance < (best?.distance ?? Infinity)) best = { name, distance };
  }
  return best === null ? '' : `; did you mean ${best.name}?`;
}

/** Insertions, deletions and replacements that lead from one text to the other. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}

function camel(flagName: string): string {
  return flagName.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
