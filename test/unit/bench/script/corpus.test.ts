/** The scripts of the repository: each names its world; those about read times are run here, because they take no time. */
import { readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { expect, test } from 'vitest';
import { findScripts } from '../../../../src/bench/script/find-scripts.ts';
import { runFile } from '../../../../src/bench/script/run-file.ts';
import { WORLD_NAMES } from '../../../../src/bench/script/worlds.ts';
import { caseLines } from '../../../../src/cli/script-report.ts';
import { parseScript } from '../../../../src/script/parse.ts';

const FOLDER = join(import.meta.dirname, '..', '..', '..', '..', 'testdata');
const files = findScripts(FOLDER)
  .map(({ file }) => file.slice(FOLDER.length + 1))
  .filter((file) => ['.test', '.ct'].includes(extname(file)));

test('every script can be read, names a world that exists, and has no case without a world', () => {
  for (const file of files) {
    const dialect = extname(file) === '.ct' ? 'rust' : 'strict';
    const { settings, cases } = parseScript(readFileSync(join(FOLDER, file), 'utf8'), {
      file,
      dialect,
    });
    expect(WORLD_NAMES).toContain(settings.world ?? 'coordinator');
    expect(cases.length).toBeGreaterThan(0);
  }
});

test.each(files.filter((file) => file.startsWith('timestamps/')))(
  '%s shows what it says',
  async (file) => {
    const report = await runFile(
      { file: join(FOLDER, file), throughLine: undefined },
      {
        ...{ world: undefined, profile: undefined, dialect: undefined, rewrite: false },
        postgres: () => Promise.reject(new Error('no Postgres here')),
        signal: new AbortController().signal,
      },
    );
    expect(caseLines(report)).toEqual([]);
    expect(report.results).toHaveLength(report.cases);
  },
);
