/** All scripts over the whole product. They share one Postgres, and have a database each. */
import { join } from 'node:path';
import { expect, inject, test } from 'vitest';
import { findScripts } from '../../src/bench/script/find-scripts.ts';
import { runFile } from '../../src/bench/script/run-file.ts';
import { caseLines } from '../../src/cli/script-report.ts';

const FOLDER = join(import.meta.dirname, '..', '..', 'testdata', 'real');

test.each(findScripts(FOLDER).map((target) => [target.file.slice(FOLDER.length + 1), target]))(
  '%s shows what it says',
  async (_, target) => {
    const report = await runFile(target, {
      ...{ world: undefined, profile: undefined, dialect: undefined, rewrite: false },
      postgres: () => Promise.resolve(inject('postgresUrl')),
      signal: new AbortController().signal,
    });
    expect(caseLines(report).join('\n')).toBe('');
    expect(report.results).toHaveLength(report.cases);
  },
);
