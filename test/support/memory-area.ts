/** Configurations out of memory: files by path, commands by their text. */
import { type AreaReading, readArea } from '../../src/area/area.ts';
import { type ConfigReading, type ReadOptions, readConfig } from '../../src/area/config.ts';
import { readTest, type TestReading } from '../../src/area/testconfig.ts';
import type { ConfigAnswer, ConfigRequest, Entry, Reading } from '../../src/area/types.ts';

export const HOME = '/area';

export type Files = Readonly<Record<string, string>>;
export type Commands = Readonly<
  Record<string, string | { readonly stdout: string; readonly exitCode: number }>
>;

export type Ran<T> = { readonly result: T; readonly commands: readonly string[] };

/** Runs a reading to its end. Commands that are not known fail with exit code 127. */
export function run<T>(reading: Reading<T>, files: Files, commands: Commands = {}): Ran<T> {
  const ran: string[] = [];
  let step = reading.next();
  while (step.done !== true) {
    const request = step.value;
    if (request.kind === 'shell') ran.push(request.command);
    step = reading.next(answer(request, files, commands));
  }
  return { result: step.value, commands: ran };
}

function answer(request: ConfigRequest, files: Files, commands: Commands): ConfigAnswer {
  switch (request.kind) {
    case 'file':
      return { kind: 'text', text: files[request.path] ?? null };
    case 'realPath':
      return { kind: 'text', text: request.path in files ? request.path : null };
    case 'list':
      return { kind: 'names', names: namesIn(request.path, files) };
    default: {
      const text = request.kind === 'shell' ? request.command : request.text;
      const output = commands[text] ?? { stdout: '', exitCode: 127 };
      const full = typeof output === 'string' ? { stdout: output, exitCode: 0 } : output;
      return { kind: 'output', ...full };
    }
  }
}

function namesIn(folder: string, files: Files): readonly string[] {
  const below = Object.keys(files).filter((path) => path.startsWith(`${folder}/`));
  return [
    ...new Set(below.map((path) => path.slice(folder.length + 1).split('/')[0] ?? '')),
  ].sort();
}

/** One configuration, `/area/main`, read alone. */
export function configOf(
  text: string,
  more: Partial<ReadOptions> & { readonly files?: Files; readonly commands?: Commands } = {},
): Ran<ConfigReading> {
  const { files = {}, commands = {}, ...options } = more;
  const reading = readConfig({
    ...{ path: `${HOME}/main`, home: HOME, environment: {}, isCompatible: false },
    exports: () => false,
    ...options,
  });
  return run(reading, { [`${HOME}/main`]: text, ...files }, commands);
}

/** `[section, key, value]` of all entries, in order. */
export function triplesOf({ result }: Ran<ConfigReading>): readonly (readonly string[])[] {
  return [...result.config.sections.values()].flatMap(({ name, entries }) =>
    entries.map(({ key, value }) => [name, key, value]),
  );
}

export function findingsOf({ result }: Ran<ConfigReading>): readonly string[] {
  return result.config.findings.map(
    ({ message, origin }) => `${origin.file}:${origin.line}: ${message}`,
  );
}

const FIELDS = '[fields]\nSYSTEM TEXT\nRELEASE TEXT\n';

export function areaOf(text: string, files: Files = {}, name = 'area.config'): AreaReading {
  const all = { [`${HOME}/${name}`]: `${FIELDS}${text}`, ...files };
  return run(readArea({ home: HOME, environment: {} }), all).result;
}

export type TestExtra = {
  readonly files?: Files;
  readonly commands?: Commands;
  readonly isCompatible?: boolean;
  readonly area?: string;
  readonly others?: readonly string[];
  readonly target?: readonly Entry[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly expandsLate?: boolean;
};

/** Test `x` of an area that has `others`, too. */
export function testOf(text: string, extra: TestExtra = {}): Ran<TestReading> {
  const others = (extra.others ?? []).map((name) => [`${HOME}/tests/${name}/testconfig`, '']);
  const files = {
    [`${HOME}/tests/x/testconfig`]: text,
    ...Object.fromEntries(others),
    ...extra.files,
  };
  const name = extra.isCompatible === true ? 'megatest.config' : 'area.config';
  const { area } = areaOf(extra.area ?? '', files, name);
  const reading = readTest({
    ...{ area, name: 'x', target: extra.target ?? [], environment: extra.environment ?? {} },
    expandsLate: extra.expandsLate ?? false,
  });
  return run(reading, files, extra.commands);
}
