import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readArea } from '../../../src/area/area.ts';
import { compilePatterns, matches } from '../../../src/area/patterns.ts';
import {
  environmentOfEntries,
  patternOfTarget,
  readTarget,
  runConfigsGet,
} from '../../../src/area/targets.ts';
import { readTest } from '../../../src/area/testconfig.ts';
import type { TestDef } from '../../../src/area/types.ts';
import { readNow } from '../../../src/runs/config-host.ts';
import { ROOT } from '../docs/pages.ts';

type Expected = {
  readonly runs: readonly {
    readonly target: string;
    readonly pattern: string | null;
    readonly modepatt?: string;
    readonly results: Readonly<Record<string, string>>;
    readonly order?: readonly (readonly [string, string])[];
    readonly apart?: readonly (readonly [string, string])[];
  }[];
};

const FOLDER = join(ROOT, 'testdata', 'areas');
const NAMES = readdirSync(FOLDER, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

function expectedOf(name: string): Expected {
  return JSON.parse(readFileSync(join(FOLDER, name, 'expected.json'), 'utf8'));
}

function testsOf(name: string): {
  tests: readonly TestDef[];
  mode: (key: string) => string | null;
} {
  const environment = { PATH: process.env.PATH ?? '', HOME: '/nowhere' };
  const { area, reading } = readNow(readArea({ home: join(FOLDER, name), environment }));
  const target = readNow(readTarget(area, 'linux/1', reading.environment));
  const tests = [...area.tests.keys()].map((test) => {
    const env = { ...target.reading.environment, ...environmentOfEntries(target.entries) };
    const options = { area, name: test, environment: env, target: target.entries };
    return readNow(readTest({ ...options, expandsLate: false })).test;
  });
  return { tests, mode: (key) => patternOfTarget(target, key) ?? runConfigsGet(target)(key) };
}

/** Rows that a selection asks for by name; null: they are known only later. */
function rowsOf(def: TestDef): readonly string[] | null {
  if (def.items.kind === 'late') return null;
  return def.items.kind === 'known'
    ? [def.name, ...def.items.items.map(({ path }) => `${def.name}/${path}`)]
    : [def.name];
}

describe.each(NAMES)('the area %s', (name) => {
  const { tests, mode } = testsOf(name);
  const { runs } = expectedOf(name);

  test('expects something of every row that its patterns select, and of no unknown test', () => {
    for (const { pattern, modepatt, results } of runs) {
      if (Object.keys(results).length === 0) continue;
      const patterns = compilePatterns(pattern ?? mode(modepatt ?? '') ?? '');
      const known = tests.flatMap((def) => rowsOf(def) ?? []);
      const selected = known.filter((row) => {
        const [test = '', ...item] = row.split('/');
        return matches(patterns, test, item.join('/'));
      });
      expect(Object.keys(results)).toEqual(expect.arrayContaining(selected));
      const names = new Set(tests.map((def) => def.name));
      expect(Object.keys(results).filter((row) => !names.has(row.split('/')[0] ?? ''))).toEqual([]);
      if (pattern !== '%') continue;
      const late = tests.filter(({ items }) => items.kind === 'late').map((def) => def.name);
      const early = Object.keys(results).filter((row) => !late.includes(row.split('/')[0] ?? ''));
      expect(early.sort()).toEqual([...known].sort());
    }
  });

  test('orders only rows that are there, and not in a circle', () => {
    for (const { order = [], apart = [], results } of runs) {
      const pairs = [...order, ...apart];
      expect(pairs.flat().filter((row) => !(row in results))).toEqual([]);
      const later = new Map<string, string[]>();
      for (const [first, second] of order) later.set(first, [...(later.get(first) ?? []), second]);
      const reaches = (from: string, to: string, steps: number): boolean =>
        steps > 0 &&
        (later.get(from) ?? []).some((next) => next === to || reaches(next, to, steps - 1));
      expect([...later.keys()].filter((row) => reaches(row, row, order.length))).toEqual([]);
    }
  });
});

test('the areas together have every kind of thing that an area may have', () => {
  const all = NAMES.flatMap((name) => testsOf(name).tests);
  const kinds = new Set(all.map(({ items }) => items.kind));
  expect([...kinds].sort()).toEqual(['known', 'late', 'none', 'zero']);
  const modes = new Set(all.flatMap(({ prerequisites }) => prerequisites.map(({ mode }) => mode)));
  expect([...modes].sort()).toEqual(['itemwait', 'normal', 'toplevel']);
  const rules = all.flatMap(({ steps }) => steps.flatMap(({ rules: own }) => own?.rules ?? []));
  expect(new Set(rules.map(({ kind }) => kind)).size).toBe(9);
  expect(new Set(all.map(({ skip }) => skip?.kind)).size).toBe(4);
  const some: readonly ((def: TestDef) => boolean)[] = [
    ({ runScript }) => runScript !== null,
    ({ waivers }) => waivers.some((waiver) => waiver.rules === null),
    ({ waivers }) => waivers.some((waiver) => waiver.rules !== null),
    ({ triggers }) => triggers.length > 0,
    ({ resources }) => resources.size > 0,
    ({ jobGroup }) => jobGroup !== null,
    ({ runTimeLimitS }) => runTimeLimitS !== null,
    ({ priority }) => priority !== 0,
    ({ launchEnvironment }) => launchEnvironment.length > 0,
    ({ steps }) => steps.some(({ ignoresExit }) => ignoresExit),
  ];
  expect(some.map((has) => all.some(has))).toEqual(some.map(() => true));
});
