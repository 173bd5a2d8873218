/** docs/dashboard.md against the code, both ways. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { differences, ROOT, read, rows, section } from './pages.ts';

function checkRoutes(page: string): readonly string[] {
  const folder = 'src/server/dashboard';
  const code = readdirSync(join(ROOT, folder)).flatMap((name) =>
    [...read(`${folder}/${name}`).matchAll(/url: '(\/v1\/[^']+)'/g)].map(([, url = '']) => url),
  );
  const stated = rows(section(page, '## What its pages ask')).filter(
    ([method]) => method === 'GET',
  );
  return differences(
    stated.map(([, path = '']) => path),
    code,
  );
}

test('dashboard.md has the routes of the code', () => {
  const page = read('docs/dashboard.md');
  expect(checkRoutes(page)).toEqual([]);
  expect(checkRoutes(page.replace('/v1/explain', '/v1/why'))).not.toEqual([]);
});
