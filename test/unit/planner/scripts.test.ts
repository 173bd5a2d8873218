/** All scripts of the planner. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findScripts } from '../../../src/bench/script/find-scripts.ts';
import { runFile } from '../../../src/bench/script/run-file.ts';
import { caseLines } from '../../../src/cli/script-report.ts';

const FOLDER = join(import.meta.dirname, '..', '..', '..', 'testdata', 'planner');
const names = findScripts(FOLDER).map(({ file }) => file.slice(FOLDER.length + 1));

test.each(names)('%s shows what it says', async (name) => {
  const report = await runFile(
    { file: join(FOLDER, name), throughLine: undefined },
    {
      ...{ world: undefined, profile: undefined, dialect: undefined, rewrite: false },
      postgres: () => Promise.reject(new Error('the planner asks for no Postgres')),
      signal: new AbortController().signal,
    },
  );
  expect(caseLines(report).join('\n')).toBe('');
  expect(report.results).toHaveLength(report.cases);
});
