/** Holds the architecture: import directions, purity, drivers, sizes. Every rule is tried on a planted violation. */
import { describe, expect, test } from 'vitest';
import {
  drivers,
  FILE_LINES_MAX,
  fileLengths,
  functionLengths,
  importDirections,
  noBarrels,
  noCycles,
  noFocusedTests,
  noLeftovers,
  noOrphans,
  purity,
  terminalOnlyInCli,
} from './tidy/rules.ts';
import { functionsOf, readSources, scan } from './tidy/source.ts';

const files = readSources(['src', 'test', 'bench', 'tools']);

const file = (path: string, text: string) => ({ path, text });
const lines = (count: number) => 'x;\n'.repeat(count);

describe('the repository', () => {
  test('imports follow the table of folders', () => {
    expect(importDirections(files)).toEqual([]);
  });
  test('pure folders have no clock, timer, randomness, process or waiting', () => {
    expect(purity(files)).toEqual([]);
  });
  test('each driver is imported in its own folder only', () => {
    expect(drivers(files)).toEqual([]);
  });
  test('arguments, environment and terminal are met in cli/ only', () => {
    expect(terminalOnlyInCli(files)).toEqual([]);
  });
  test('files and functions are short', () => {
    expect(fileLengths(files)).toEqual([]);
    expect(functionLengths(files)).toEqual([]);
  });
  test('no test is skipped or focused, nothing is left over', () => {
    expect(noFocusedTests(files)).toEqual([]);
    expect(noLeftovers(files)).toEqual([]);
  });
  test('there are no barrels, cycles or orphans', () => {
    expect(noBarrels(files)).toEqual([]);
    expect(noCycles(files)).toEqual([]);
    expect(noOrphans(files)).toEqual([]);
  });
});

describe('the rules see a planted violation', () => {
  test('an import against the direction, also by type, by import() and over lines', () => {
    const core = file('src/core/a.ts', "import type { B } from '../log/b.ts';\n");
    expect(importDirections([core])).toEqual([
      'src/core/a.ts:1 imports src/log/b.ts; core/ may import nothing',
    ]);
    const log = file('src/log/b.ts', "import {\n  a,\n} from '../sqlite/a.ts';\n");
    expect(importDirections([log])).toEqual([
      'src/log/b.ts:3 imports src/sqlite/a.ts; log/ may import core/',
    ]);
    expect(importDirections([file('src/client/a.ts', "import('../server/b.ts')")])).toHaveLength(1);
    expect(importDirections([file('src/client/a.ts', "import '../top.ts'")])).toHaveLength(1);
  });

  test('a folder that nobody has given a place', () => {
    expect(importDirections([file('src/misc/a.ts', '')])).toEqual([
      'src/misc/a.ts: folder misc/ is not in the import table',
    ]);
  });

  test('an allowed import, a top-level file and a comment are no violation', () => {
    const good = [
      file('src/log/a.ts', "import { a } from '../core/a.ts'; import { b } from './b.ts';"),
      file('src/index.ts', "export { a } from './engine/a.ts';"),
      file(
        'src/core/a.ts',
        "// import { b } from '../log/b.ts'\nconst text = \"from '../log/b.ts'\";",
      ),
    ];
    expect(importDirections(good)).toEqual([]);
  });

  test.each([
    ['Date.now()', /reads a clock/],
    ['new Date()', /reads a clock/],
    ['performance.now()', /reads a clock/],
    ['setTimeout(f, 1)', /starts a timer/],
    ['setInterval(f, 1)', /starts a timer/],
    ['setImmediate(f)', /starts a timer/],
    ['Math.random()', /is random/],
    ['crypto.randomUUID()', /is random/],
    ['process.pid', /looks at the process/],
    ['await f()', /never awaits/],
    ['async () => 1', /never awaits/],
    ["import 'node:fs'", /acts on nothing/],
  ])('%s in a pure folder', (text, reason) => {
    const wrong = purity([file('src/core/a.ts', `// a comment\nconst a = 1;\n${text};`)]);
    expect(wrong).toEqual([expect.stringMatching(reason)]);
    expect(wrong[0]).toContain('src/core/a.ts:3 ');
    expect(purity([file('src/engine/a.ts', text), file('src/core/a.test.ts', text)])).toEqual([]);
    expect(purity([file('src/core/a.ts', `/* ${text} */ const a = \`${text}\`;`)])).toEqual([]);
  });

  test('code inside a template is code', () => {
    const wrong = purity([
      file('src/core/a.ts', `const a = \`await \${b({ c: Date.now() })} async\`;`),
    ]);
    expect(wrong).toEqual([expect.stringContaining('Date.now')]);
  });

  test('a driver outside its folder', () => {
    expect(drivers([file('src/engine/a.ts', "import pg from 'pg';")])).toEqual([
      'src/engine/a.ts:1 imports pg, which only postgres/ may',
    ]);
    expect(drivers([file('src/client/a.ts', "import { x } from 'node:sqlite';")])).toHaveLength(1);
    expect(drivers([file('src/postgres/a.ts', "import pg from 'pg';")])).toEqual([]);
  });

  test('the terminal and the environment outside cli/', () => {
    const text = 'console.log(process.env.HOME, process.argv)';
    expect(terminalOnlyInCli([file('src/server/a.ts', text)])).toHaveLength(3);
    expect(terminalOnlyInCli([file('src/cli/a.ts', text), file('tools/a.mjs', text)])).toEqual([]);
  });

  test('a long file, unless it is a hot path that says why', () => {
    const long = lines(FILE_LINES_MAX + 1);
    expect(fileLengths([file('src/core/a.ts', long)])).toEqual([
      'src/core/a.ts has 401 lines; 400 at most',
    ]);
    expect(fileLengths([file('src/core/a.ts', lines(FILE_LINES_MAX))])).toEqual([]);
    expect(fileLengths([file('src/core/a.ts', `/** hot path: saves 30 %. */\n${long}`)])).toEqual(
      [],
    );
    expect(fileLengths([file('src/core/a.ts', `/** hot path: */\n${long}`)])).toHaveLength(1);
    expect(fileLengths([file('src/core/a.ts', `${long}// hot path: late`)])).toHaveLength(1);
  });

  test.each([
    'function long(a: string) {',
    'export async function long<T extends { a: 1 }>(a: T): Promise<T> {',
    'function long(a = (1 + 2)): { readonly a: number } | undefined {',
    'const long = (a: string): string => {',
    'class A { #long(): void {',
    'class A { constructor(readonly long: { a: 1 }) {',
    'test(1, () => {',
    `function long(a: string): a is \`x\${string}\` {`,
  ])('a long function: %s', (head) => {
    const text = (count: number) => `${head}\n${lines(count)}}\n`;
    expect(functionLengths([file('src/core/a.ts', text(59))])).toHaveLength(1);
    expect(functionLengths([file('src/core/a.ts', text(58))])).toEqual([]);
  });

  test('a long block that is no function is left to the reader', () => {
    const text = ['if (a) {', 'for (const a of b(c)) {', 'while (a()) {', 'switch (a) {']
      .map((head) => `${head}\n${lines(70)}}\n`)
      .join('');
    expect(functionsOf(file('src/core/a.ts', text))).toEqual([]);
  });

  test('a focused or skipped test', () => {
    const wrong = noFocusedTests([file('test/unit/a.test.ts', "test.only('a'); it.skip('b');")]);
    expect(wrong).toHaveLength(2);
  });

  test('a leftover note', () => {
    expect(noLeftovers([file('src/core/a.ts', '// TODO later')])).toEqual([
      'src/core/a.ts:1 TODO: do it or file it',
    ]);
  });

  test('a barrel', () => {
    expect(noBarrels([file('src/index.ts', "export * from './a.ts';")])).toHaveLength(1);
    expect(noBarrels([file('src/index.ts', "export { a } from './a.ts';")])).toEqual([]);
  });

  test('a cycle, once', () => {
    const cycle = [
      file('src/core/a.ts', "import './b.ts';"),
      file('src/core/b.ts', "import './c.ts';"),
      file('src/core/c.ts', "import './b.ts';"),
    ];
    expect(noCycles(cycle)).toEqual([
      'import cycle: src/core/b.ts -> src/core/c.ts -> src/core/b.ts',
    ]);
  });

  test('a file that nothing imports', () => {
    const tree = [
      file('src/index.ts', "import './core/used.ts';"),
      file('src/core/used.ts', "new URL('./worker.ts', import.meta.url)"),
      file('src/core/worker.ts', ''),
      file('src/core/alone.ts', ''),
    ];
    expect(noOrphans(tree)).toEqual(['src/core/alone.ts is imported by nothing']);
  });
});

test('the scanner tells code from strings, comments and regular expressions', () => {
  const { code, strings } = scan("a = 'b\\'c' + /d'[/]e/g; // f 'g'\nh = i / j / 'k';");
  expect(code).toBe("a = '    ' +          ;         \nh = i / j / ' ';");
  expect(strings.map(({ value }) => value)).toEqual(["b\\'c", 'k']);
});
