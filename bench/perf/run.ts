/**
 * All benchmarks, one after the other: `npm run bench`. Each prints its ratio first; results as JSON lines on stdout.
 *
 *   npm run bench [-- --rounds 5] [-- --only pipeline,fanout]
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const PROGRAMS = [
  'pipeline',
  'first-copy',
  'selectors',
  'fanout',
  'apply',
  'log-append',
  'snapshot-file',
  'coordinator',
  'planner',
  'lockstep',
  'capture',
  'upload',
  'convergence',
  'twoway-triggers',
  'views',
  'runs',
  'sql-reads',
  'runs-storage',
  'dashboard',
] as const;

const { values } = parseArgs({
  options: { rounds: { type: 'string' }, only: { type: 'string' } },
});
const only = values.only?.split(',') ?? [...PROGRAMS];
const unknown = only.filter((name) => !PROGRAMS.some((program) => program === name));
if (unknown.length > 0) {
  process.stderr.write(`no benchmark ${unknown.join(', ')}; there are ${PROGRAMS.join(', ')}\n`);
  process.exit(2);
}
let failed = 0;
for (const name of only) {
  process.stderr.write(`\n${name}\n`);
  const rounds =
    values.rounds === undefined || name === 'coordinator' ? [] : ['--rounds', values.rounds];
  const file = fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
  const { status } = spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', file, ...rounds],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
  if (status !== 0) failed += 1;
}
process.exitCode = failed === 0 ? 0 : 1;
