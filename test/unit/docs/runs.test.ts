/** docs/runs.md against the command line, both ways; the examples of the help against the options. */
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { EXAMPLES } from '../../../src/cli/runs/help.ts';
import { MEGATEST_VERBS, megatestWords } from '../../../src/cli/runs/megatest-words.ts';
import { register } from '../../../src/cli/runs/runs.ts';
import { read, section } from './pages.ts';

const PAGE = read('docs/runs.md');

const program = new Command('tidelock');
register(program);

/** Every verb that does something, by its words. */
const VERBS = new Map(verbsOf(program.commands[0] as Command, []));

function verbsOf(command: Command, path: readonly string[]): (readonly [string, Command])[] {
  return command.commands.flatMap((one) => {
    const words = [...path, one.name()];
    return one.commands.length > 0 ? verbsOf(one, words) : [[words.join(' '), one] as const];
  });
}

/** What all have, or all that choose runs and executions. */
const COMMON = new Set([
  ...['--area', '--durable', '--host-id', '--token', '--json', '--help', '--target', '--name'],
  ...['--pattern', '--state', '--status'],
]);

/** The options that the table states for each verb; a row without a verb belongs to the one above. */
function stated(): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  let verbs: readonly string[] = [];
  for (const line of section(PAGE, '## Commands').split('\n')) {
    const [, names = '', options = ''] = line.split('|');
    const named = [...names.matchAll(/`([^`]+)`/g)].map(([, text = '']) => verbOf(text));
    if (named.length > 0) verbs = named;
    for (const verb of verbs)
      found.set(verb, [...(found.get(verb) ?? []), ...(options.match(/--[a-z-]+/g) ?? [])]);
  }
  const run = found.get('run') ?? [];
  found.set('rerun', [...(found.get('rerun') ?? []), ...run]);
  found.set('show', [...(found.get('show') ?? []), ...(found.get('ls') ?? [])]);
  return found;
}

/** `set STATE/STATUS` is `set`, `config show` is itself. */
const verbOf = (text: string): string =>
  text
    .split(' ')
    .filter((word) => /^[a-z-]+$/.test(word))
    .join(' ');

test('every verb and every option of it is in the table, and the table has no other', () => {
  const table = stated();
  expect([...table.keys()].sort()).toEqual([...VERBS.keys()].sort());
  const all = [...VERBS.values()].flatMap((verb) => verb.options.map(({ long }) => long ?? ''));
  for (const [name, verb] of VERBS) {
    const options = verb.options.map(({ long }) => long ?? '').filter((long) => !COMMON.has(long));
    expect(table.get(name), name).toEqual(expect.arrayContaining(options));
  }
  expect(all).toEqual(expect.arrayContaining([...table.values()].flat()));
});

test('every verb has examples, and each of them is one that the program takes', () => {
  expect([...VERBS.keys()].filter((name) => (EXAMPLES[name] ?? []).length === 0)).toEqual([]);
  for (const [name, calls] of Object.entries(EXAMPLES)) {
    for (const call of calls) {
      if (name === 'megatest') continue;
      const { operands, unknown } = (VERBS.get(name) as Command).parseOptions(wordsOf(call, name));
      expect(unknown, call).toEqual([]);
      const takes = VERBS.get(name)?.registeredArguments ?? [];
      const needs = takes.filter(({ required }) => required).length;
      expect(operands.length >= needs && operands.length <= takes.length, call).toBe(true);
    }
  }
});

/** As a shell splits it. */
function wordsOf(call: string, verb: string): string[] {
  const words = [...call.slice(verb.length).matchAll(/'([^']*)'|(\S+)/g)];
  return words.map(([, quoted, plain]) => quoted ?? plain ?? '');
}

test("Megatest's words are those of the page, and what they become is what the program takes", () => {
  const words = section(PAGE, "### Megatest's words").matchAll(/`-([a-z.-]+)`/g);
  const known = new Set([...words].map(([, name]) => name));
  expect([...MEGATEST_VERBS.keys()].filter((name) => !known.has(name))).toEqual([]);
  const flags = [
    ...['-target', 'a/b', '-runname', 'r', '-testpatt', 't/%', '-state', 'COMPLETED'],
    ...['-status', 'FAIL', '-m', 'why', '-preclean', '-run-wait', '-setvars', 'A=1,B=2'],
  ];
  const values: Readonly<Record<string, string>> = {
    mode: 'save',
    'STATE,STATUS': 'COMPLETED,PASS',
  };
  for (const [name, takes] of MEGATEST_VERBS) {
    const value = takes === null ? [] : [values[takes] ?? 'some'];
    for (const given of [[], flags]) {
      const made = megatestWords([`-${name}`, ...value, ...given]);
      const verb = VERBS.get(made.slice(0, 2).join(' ')) ?? VERBS.get(made[0] ?? '');
      const { unknown } = (verb as Command).parseOptions([...made]);
      expect(unknown, `-${name}: ${made.join(' ')}`).toEqual([]);
    }
  }
});
