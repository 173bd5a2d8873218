/** Runs that once failed, or fail with a planted bug, as scripts: they are sound now, and stay so. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runFile } from '../../../src/bench/script/run-file.ts';
import { openSimWorld } from '../../../src/bench/sim/script-world.ts';

const FOLDER = join(import.meta.dirname, '../../../testdata/sim');
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith('.test'));

test.each(FILES)('P7, P9, P27, P29: %s is as it says', async (name) => {
  const report = await runFile(
    { file: join(FOLDER, name), throughLine: undefined },
    {
      ...{ world: undefined, profile: undefined, dialect: undefined, rewrite: false },
      postgres: () => Promise.reject(new Error('a simulated run needs no Postgres')),
      signal: new AbortController().signal,
      openerOf: () => openSimWorld,
    },
  );
  const shown = report.results.map((result) => ('output' in result ? result.output : ''));
  expect(shown.at(-1)).toBe('every property holds\n');
  expect(report.results.map(({ kind }) => kind)).toEqual(shown.map(() => 'passed'));
});
