/** `tidelock runs config show`, `tidelock runs targets`: what an area says, and where it says so. */
import type { Command } from 'commander';
import { type AreaReading, readArea } from '../../area/area.ts';
import { placeOf } from '../../area/errors.ts';
import { launcherFor } from '../../area/launchers.ts';
import { originPlace, printConfig, printEntry } from '../../area/print.ts';
import {
  environmentOfEntries,
  expandTargets,
  patternOfTarget,
  readTarget,
  type TargetReading,
  targetEnvironment,
  targetsOf,
} from '../../area/targets.ts';
import { readTest } from '../../area/testconfig.ts';
import type {
  Area,
  AreaSettings,
  Config,
  Entry,
  Environment,
  Finding,
  TestDef,
} from '../../area/types.ts';
import { TidelockError } from '../../core/errors.ts';
import { readNow } from '../../runs/config-host.ts';
import { runsOf } from '../../runs/run-results.ts';
import { shortPath } from '../options.ts';
import { homeOf } from './area.ts';
import { addHomeFlags, type HomeFlags } from './home.ts';
import { reading } from './look.ts';

type Flags = {
  readonly db?: true;
  readonly area?: string;
  readonly test?: string;
  readonly target?: string;
  readonly origin?: true;
  readonly keys?: true;
  readonly json?: true;
};

export function register(runs: Command): void {
  runs
    .command('config')
    .description('what an area says')
    .command('show')
    .description('every value in force, of the area, a target or a test')
    .option('--area <dir>', 'the area; default: found upwards from here')
    .option('--test <name>', 'the testconfig of this test, and what it makes of it')
    .option('--target <target>', 'the environment of this target')
    .option('--origin', 'with file and line of each value')
    .option('--keys', 'only the names of the fields of a target')
    .option('--json', 'one JSON object')
    .action(show);
  addHomeFlags(
    runs.command('targets').description('targets that runconfigs.config has a section for'),
  )
    .option('--db', 'targets that have runs, with their number and the newest one')
    .option('--json', 'one JSON array')
    .action((flags: Flags & HomeFlags) =>
      flags.db === true ? targetsWithRuns(flags) : targets(flags),
    );
}

async function targetsWithRuns(flags: Flags & HomeFlags): Promise<void> {
  await reading(flags, async (read) => {
    const runs = await runsOf(read);
    const names = [...new Set(runs.map(({ target }) => target))].sort();
    const found = names.map((target) => {
      const of = runs.filter((run) => run.target === target);
      return { target, runs: of.length, newest: of.at(-1)?.name ?? '' };
    });
    if (flags.json === true) console.log(JSON.stringify(found));
    else for (const one of found) console.log(`${one.target}  ${one.runs} runs  ${one.newest}`);
  });
}

/** What one answer shows. */
type Shown = {
  readonly about: Readonly<Record<string, unknown>>;
  readonly config: Pick<Config, 'sections'>;
  readonly findings: readonly Finding[];
};

function show(flags: Flags): void {
  const read = areaOf(flags.area);
  if (flags.keys === true) {
    showKeys(read, flags);
    return;
  }
  const shown = flags.test === undefined ? areaShown(read, flags.target) : testShown(read, flags);
  for (const { message, origin } of shown.findings) {
    console.error(`warning: ${shortPath(origin.file)}:${origin.line}: ${message}`);
  }
  if (flags.json === true) console.log(JSON.stringify(jsonOf(shown), null, 2));
  else printShown(shown, flags.origin === true);
}

function showKeys({ area: { fields } }: AreaReading, { json }: Flags): void {
  if (json === true) console.log(JSON.stringify(fields));
  else for (const field of fields) console.log(field);
}

function areaOf(area: string | undefined): AreaReading {
  return readNow(readArea({ home: homeOf(area), environment: environment() }));
}

function environment(): Environment {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, value] as const],
    ),
  );
}

function targetOf({ area, reading }: AreaReading, text: string): TargetReading {
  const [target = text, ...more] = expandTargets(area, text);
  if (more.length > 0) {
    throw new TidelockError({
      code: 'BAD_REQUEST',
      message: `${text} stands for ${more.length + 1} targets`,
      hint: 'name one of them',
    });
  }
  return readNow(readTarget(area, target, reading.environment));
}

function areaShown(read: AreaReading, target: string | undefined): Shown {
  const { area, file } = read;
  if (target !== undefined) return targetShown(targetOf(read, target));
  const about = {
    ...{ area: area.name, home: area.home, file, grammar: area.isCompatible ? 'megatest' : 'own' },
    ...{ fields: area.fields, linkTree: area.linkTree, disks: area.disks, jobsMax: area.jobsMax },
    ...settingsAbout(area.settings),
    tests: [...area.tests.keys()],
  };
  return { about, config: area.config, findings: area.config.findings };
}

/** As they are in force, written or not. */
function settingsAbout(settings: AreaSettings): Readonly<Record<string, unknown>> {
  const { launchers, rollUpScripts, referenceAreas, ...rest } = settings;
  const byPattern = launchers.byPattern.map(
    ({ pattern, type }) => `${pattern} (${[type.command ?? 'none', ...type.hosts].join('; ')})`,
  );
  return {
    ...{ launcher: launchers.standard, launchers: byPattern },
    ...rest,
    ...{ rollUpScripts: [...rollUpScripts.keys()], referenceAreas },
  };
}

function targetShown(read: TargetReading): Shown {
  const section = { name: read.target, entries: read.entries };
  return {
    about: {
      ...{ target: read.target, isDeclared: read.isDeclared },
      pattern: patternOfTarget(read),
    },
    config: { sections: new Map([[section.name, section]]) },
    findings: read.reading.config.findings,
  };
}

function testShown(read: AreaReading, flags: Flags): Shown {
  const { area } = read;
  const name = flags.test ?? '';
  if (!area.tests.has(name)) {
    throw new TidelockError({
      code: 'BAD_REQUEST',
      message: `the area has no test ${name}`,
      hint: `it has: ${[...area.tests.keys()].join(', ') || 'none'}`,
    });
  }
  const target = flags.target === undefined ? null : targetOf(read, flags.target);
  const entries = target?.entries ?? [];
  const { test, reading } = readNow(
    readTest({
      ...{ area, name, target: entries, expandsLate: false },
      environment: {
        ...read.reading.environment,
        ...(target === null ? {} : targetEnvironment(area, target.target)),
        ...environmentOfEntries(entries),
      },
    }),
  );
  return { about: testAbout(test, area), config: reading.config, findings: test.findings };
}

function testAbout(test: TestDef, area: Area): Readonly<Record<string, unknown>> {
  const { items, name: of, prerequisites } = test;
  const at = { test: of, itemPath: '', turn: 0 };
  return {
    ...{ test: of, directory: test.directory, priority: test.priority, hash: test.hash },
    prerequisites: prerequisites.map(
      ({ test: name, mode, isEither }) => `${name} (${isEither ? 'or, ' : ''}${mode})`,
    ),
    launcher: launcherFor(area.settings.launchers, at)?.command ?? null,
    disks: test.disks ?? area.disks,
    diskSpaceBytes: Math.max(area.settings.minSpaceBytes, test.diskSpaceBytes ?? 0),
    waivers: test.waivers.map(
      ({ name, glob, origin }) => `${name} ${glob} (${shortPath(origin.file)}:${origin.line})`,
    ),
    items: items.kind === 'known' ? items.items.map(({ path }) => path) : items.kind,
    steps: test.steps.map(({ name, rules }) =>
      rules === null ? name : `${name} (${rules.rules.length} rules)`,
    ),
  };
}

function jsonOf({ about, config, findings }: Shown): unknown {
  const entry = ({ key, value, origin }: Entry) => ({ key, value, ...origin });
  const sections = [...config.sections.values()].map(
    ({ name, entries }) => [name, entries.map(entry)] as const,
  );
  return { ...about, sections: Object.fromEntries(sections), findings };
}

function printShown({ about, config, findings }: Shown, withOrigin: boolean): void {
  for (const [name, value] of Object.entries(about)) console.log(`# ${name}: ${plain(value)}`);
  console.log('');
  const told = new Map(findings.map(({ message, origin }) => [placeOf(origin), message]));
  const place = (entry: Entry): string => {
    const finding = told.get(placeOf(entry.origin));
    return [originPlace(entry, shortPath), ...(finding === undefined ? [] : [finding])].join(', ');
  };
  console.log(printConfig(config, withOrigin ? place : undefined).trimEnd());
}

function plain(value: unknown): string {
  if (Array.isArray(value)) return value.map(plain).join(', ') || 'none';
  if (typeof value === 'object' && value !== null) return Object.values(value).map(plain).join(' ');
  return value === null ? 'none' : String(value);
}

function targets(flags: Flags): void {
  const { area, reading } = areaOf(flags.area);
  const first = readNow(readTarget(area, 'default', reading.environment));
  const names = targetsOf(area, first.reading);
  if (flags.json === true) {
    console.log(JSON.stringify(names));
    return;
  }
  for (const name of names) {
    const read = readNow(readTarget(area, name, reading.environment));
    console.log(name);
    for (const entry of read.entries)
      console.log(`  ${printEntry(entry).replaceAll('\n', '\n  ')}`);
  }
}
