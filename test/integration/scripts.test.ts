/** All scripts over the whole product. They share one Postgres, and have a database each. */
import { join } from 'node:path';
import { expect, inject, test } from 'vitest';
import { findScripts } from '../../src/bench/script/find-scripts.ts';
import { type FileReport, runFile } from '../../src/bench/script/run-file.ts';
import type { BugName } from '../../src/bench/stress/bugs/catalog.ts';
import { caseLines } from '../../src/cli/script-report.ts';

const FOLDER = join(import.meta.dirname, '..', '..', 'testdata', 'real');

function run(name: string, plant?: BugName): Promise<FileReport> {
  return runFile(
    { file: join(FOLDER, name), throughLine: undefined },
    {
      ...{ world: undefined, profile: undefined, dialect: undefined, rewrite: false, plant },
      postgres: () => Promise.resolve(inject('postgresUrl')),
      signal: new AbortController().signal,
    },
  );
}

const names = findScripts(FOLDER).map(({ file }) => file.slice(FOLDER.length + 1));

test.each(names)('%s shows what it says', async (name) => {
  const report = await run(name);
  expect(caseLines(report).join('\n')).toBe('');
  expect(report.results).toHaveLength(report.cases);
});

test.each<[BugName, string]>([
  ['cursor-by-txid', 'commit-order-taken-for-txid-order'],
  ['position-before-rows', 'half-a-transaction-is-visible'],
  ['ack-before-fsync', 'log-acknowledged-before-it-is-durable'],
  ['keepalive-skips', 'acknowledged-write-is-lost-with-the-connection'],
  ['silent-new-slot', 'lost-slot-is-hidden'],
  ['toast-as-null', 'large-value-becomes-null'],
  ['number-as-double', 'values-lose-precision'],
])('P31: the planted bug %s is found by %s', async (bug, name) => {
  const { error, results } = await run(`${name}.test`, bug);
  expect(error).toBeUndefined();
  expect(results.at(-1)?.kind).toBe('differs');
});
