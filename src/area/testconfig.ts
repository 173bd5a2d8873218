/** `testconfig`: what a test is, and what it needs to run. */
import { disksOf } from './area.ts';
import { type ConfigReading, readConfig } from './config.ts';
import { durationOf, entriesOf, entryOf, numberOf, textOf } from './entries.ts';
import { hashTexts } from './hash.ts';
import { ITEM_SECTIONS, readItems } from './items.ts';
import { TEST_KEYS, uselessKeys } from './known-keys.ts';
import { readPrerequisites } from './prerequisites.ts';
import { bytesOf } from './sizes.ts';
import { readSkip } from './skip.ts';
import { readSteps } from './steps.ts';
import { readResources } from './test-resources.ts';
import { readTriggers } from './triggers.ts';
import type { Area, Entry, Environment, Finding, Reading, TestDef } from './types.ts';
import { readWaivers } from './waivers.ts';

export type TestOptions = {
  readonly area: Area;
  /** One of `area.tests`. */
  readonly name: string;
  /** Of the target and the run; MT_TEST_NAME is added. */
  readonly environment: Environment;
  /** What the target says: for `#{rget NAME}`, and part of the hash. */
  readonly target: readonly Entry[];
  /** The prerequisites are met: items that a command makes are made now. */
  readonly expandsLate: boolean;
};

export type TestReading = {
  readonly test: TestDef;
  readonly reading: ConfigReading;
};

/** Throws AREA_UNFIT. */
export function* readTest(options: TestOptions): Reading<TestReading> {
  const { area, name } = options;
  const directory = area.tests.get(name) ?? `${area.home}/tests/${name}`;
  const reading = yield* readTestconfig(options, `${directory}/testconfig`);
  const { config, deferred } = reading;
  const files: { path: string; text: string }[] = [];
  const source = { config, directory, files, isCompatible: area.isCompatible };
  const items = readItems(config, deferred.size > 0);
  const steps = yield* readSteps(source);
  const { home } = area;
  const waivers = yield* readWaivers(source, { home, environment: reading.environment });
  const needs = readPrerequisites(config, name, area.tests);
  const triggers = readTriggers(config);
  const found = [steps, needs, items, triggers, waivers].flatMap(({ findings }) => findings);
  const test: TestDef = {
    ...{ name, directory, steps: steps.steps, waivers: waivers.waivers },
    runScript: textOf(config, 'setup', 'runscript'),
    ...{ prerequisites: needs.prerequisites, isExclusive: needs.isExclusive },
    items: items.items,
    priority: numberOf(config, 'requirements', 'priority') ?? 0,
    runTimeLimitS: durationOf(config, 'requirements', 'runtimelim'),
    jobGroup: textOf(config, 'test_meta', 'jobgroup') ?? textOf(config, 'requirements', 'jobgroup'),
    resources: readResources(config, area.resources),
    skip: readSkip(config),
    triggers: triggers.triggers,
    launchEnvironment: entriesOf(config, 'pre-launch-env-vars'),
    disks: disksOf(config, area.home),
    diskSpaceBytes: bytesOf(entryOf(config, 'requirements', 'diskspace')),
    tags: (textOf(config, 'test_meta', 'tags') ?? '').split(/[,\s]+/).filter((tag) => tag !== ''),
    meta: new Map(entriesOf(config, 'test_meta').map(({ key, value }) => [key, value])),
    hash: hashOf(options, [...reading.texts.filter(({ isSettled }) => isSettled), ...files]),
    findings: [
      ...config.findings,
      ...uselessKeys(config, TEST_KEYS, reading.asked),
      ...unrunnable(reading, steps.steps.length),
      ...found,
    ],
  };
  return { test, reading };
}

function readTestconfig(options: TestOptions, path: string): Reading<ConfigReading> {
  const { area, environment, name, target } = options;
  const values = new Map(target.map(({ key, value }) => [key, value]));
  return readConfig({
    ...{ path, home: area.home, isCompatible: area.isCompatible },
    environment: { ...environment, MT_TEST_NAME: name },
    exports: (section) => section === 'pre-launch-env-vars',
    rget: (key) => values.get(key) ?? null,
    late: { sections: ITEM_SECTIONS, runs: options.expandsLate },
  });
}

/**
 * What was written, not what commands answered: texts of files, and the values of the target and of the area for
 * all tests. Places are relative, so an area that moves keeps its hashes.
 */
function hashOf(
  { area, target }: TestOptions,
  files: readonly { readonly path: string; readonly text: string }[],
): string {
  const environment = [...target, ...entriesOf(area.config, 'env-override')];
  return hashTexts([
    ...files.flatMap(({ path, text }) => [relative(area.home, path), text]),
    ...environment.flatMap(({ key, value }) => [key, value]),
  ]);
}

function relative(home: string, path: string): string {
  return path.startsWith(`${home}/`) ? path.slice(home.length + 1) : path;
}

/** A test that does nothing passes; its author should know. */
function unrunnable({ config, deferred, texts }: ConfigReading, steps: number): readonly Finding[] {
  const file = texts[0]?.path ?? 'testconfig';
  const findings: Finding[] = [];
  if (steps === 0 && entryOf(config, 'setup', 'runscript') === null) {
    const message = 'the test has no step and no script: it does nothing, and passes';
    findings.push({ message, origin: { file, line: 1 } });
  }
  for (const name of ITEM_SECTIONS) {
    const section = config.sections.get(name);
    if (section !== undefined && section.entries.length === 0 && !deferred.has(name)) {
      const message = `[${name}] has no key: the test runs without items`;
      findings.push({ message, origin: { file, line: 1 } });
    }
  }
  return findings;
}
