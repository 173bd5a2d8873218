/**
 * Every section and key that something reads, and those of Megatest that have no effect here, with the reason. What
 * stands in a file and does nothing is told with its line: a misspelt key must not look like one that works.
 */
import { entriesOf } from './entries.ts';
import { isFlexible } from './launchers.ts';
import type { Config, Entry, Finding } from './types.ts';

/** Null: it works. A text: it has no effect, and why. */
type Effect = string | null;

/** `any`: keys are names of the user's. */
type KnownSection = 'any' | Effect | Readonly<Record<string, Effect>>;

export type KnownKeys = Readonly<Record<string, KnownSection>>;

const DATABASE = 'the database sees to that itself';
const SERVER = 'the server is one that lives: tidelock runs serve has options for it';
const DASHBOARD = 'the dashboard has views and filters of its own';
const works = (text: string): Readonly<Record<string, null>> =>
  Object.fromEntries(text.split(' ').map((key) => [key, null]));

export const AREA_KEYS: KnownKeys = {
  default: 'any',
  fields: 'any',
  setup: {
    ...works('linktree max_concurrent_jobs launch-delay runtimelim allow-auto-rerun area-name'),
    ...works('testcopycmd minspace dbdir-space-required free-space-script waivercommentpatt'),
    ...works('reruns deadtime durable'),
    runqueue: 'runs wait in one queue; max_concurrent_jobs limits their executions',
    launchwait: 'a launcher may return when it likes: the end of the job is waited for',
    'run-wait': 'a run is followed to its end in any case',
    maxretries: 'a test is looked at when something has changed, not again and again',
    ...{ synchronous: DATABASE, 'use-wal': DATABASE },
    'log-expire-days': 'logs stay with their results: tidelock runs prune removes both',
    executable: 'tests find the program in MT_MEGATEST',
  },
  jobtools: {
    ...works('launcher flexi-launcher maxload waitdelay'),
    useshell: 'launchers are given to a shell in any case',
  },
  'host-types': 'any',
  launchers: 'any',
  hosts: 'any',
  flavors: 'launchers are chosen by [launchers]',
  jobgroups: 'any',
  resources: 'any',
  disks: 'any',
  archive: 'archives are .tar.zst files: [archive-disks] says where',
  'archive-disks': 'any',
  'env-override': 'any',
  'tests-paths': 'any',
  server: {
    ...works('homehost'),
    ...{ port: SERVER, transport: SERVER, timeout: SERVER, required: SERVER, runtime: SERVER },
    ...{ numservers: SERVER, 'server-query-threshold': SERVER },
  },
  validvalues: works('state status'),
  dashboard: DASHBOARD,
  views: DASHBOARD,
  graph: DASHBOARD,
  testrollup: 'any',
  runs: works('pre-hook'),
  refareas: 'any',
  sync: DATABASE,
};

export const TEST_KEYS: KnownKeys = {
  default: 'any',
  setup: works('runscript'),
  ezsteps: 'any',
  rules: 'any',
  logpro: 'any',
  requirements: {
    ...works('waiton waitor mode itemmap priority runtimelim jobgroup resources diskspace'),
    memory: 'name a resource: [resources] of the area, resources NAME=COUNT here',
  },
  itemmap: 'any',
  items: 'any',
  itemstable: 'any',
  skip: works('prevrunning fileexists rundelay'),
  waivers: 'any',
  waiver_rules: 'any',
  triggers: 'any',
  'pre-launch-env-vars': 'any',
  disks: 'any',
  test_meta: works('author owner description tags reviewed jobgroup'),
};

/** What only counts together with something else that is not there. */
export function idleKeys(config: Config, tests: ReadonlyMap<string, string>): readonly Finding[] {
  const [pattern] = isFlexible(config) ? [] : entriesOf(config, 'launchers');
  const pages = entriesOf(config, 'testrollup').filter(({ key }) => !tests.has(key));
  return [
    ...(pattern === undefined
      ? []
      : [{ message: '[launchers] has no effect without flexi-launcher', origin: pattern.origin }]),
    ...pages.map(({ key, origin }) => ({ message: `${key} is no test: it has no page`, origin })),
  ];
}

/** `asked`: sections that the file itself looks up with `#{get SECTION KEY}`. */
export function uselessKeys(
  { sections }: Pick<Config, 'sections'>,
  known: KnownKeys,
  asked: ReadonlySet<string>,
): readonly Finding[] {
  return [...sections.values()].flatMap(({ name, entries }) => {
    if (asked.has(name)) return [];
    const section = Object.hasOwn(known, name) ? known[name] : 'nothing reads it';
    return entries.flatMap((entry, at) => uselessKey(entry, { at, name, section }));
  });
}

type KeyIn = {
  readonly at: number;
  readonly name: string;
  readonly section: KnownSection | undefined;
};

/** Of a section that does nothing, the first key stands for all. */
function uselessKey({ key, origin }: Entry, { at, name, section }: KeyIn): readonly Finding[] {
  if (section === 'any' || section == null) return [];
  if (typeof section === 'string') {
    return at > 0 ? [] : [{ message: `[${name}] has no effect: ${section}`, origin }];
  }
  const effect = Object.hasOwn(section, key) ? section[key] : 'nothing reads it';
  if (effect == null) return [];
  return [{ message: `${key} in [${name}] has no effect: ${effect}`, origin }];
}
