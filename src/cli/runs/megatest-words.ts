/** Megatest's own command line in the words of `tidelock runs`, for fingers and scripts that know it. */
import { TidelockError } from '../../core/errors.ts';

/** The words behind `tidelock runs`. */
export type Words = readonly string[];

type Given = ReadonlyMap<string, string>;
type Verb = (given: Given, value: string) => Words;

/** Options that say what is to be done; the first that is given counts. With a value: its name. */
const VERBS: Readonly<Record<string, { readonly takes?: string; readonly words: Verb }>> = {
  run: { words: runWords },
  runall: { words: runWords },
  runtests: {
    takes: 'pattern',
    words: (given, value) => runWords(new Map([...given, ['testpatt', value]])),
  },
  'rerun-clean': { words: runWords },
  'rerun-all': { words: runWords },
  'remove-runs': {
    words: (given) => ['rm', ...whole(given), ...chosen(given), ...aPattern(given)],
  },
  'set-state-status': {
    takes: 'STATE,STATUS',
    words: (given, value) => [
      'set',
      value.replace(',', '/'),
      ...whole(given),
      ...chosen(given),
      ...aPattern(given),
      ...said(given),
    ],
  },
  'list-runs': { takes: 'pattern', words: listWords },
  lock: { words: (given) => ['lock', ...whole(given), ...said(given)] },
  unlock: { words: (given) => ['unlock', ...whole(given), ...said(given)] },
  'set-run-status': {
    takes: 'status',
    words: (given, value) => ['run-status', value, ...whole(given), ...said(given)],
  },
  'get-run-status': { words: (given) => ['run-status', ...whole(given)] },
  'list-targets': { words: () => ['targets'] },
  'list-db-targets': { words: () => ['targets', '--db'] },
  'show-config': { words: (given) => ['config', 'show', '--origin', ...dump(given)] },
  'show-runconfig': {
    words: (given) => [
      'config',
      'show',
      '--origin',
      ...flag(given, 'target', '--target'),
      ...dump(given),
    ],
  },
  'show-keys': { words: () => ['config', 'show', '--keys'] },
  'list-disks': { words: () => ['doctor'] },
  'list-servers': { words: () => ['status'] },
  'kill-servers': { words: () => ['stop'] },
  server: {
    takes: 'host',
    words: (_, value) => ['serve', ...(value === '-' ? [] : ['--host', value])],
  },
  'test-files': {
    takes: 'glob',
    words: (given, value) => [
      'path',
      given.get('testpatt') ?? '%',
      '--files',
      value,
      ...named(given),
    ],
  },
  'test-paths': { words: (given) => ['path', given.get('testpatt') ?? '%', ...named(given)] },
  rollup: { words: (given) => ['rollup', ...whole(given), ...aPattern(given)] },
  'diff-rep': {
    words: (given) => [
      'compare',
      given.get('src-runname') ?? 'last-good',
      given.get('runname') ?? 'last',
      ...flag(given, 'target', '--target'),
    ],
  },
  archive: { takes: 'mode', words: archiveWords },
  'generate-html': { words: (given) => ['report', '--format', 'html', ...whole(given)] },
  'extract-ods': {
    takes: 'file',
    words: (given, value) => ['report', '--format', 'csv', '--out', value, ...whole(given)],
  },
  envcap: { takes: 'file', words: (_, value) => ['env', 'capture', value.replace(/=.*$/, '')] },
  envdelta: { takes: 'before-after', words: (_, value) => ['env', 'delta', ...value.split('-')] },
  'mark-incompletes': { words: () => ['doctor', '--mark-incompletes'] },
  'cleanup-db': { words: () => ['doctor'] },
  'rebuild-db': { words: () => ['doctor'] },
  'sync-to-megatest.db': { words: () => ['sync', '--now'] },
  'sync-to': { takes: 'where', words: () => ['sync', '--now'] },
  'create-megatest-area': { words: () => ['init'] },
  'create-test': { takes: 'name', words: (_, value) => ['new', 'test', value] },
};

/** What it takes, or null. */
export const MEGATEST_VERBS: ReadonlyMap<string, string | null> = new Map(
  Object.entries(VERBS).map(([name, { takes = null }]) => [name, takes]),
);

/** Options that go with those. To wait for the end (`-run-wait`) is what `run` does anyway. */
const WITH_VALUE = new Set([
  ...[
    'target',
    'reqtarg',
    'runname',
    'testpatt',
    'modepatt',
    'tagexpr',
    'setvars',
    'm',
    'log',
    'rerun',
    'state',
  ],
  ...[
    'status',
    'since',
    'fields',
    'sort',
    'dumpmode',
    'src-target',
    'src-runname',
    'start-dir',
    'itempatt',
  ],
]);
const WITHOUT_VALUE = new Set([
  'preclean',
  'run-wait',
  'rerun-clean',
  'rerun-all',
  'keepgoing',
  'q',
  'v',
  'debug',
]);

/** Throws BAD_REQUEST for what has no equivalent, with what comes nearest. */
export function megatestWords(args: readonly string[]): Words {
  const { verbs, given } = readArgs(args);
  const [verb] = verbs;
  const known = verb === undefined ? undefined : VERBS[verb.name];
  if (verb === undefined || known === undefined) throw nothingToDo(args);
  return [...known.words(given, verb.value), ...areaOf(given)];
}

function readArgs(args: readonly string[]): {
  readonly verbs: readonly { readonly name: string; readonly value: string }[];
  readonly given: Given;
} {
  const verbs: { name: string; value: string }[] = [];
  const given = new Map<string, string>();
  const rest = [...args];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const name = word.replace(/^(?:--?|:)/, '');
    const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined;
    if (name === word || (verb === undefined && !WITH_VALUE.has(name) && !WITHOUT_VALUE.has(name)))
      throw unknown(word);
    const takesValue = verb === undefined ? WITH_VALUE.has(name) : verb.takes !== undefined;
    const value = takesValue ? rest.shift() : '';
    if (value === undefined) throw noValue(word, verb?.takes ?? name);
    given.set(name, value);
    if (verb !== undefined) verbs.push({ name, value });
  }
  return { verbs, given };
}

function runWords(given: Given): Words {
  const vars = (given.get('setvars') ?? '').split(',').filter((text) => text !== '');
  const isStrict = given.has('reqtarg');
  return [
    'run',
    ...flag(given, isStrict ? 'reqtarg' : 'target', '--target'),
    ...(isStrict ? ['--reqtarg'] : []),
    ...flag(given, 'runname', '--name'),
    ...aPattern(given),
    ...flag(given, 'modepatt', '--modepatt'),
    ...flag(given, 'tagexpr', '--tags'),
    ...vars.flatMap((text) => ['--set-var', text]),
    ...(given.has('preclean') ? ['--preclean'] : []),
    ...(given.has('rerun-all') ? ['--rerun-all'] : []),
    ...(given.has('rerun-clean') ? ['--clean'] : []),
    ...flag(given, 'rerun', '--rerun'),
    ...said(given),
    ...flag(given, 'log', '--log'),
  ];
}

function listWords(given: Given, pattern: string): Words {
  const format = given.get('dumpmode');
  if (format === 'sexpr') throw unlike('-dumpmode sexpr', '--format json or csv');
  return [
    ...['ls', '--name', pattern],
    ...(given.has('testpatt') || format !== undefined ? ['--tests'] : []),
    ...flag(given, 'target', '--target'),
    ...aPattern(given),
    ...chosen(given),
    ...flag(given, 'since', '--since'),
    ...flag(given, 'fields', '--fields'),
    ...flag(given, 'sort', '--sort'),
    ...(format === undefined ? [] : ['--format', format]),
  ];
}

function archiveWords(given: Given, mode: string): Words {
  if (mode === 'keep-html')
    throw unlike('-archive keep-html', 'report --format html, then archive save-remove');
  return ['archive', mode, ...whole(given), ...aPattern(given)];
}

const flag = (given: Given, name: string, as: string): Words => {
  const value = given.get(name);
  return value === undefined ? [] : [as, value];
};

const named = (given: Given): Words => [
  ...flag(given, 'target', '--target'),
  ...flag(given, 'runname', '--name'),
];

/** Megatest wants target and run named; `%` is ours: the only one. */
const whole = (given: Given): Words =>
  named(new Map([...given].filter(([, value]) => value !== '%')));
const aPattern = (given: Given): Words => flag(given, 'testpatt', '--pattern');
const chosen = (given: Given): Words => [
  ...flag(given, 'state', '--state'),
  ...flag(given, 'status', '--status'),
];
const said = (given: Given): Words => flag(given, 'm', '--comment');
const dump = (given: Given): Words => (given.get('dumpmode') === 'json' ? ['--json'] : []);
const areaOf = (given: Given): Words => flag(given, 'start-dir', '--area');

function nothingToDo(args: readonly string[]): TidelockError {
  return new TidelockError({
    code: 'BAD_REQUEST',
    message: args.length === 0 ? 'what is to be done?' : `${args.join(' ')} says not what to do`,
    hint: `one of ${Object.keys(VERBS)
      .map((name) => `-${name}`)
      .join(' ')}; or the new words: tidelock runs --help`,
  });
}

const unknown = (word: string): TidelockError =>
  new TidelockError({
    code: 'BAD_REQUEST',
    message: `${word} has no equivalent here`,
    hint: 'see the new words: tidelock runs --help',
  });

const noValue = (word: string, takes: string): TidelockError =>
  new TidelockError({ code: 'BAD_REQUEST', message: `${word} needs a value: ${takes}` });

const unlike = (old: string, now: string): TidelockError =>
  new TidelockError({
    code: 'BAD_REQUEST',
    message: `${old} has no equivalent here`,
    hint: `take ${now}`,
  });
