/** Which host is the home of an area: one, and always the same. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { homeHost, placeOf } from '../../../src/runs/database/place.ts';
import { tempDir } from '../../support/run-bed.ts';

function place() {
  const identity = { host: 'one', bootId: 'boot' };
  return placeOf({ area: tempDir(), tempDir: tempDir(), identity });
}

test('the first host is home, the others learn so, and nothing else is left', () => {
  const at = place();
  expect(homeHost(at, 'one')).toBe('one');
  expect(homeHost(at, 'two')).toBe('one');
  expect(homeHost(at, 'two', 'three')).toBe('three');
  expect(readdirSync(at.stateDir)).toEqual(['home']);
  expect(readFileSync(at.homeFile, 'utf8')).toBe('one\n');
});

test('a home file that names nobody makes nobody home', () => {
  const at = place();
  homeHost(at, 'one');
  writeFileSync(at.homeFile, '');
  expect(() => homeHost(at, 'two')).toThrow('is empty: nobody knows which host');
});
