/** `#{NAME ARGUMENTS}` in a line: the rightmost innermost one first, until none is left. */
import { unreachable } from '../core/assert.ts';
import { unfit } from './errors.ts';
import { EXPANSIONS_MAX, LINE_CHARS_MAX } from './limits.ts';
import type { Line } from './lines.ts';
import { resolvePath } from './paths.ts';
import { evaluateScheme } from './scheme.ts';
import type { ConfigAnswer, Environment, Reading } from './types.ts';

type Helper = 'scheme' | 'system' | 'shell' | 'getenv' | 'get' | 'rget' | 'path' | 'home';

const NAMES: ReadonlyMap<string, Helper> = new Map([
  ['scheme', 'scheme'],
  ['scm', 'scheme'],
  ['system', 'system'],
  ['shell', 'shell'],
  ['sh', 'shell'],
  ['getenv', 'getenv'],
  ['gv', 'getenv'],
  ['get', 'get'],
  ['g', 'get'],
  ['rget', 'rget'],
  ['runconfigs-get', 'rget'],
  ['rp', 'path'],
  ['realpath', 'path'],
  ['mtrah', 'home'],
]);

const HELPER = new RegExp(
  `#\\{(${[...NAMES.keys()].join('|')})(?:[ \\t]+([^{}]*))?[ \\t]*\\}`,
  'g',
);
const RUNS_A_COMMAND = /#\{(?:scheme|scm|system|shell|sh)\s/;

export type HelperWorld = {
  readonly home: string;
  readonly environment: Environment;
  /** An earlier value of the same file. */
  readonly get: (section: string, key: string) => string | null;
  /** Of runconfigs: the target's value, else the default. */
  readonly rget: (key: string) => string | null;
  /** Something that should be told: a value is missing, a command failed. */
  readonly tell: (message: string) => void;
};

/** True when expanding this line would run something. */
export function hasCommand(text: string): boolean {
  return RUNS_A_COMMAND.test(text);
}

/** Throws AREA_UNFIT when there is no end, or an expression is not understood. */
export function* expandHelpers(line: Line, world: HelperWorld): Reading<string> {
  let { text } = line;
  for (let done = 0; text.includes('#{'); done += 1) {
    const match = [...text.matchAll(HELPER)].at(-1);
    if (match === undefined) return text;
    if (done === EXPANSIONS_MAX) {
      throw unfit(`a line has more than ${EXPANSIONS_MAX} helpers to expand`, line.origin);
    }
    const [whole, name = '', words = ''] = match;
    const helper = NAMES.get(name) ?? 'home';
    const value = yield* expandOne({ helper, words: words.trim() }, line, world);
    text = text.slice(0, match.index) + value + text.slice(match.index + whole.length);
    if (text.length > LINE_CHARS_MAX) {
      throw unfit(`a line has more than ${LINE_CHARS_MAX} characters`, line.origin);
    }
  }
  return text;
}

function* expandOne(
  { helper, words }: { readonly helper: Helper; readonly words: string },
  line: Line,
  world: HelperWorld,
): Reading<string> {
  const orMissing = (value: string | null | undefined): string => {
    if (value === null || value === undefined) {
      world.tell(`#{${helper} ${words}} has no value: an empty text stands in its place`);
    }
    return value ?? '';
  };
  switch (helper) {
    case 'getenv':
      return orMissing(world.environment[words]);
    case 'get': {
      const [section = '', key = ''] = words.split(/\s+/);
      return orMissing(world.get(section, key));
    }
    case 'rget':
      return orMissing(world.rget(words));
    case 'home':
      return world.home;
    case 'path':
      return yield* pathOf(words, world);
    case 'scheme':
      return orMissing(yield* schemeOf(words, line, world));
    case 'shell':
    case 'system':
      return yield* commandOf(helper, words, world);
    default:
      return unreachable(helper);
  }
}

function* schemeOf(words: string, line: Line, world: HelperWorld): Reading<string | null> {
  const folders: string[] = [];
  const { origin } = line;
  const value = evaluateScheme(words, { env: world.environment, origin, folders });
  for (const folder of folders) {
    const { exitCode } = yield* runCommand(`mkdir -p ${quoted(folder)}`, world);
    if (exitCode !== 0) world.tell(`the folder ${folder} cannot be made`);
  }
  return value;
}

function* pathOf(words: string, world: HelperWorld): Reading<string> {
  const path = resolvePath(world.home, words);
  const answer: ConfigAnswer = yield { kind: 'realPath', path };
  return answer.kind === 'text' ? (answer.text ?? path) : path;
}

function* commandOf(
  helper: 'shell' | 'system',
  command: string,
  world: HelperWorld,
): Reading<string> {
  const { stdout, exitCode } = yield* runCommand(command, world);
  if (helper === 'system') return String(exitCode);
  if (exitCode !== 0) world.tell(`the command failed with exit code ${exitCode}: ${command}`);
  return oneLine(stdout);
}

export type CommandResult = { readonly stdout: string; readonly exitCode: number };

export function* runCommand(command: string, world: HelperWorld): Reading<CommandResult> {
  const answer: ConfigAnswer = yield {
    kind: 'shell',
    command,
    cwd: world.home,
    env: world.environment,
  };
  return answer.kind === 'output' ? answer : { stdout: '', exitCode: 1 };
}

/** Newlines become blanks. */
export function oneLine(stdout: string): string {
  return stdout.trimEnd().replace(/\r?\n/g, ' ');
}

/** One word for the shell. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
