/** Targets: one value per field, their environment from runconfigs.config, and texts that stand for several. */
import { TidelockError } from '../core/errors.ts';
import { type ConfigReading, readConfig } from './config.ts';
import { entriesOf } from './entries.ts';
import { TARGETS_MAX } from './limits.ts';
import { resolvePath } from './paths.ts';
import { wildcardOf } from './sections.ts';
import type { Area, Entry, Environment, Reading, Target } from './types.ts';

const RUN_CONFIGS = 'runconfigs.config';
/** The key with the tests that a target runs when none are named. */
const TEST_PATTERN_KEY = 'TESTPATT';

const VALUE_CHARS_MAX = 200;

export type TargetReading = {
  readonly target: Target;
  /** `default`, then the target's own; a later entry of a key wins. */
  readonly entries: readonly Entry[];
  readonly reading: ConfigReading;
  /** It has a section of its own. */
  readonly isDeclared: boolean;
};

/** What runconfigs.config says for a target. Throws AREA_UNFIT. */
export function* readTarget(
  area: Area,
  target: Target,
  environment: Environment,
): Reading<TargetReading> {
  const reading = yield* readConfig({
    path: resolvePath(area.home, RUN_CONFIGS),
    home: area.home,
    isCompatible: area.isCompatible,
    environment: { ...environment, ...targetEnvironment(area, target) },
    exports: (section) => section === 'default' || section === target,
    sections: [target],
  });
  const { config, declared } = reading;
  const own = entriesOf(config, target);
  const keys = new Set(own.map(({ key }) => key));
  const inherited = entriesOf(config, 'default').filter(({ key }) => !keys.has(key));
  const entries = target === 'default' ? own : [...inherited, ...own];
  return { target, entries, reading, isDeclared: declared.has(target) };
}

/** MT_RUN_AREA_HOME, MT_TARGET, MT_LINKTREE, MT_TESTSUITENAME and the fields. */
export function targetEnvironment(area: Area, target: Target): Environment {
  const values = target.split('/');
  return {
    MT_RUN_AREA_HOME: area.home,
    MT_TESTSUITENAME: area.name,
    MT_LINKTREE: area.linkTree,
    MT_TARGET: target,
    ...Object.fromEntries(area.fields.map((field, at) => [field, values[at] ?? ''])),
  };
}

export function environmentOfEntries(entries: readonly Entry[]): Environment {
  return Object.fromEntries(entries.map(({ key, value }) => [key, value]));
}

/** `#{rget NAME}` of testconfigs. */
export function runConfigsGet({ entries }: TargetReading): (key: string) => string | null {
  const values = new Map(entries.map(({ key, value }) => [key, value]));
  return (key) => values.get(key) ?? null;
}

/** The tests that a target runs: the value of `key` (`--modepatt`), or null. */
export function patternOfTarget(reading: TargetReading, key = TEST_PATTERN_KEY): string | null {
  const value = runConfigsGet(reading)(key)?.trim() ?? '';
  return value === '' ? null : value;
}

/** `--reqtarg`. Throws BAD_REQUEST. */
export function requireDeclared(area: Area, reading: TargetReading): void {
  if (reading.isDeclared) return;
  const known = targetsOf(area, reading.reading).join(', ') || 'none';
  throw badTarget(
    reading.target,
    `${RUN_CONFIGS} has no section for it`,
    `it has: ${known}; or leave --reqtarg out`,
  );
}

/** Sections of runconfigs.config that are targets, sorted. */
export function targetsOf(area: Area, { declared }: ConfigReading): readonly Target[] {
  return [...declared]
    .filter((name) => name.split('/').length === area.fields.length)
    .filter((name) => name !== 'default' && wildcardOf(name) === null)
    .sort();
}

/**
 * Every target that a text stands for: several whole ones (`a/b, c/d`), or values with alternatives
 * (`a,b/c,d` are four). Blanks separate like commas. Throws BAD_REQUEST.
 */
export function expandTargets(area: Pick<Area, 'fields'>, text: string): readonly Target[] {
  const fields = area.fields.length;
  const whole = piecesOf(text);
  const isList = whole.length > 0 && whole.every((piece) => piece.split('/').length === fields);
  const targets = isList ? whole : productOf(text, area.fields);
  for (const target of targets) checkValues(target);
  return [...new Set(targets)];
}

function piecesOf(text: string): readonly string[] {
  return text.split(/[,\s]+/).filter((piece) => piece !== '');
}

function productOf(text: string, fields: readonly string[]): readonly Target[] {
  const parts = text.split('/').map(piecesOf);
  if (parts.length !== fields.length || parts.some((part) => part.length === 0)) {
    throw badTarget(text, `a target has ${fields.length} values`, `write ${fields.join('/')}`);
  }
  const count = parts.reduce((product, part) => product * part.length, 1);
  if (count > TARGETS_MAX) {
    throw badTarget(text, `it stands for ${count} targets`, `${TARGETS_MAX} at most`);
  }
  return parts
    .reduce<readonly string[][]>(
      (heads, part) => heads.flatMap((head) => part.map((value) => [...head, value])),
      [[]],
    )
    .map((values) => values.join('/'));
}

/** A value becomes the name of a folder. */
function checkValues(target: Target): void {
  for (const value of target.split('/')) {
    const isName = value !== '' && value !== '.' && value !== '..' && !/\p{Cc}/u.test(value);
    if (!isName || value.length > VALUE_CHARS_MAX) {
      throw badTarget(target, `${JSON.stringify(value)} cannot be a value`, 'take a plain word');
    }
  }
}

function badTarget(target: string, message: string, hint: string): TidelockError {
  return new TidelockError({ code: 'BAD_REQUEST', message: `target ${target}: ${message}`, hint });
}
