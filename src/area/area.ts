/** An area: its main configuration, and the tests that are found from it. */
import { TidelockError } from '../core/errors.ts';
import { type ConfigReading, readConfig } from './config.ts';
import {
  countOf,
  durationOf,
  entriesOf,
  entryOf,
  numberOf,
  stateStatusOf,
  textOf,
  wordsOf,
} from './entries.ts';
import { unfit } from './errors.ts';
import { AREA_KEYS, idleKeys, uselessKeys } from './known-keys.ts';
import { TESTS_MAX } from './limits.ts';
import { baseOf, resolvePath } from './paths.ts';
import { readSettings } from './settings.ts';
import type {
  Area,
  AreaSettings,
  Config,
  ConfigAnswer,
  Environment,
  Finding,
  Origin,
  Reading,
} from './types.ts';

/** A native area; an area of Megatest, which keeps its ways where ours are stricter. */
export const AREA_CONFIGS = ['area.config', 'megatest.config'] as const;
const DEFAULT_JOBS_MAX = 1;
const FIELDS_MAX = 20;
const FIELD_NAME = /^[A-Za-z_]\w*$/;

export type AreaReading = {
  readonly area: Area;
  /** The file that was read: one of AREA_CONFIGS. */
  readonly file: string;
  readonly reading: ConfigReading;
};

export type AreaOptions = {
  /** Absolute path of the folder. */
  readonly home: string;
  /** Of the caller; MT_RUN_AREA_HOME is added. */
  readonly environment: Environment;
};

/** Throws AREA_NOT_FOUND, AREA_UNFIT. */
export function* readArea({ home, environment }: AreaOptions): Reading<AreaReading> {
  const file = yield* configFile(home);
  const isCompatible = baseOf(file) === 'megatest.config';
  const reading = yield* readConfig({
    path: file,
    home,
    isCompatible,
    environment: { ...environment, MT_RUN_AREA_HOME: home },
    exports: (section) => section === 'env-override',
    rget: () => null,
  });
  const config = withFindings(reading);
  const tests = yield* findTests(config, home);
  const settings = readSettings(config, home);
  const lost = yield* lostReferences(config, settings);
  const area: Area = {
    ...{ home, isCompatible, tests, settings },
    config: { ...config, findings: [...config.findings, ...idleKeys(config, tests), ...lost] },
    name: textOf(config, 'setup', 'area-name') ?? baseOf(home),
    fields: fieldsOf(config, file),
    ...placesOf(config, home),
    ...limitsOf(config),
    autoRerun: wordsOf(textOf(config, 'setup', 'allow-auto-rerun') ?? '').map(stateStatusOf),
  };
  return { area, file, reading };
}

function withFindings({ config, asked }: ConfigReading): Config {
  const findings = [...config.findings, ...uselessKeys(config, AREA_KEYS, asked)];
  return { ...config, findings };
}

function* lostReferences(
  config: Config,
  { referenceAreas }: AreaSettings,
): Reading<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const { name, path } of referenceAreas) {
    const answer: ConfigAnswer = yield { kind: 'realPath', path };
    const entry = entryOf(config, 'refareas', name);
    if (entry === null || (answer.kind === 'text' && answer.text !== null)) continue;
    findings.push({ message: `the reference area ${path} is not there`, origin: entry.origin });
  }
  return findings;
}

function* configFile(home: string): Reading<string> {
  for (const name of AREA_CONFIGS) {
    const path = resolvePath(home, name);
    const answer: ConfigAnswer = yield { kind: 'realPath', path };
    if (answer.kind === 'text' && answer.text !== null) return path;
  }
  throw new TidelockError({
    code: 'AREA_NOT_FOUND',
    message: `${home} has no ${AREA_CONFIGS.join(' and no ')}`,
    hint: 'make an area with: tidelock runs init DIR',
  });
}

function fieldsOf(config: Config, file: string): readonly string[] {
  const entries = entriesOf(config, 'fields');
  const top: Origin = { file, line: 1 };
  if (entries.length === 0) {
    throw unfit(
      'the section [fields] names no field',
      top,
      'a target has one value for each field: add [fields] with a line such as: SYSTEM TEXT',
    );
  }
  if (entries.length > FIELDS_MAX) throw unfit(`more than ${FIELDS_MAX} fields`, top);
  for (const { key, origin } of entries) {
    if (!FIELD_NAME.test(key)) {
      throw unfit(`${key} cannot be the name of an environment variable`, origin);
    }
  }
  return entries.map(({ key }) => key);
}

function placesOf(config: Config, home: string): Pick<Area, 'linkTree' | 'disks'> {
  const disks = disksOf(config, home);
  return {
    linkTree: resolvePath(home, textOf(config, 'setup', 'linktree') ?? '.tidelock/links'),
    disks: disks ?? [{ name: 'here', path: resolvePath(home, '.tidelock/runs') }],
  };
}

/** Null: the configuration names none. The first word of a value is the path. */
export function disksOf(config: Config, home: string): Area['disks'] | null {
  const disks = entriesOf(config, 'disks').flatMap(({ key, value }) => {
    const [path] = wordsOf(value);
    return path === undefined ? [] : [{ name: key, path: resolvePath(home, path) }];
  });
  return disks.length === 0 ? null : disks;
}

function limitsOf(
  config: Config,
): Pick<
  Area,
  | 'jobsMax'
  | 'jobGroups'
  | 'resources'
  | 'loadMax'
  | 'waitDelayS'
  | 'launchDelayS'
  | 'runTimeLimitS'
> {
  return {
    jobsMax: countOf(entryOf(config, 'setup', 'max_concurrent_jobs')) ?? DEFAULT_JOBS_MAX,
    jobGroups: countsOf(config, 'jobgroups'),
    resources: countsOf(config, 'resources'),
    loadMax: numberOf(config, 'jobtools', 'maxload'),
    waitDelayS: durationOf(config, 'jobtools', 'waitdelay') ?? 0,
    launchDelayS: durationOf(config, 'setup', 'launch-delay') ?? 0,
    runTimeLimitS: durationOf(config, 'setup', 'runtimelim'),
  };
}

function countsOf(config: Config, section: string): ReadonlyMap<string, number> {
  return new Map(
    entriesOf(config, section).map((entry) => [entry.key, countOf(entry) ?? 1] as const),
  );
}

/** `tests` of the area comes after the folders of `[tests-paths]`; the first that has a name wins. */
function* findTests(config: Config, home: string): Reading<ReadonlyMap<string, string>> {
  const tests = new Map<string, string>();
  const named = entriesOf(config, 'tests-paths').map(({ key, value }) => value.trim() || key);
  for (const folder of [...named, 'tests']) {
    const path = resolvePath(home, folder);
    const answer: ConfigAnswer = yield { kind: 'list', path };
    const names = answer.kind === 'names' ? answer.names : [];
    for (const name of names) {
      const file: ConfigAnswer = yield { kind: 'realPath', path: `${path}/${name}/testconfig` };
      const isTest = file.kind === 'text' && file.text !== null;
      if (isTest && !tests.has(name)) tests.set(name, `${path}/${name}`);
      if (tests.size > TESTS_MAX) {
        throw unfit(`more than ${TESTS_MAX} tests`, { file: path, line: 1 });
      }
    }
  }
  return tests;
}
