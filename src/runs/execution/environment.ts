/** The environment that a test can count on, and its dumps for people who want to run a step by hand. */
import { rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Area, Environment, Item } from '../../area/types.ts';
import type { Place } from './work-area.ts';

/** Names that a shell takes; others are given to processes but not to the dumps. */
const SHELL_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Of the shell itself: a dump that set them would change whoever sources it. */
const NOT_DUMPED: ReadonlySet<string> = new Set(['PWD', 'OLDPWD', 'SHLVL', '_', 'TERM', 'TTY']);

/** Processes of an execution carry it, whatever group they are in. */
export const EXECUTION_VARIABLE = 'TIDELOCK_EXECUTION';
/** Where the helper writes its calls. */
const CALLS_VARIABLE = 'TIDELOCK_CALLS';

export type TestSurroundings = {
  readonly area: Area;
  readonly place: Place;
  readonly item: Item | null;
  readonly testId: number;
  readonly attempt: number;
  readonly runDir: string;
  readonly testDirectory: string;
  /** Where the helper's calls go. */
  readonly calls: string;
  /** Folder with the program `megatest`. */
  readonly helperFolder: string;
  /** How a test calls the whole program. */
  readonly program: string;
};

/** In the order in which they override one another: the last one wins. */
export type EnvironmentLayers = {
  readonly base: Environment;
  readonly runConfigs: Environment;
  readonly setVars: Environment;
  readonly overrides: Environment;
};

export function environmentOf(at: TestSurroundings, layers: EnvironmentLayers): Environment {
  const path = layers.overrides.PATH ?? layers.runConfigs.PATH ?? layers.base.PATH ?? '';
  return {
    ...layers.base,
    ...layers.runConfigs,
    ...layers.setVars,
    ...megatestVariables(at),
    ...layers.overrides,
    ...fieldVariables(at),
    ...Object.fromEntries(at.item?.variables ?? []),
    ...ownVariables(at),
    PATH: ['.', at.helperFolder, path].filter((part) => part !== '').join(delimiter),
  };
}

/** What is known before an execution has a place: items and configurations are read with it. */
export function earlyEnvironment(
  area: Area,
  { target, run }: { readonly target: string; readonly run: string },
  layers: EnvironmentLayers,
): Environment {
  return {
    ...layers.base,
    ...layers.runConfigs,
    ...layers.setVars,
    ...runVariables(area, { target, run }),
    ...layers.overrides,
    ...fieldsOf(area, target),
  };
}

function runVariables(
  area: Area,
  { target, run }: { readonly target: string; readonly run: string },
): Environment {
  return {
    MT_RUN_AREA_HOME: area.home,
    // Both spellings: the original sets the first, the triggers that it ships read the second.
    MT_RUNNAME: run,
    MT_RUN_NAME: run,
    MT_TARGET: target,
    MT_LINKTREE: area.linkTree,
    MT_TESTSUITENAME: area.name,
  };
}

function megatestVariables(at: TestSurroundings): Environment {
  const { place } = at;
  return {
    ...runVariables(at.area, place),
    MT_TEST_RUN_DIR: at.runDir,
    MT_TEST_NAME: place.test,
    MT_ITEMPATH: place.itemPath,
    MT_ITEM_INFO: itemInfo(at.item),
    MT_MEGATEST: join(at.helperFolder, 'megatest'),
    MT_CMDINFO: commandInfo(at),
  };
}

/** As a Scheme list of pairs, which the original gives. */
function itemInfo(item: Item | null): string {
  const pairs = (item?.variables ?? []).map(
    ([name, value]) => `(${name} ${JSON.stringify(value)})`,
  );
  return `(${pairs.join(' ')})`;
}

function commandInfo({ place, testId, runDir, area }: TestSurroundings): string {
  const facts = { ...place, testId, runDir, area: area.name, home: area.home };
  return Buffer.from(JSON.stringify(facts)).toString('base64');
}

function fieldVariables({ area, place }: TestSurroundings): Environment {
  return fieldsOf(area, place.target);
}

function fieldsOf(area: Area, target: string): Environment {
  const values = target.split('/');
  return Object.fromEntries(area.fields.map((field, index) => [field, values[index] ?? '']));
}

function ownVariables(at: TestSurroundings): Environment {
  return {
    ...attemptVariables(at),
    TIDELOCK_PROGRAM: at.program,
    TIDELOCK_TEST_DIRECTORY: at.testDirectory,
  };
}

/** What makes the environment of one attempt its own. */
export function attemptVariables(at: {
  readonly runDir: string;
  readonly testId: number;
  readonly attempt: number;
  readonly calls: string;
}): Environment {
  return { [EXECUTION_VARIABLE]: executionToken(at), [CALLS_VARIABLE]: at.calls };
}

/** Unique on this host: an area may be copied, and two areas have tests of the same number. */
function executionToken(at: {
  readonly runDir: string;
  readonly testId: number;
  readonly attempt: number;
}): string {
  return `${at.testId}.${at.attempt}:${at.runDir}`;
}

/** `megatest.sh` and `megatest.csh`: sourced by somebody who repeats a step by hand. */
export function dumpEnvironment(dir: string, env: Environment): void {
  const entries = dumped(env);
  writePrivate(join(dir, 'megatest.sh'), shellExports(env));
  writePrivate(join(dir, 'megatest.csh'), entries.map(cshLine).join(''));
}

/** The environment as commands of a POSIX shell. */
export function shellExports(env: Environment): string {
  return dumped(env)
    .map(([name, value]) => `export ${name}=${shellQuoted(value)}\n`)
    .join('');
}

/** One word for a POSIX shell, whatever it holds. */
export function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function dumped(env: Environment): readonly (readonly [string, string])[] {
  return Object.entries(env)
    .filter(([name]) => SHELL_NAME.test(name) && !NOT_DUMPED.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The environment may hold secrets. A link in its place is not written through. */
function writePrivate(path: string, text: string): void {
  rmSync(path, { force: true });
  writeFileSync(path, text, { mode: 0o600 });
}

/** csh ends a word at a newline and expands `!` even inside quotes. */
function cshLine([name, value]: readonly [string, string]): string {
  const quoted = value.replaceAll("'", "'\\''").replaceAll('!', '\\!').replaceAll('\n', '\\\n');
  return `setenv ${name} '${quoted}'\n`;
}
