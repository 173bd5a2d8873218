import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkInvariants, ROOT, read, TEST_FILES } from './pages.ts';

const PAGE = read('docs/planner.md');

test('every rule of the planner names tests that exist, in order', () => {
  expect(checkInvariants(PAGE, TEST_FILES)).toEqual([]);
  expect(PAGE.match(/^\*\*R\d+\*\*/gm)?.length).toBe(9);
});

test('the files and scripts that it names exist', () => {
  const files = readdirSync(join(ROOT, 'src/planner'));
  const named = [...PAGE.matchAll(/`([a-z-]+\.ts)`/g)].map(([, name = '']) => name);
  expect(named.filter((name) => !files.includes(name))).toEqual([]);
  const scripts = [...PAGE.matchAll(/\((?:S|s)cripts? (`[^)]+)\)/g)].flatMap(([, list = '']) =>
    [...list.matchAll(/`([a-z-]+)`/g)].map(([, name = '']) => `${name}.test`),
  );
  expect(scripts.length).toBeGreaterThan(8);
  const there = readdirSync(join(ROOT, 'testdata/planner'));
  expect(scripts.filter((name) => !there.includes(name))).toEqual([]);
});
