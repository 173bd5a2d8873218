/**
 * What starts the steps of a test, where it is not the runner itself: `[jobtools] launcher`, or with `flexi-launcher`
 * one by `test/item`: `[launchers] PATTERN HOST-TYPE`, `[host-types] HOST-TYPE COMMAND`, `[hosts] HOST-TYPE NAMES`.
 */
import { messageOf } from '../core/errors.ts';
import { entriesOf, entryOf, textOf, wordsOf } from './entries.ts';
import { unfit } from './errors.ts';
import { compilePatterns, matches } from './patterns.ts';
import type { Config, Entry, Launchers } from './types.ts';

/** Comes with Megatest, to put a command into the background: where a runner lives, there is no need to. */
const BACKGROUND = 'nbfake';

export const NO_LAUNCHERS: Launchers = { standard: null, byPattern: [] };

/** Throws AREA_UNFIT for a pattern that is none, and for a host type that has no command. */
export function readLaunchers(config: Config): Launchers {
  const standard = commandOf(textOf(config, 'jobtools', 'launcher'));
  const byPattern = isFlexible(config) ? entriesOf(config, 'launchers') : [];
  return { standard, byPattern: byPattern.map((entry) => byPatternOf(config, entry)) };
}

function commandOf(text: string | null): string | null {
  return text !== null && wordsOf(text)[0] === BACKGROUND ? null : text;
}

export function isFlexible(config: Config): boolean {
  const word = textOf(config, 'jobtools', 'flexi-launcher')?.toLowerCase() ?? 'no';
  return word !== 'no';
}

function byPatternOf(config: Config, entry: Entry): Launchers['byPattern'][number] {
  const name = entry.value.trim();
  const command = textOf(config, 'host-types', name);
  if (command === null) {
    const hint = `add to [host-types] a line: ${name || 'NAME'} COMMAND`;
    throw unfit(`${name || 'nothing'} is no host type with a command`, entry.origin, hint);
  }
  const hosts = wordsOf(entryOf(config, 'hosts', name)?.value ?? '');
  checkPattern(entry);
  return { pattern: entry.key, type: { command: commandOf(command), hosts } };
}

function checkPattern({ key, origin }: Entry): void {
  try {
    compilePatterns(key);
  } catch (error) {
    throw unfit(messageOf(error), origin);
  }
}

/** `turn`: a number that differs from execution to execution; takes one host after the other. */
export function launcherFor(
  { standard, byPattern }: Launchers,
  { test, itemPath, turn }: { readonly test: string; readonly itemPath: string; turn: number },
): { readonly command: string; readonly host: string | null } | null {
  const found = byPattern.find(({ pattern }) => matches(compilePatterns(pattern), test, itemPath));
  const { command, hosts } = found?.type ?? { command: standard, hosts: [] };
  if (command === null) return null;
  return { command, host: hosts[turn % Math.max(1, hosts.length)] ?? null };
}
