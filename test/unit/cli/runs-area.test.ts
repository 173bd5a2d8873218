import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { homeOf } from '../../../src/cli/runs/area.ts';

const folder = mkdtempSync(join(tmpdir(), 'tidelock-home-'));
afterAll(() => rmSync(folder, { recursive: true }));
mkdirSync(join(folder, 'own', 'tests', 'a'), { recursive: true });
mkdirSync(join(folder, 'own', 'inner'));
mkdirSync(join(folder, 'none'));
writeFileSync(join(folder, 'own', 'area.config'), '');
writeFileSync(join(folder, 'own', 'inner', 'megatest.config'), '');

test.each([
  ['own', 'own'],
  ['own/tests/a', 'own'],
  ['own/inner', 'own/inner'],
])('from %s the area is %s', (here, home) => {
  expect(homeOf(undefined, join(folder, here))).toBe(join(folder, home));
});

test('a folder that is named is the area itself', () => {
  expect(homeOf('own', folder)).toBe(join(folder, 'own'));
  expect(() => homeOf('own/tests', folder)).toThrow('has no area.config and no megatest.config');
});

test('without an area the error names the folder and what to do', () => {
  expect(() => homeOf(undefined, join(folder, 'none'))).toThrow(
    expect.objectContaining({
      code: 'AREA_NOT_FOUND',
      message: expect.stringContaining('and the folders above it have no'),
      hint: expect.stringContaining('runs init DIR'),
    }),
  );
});
