/**
 * Runs one program of bench/perf and puts its ratios into the test's data, each against a limit. A ratio is measured against
 * something else in the same run, so the limits hold on any machine; they leave room for one that is busy.
 *
 *   node benchmark.mjs NAME short|full
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { load } from './load.mjs';

/**
 * By program: arguments of the short variant, and of each figure its limit. A figure is a field of a line of the program's
 * results; `label` tells lines apart.
 */
const PROGRAMS = {
  planner: {
    short: ['--executions', '2000', '--rounds', '3'],
    label: ({ shape }) => shape,
    limits: { ratio: ['<', 12, 'an event in a run ten times as large, to one in the small run'] },
  },
  'log-append': {
    short: ['--mb', '8', '--restart-mb', '16', '--trickle', '5000', '--rounds', '3'],
    label: ({ rows }) => `${rows} rows`,
    limits: { ratio: ['>', 0.05, 'appends, to those of a plain file'] },
  },
  'snapshot-file': {
    short: ['--rows', '50000', '--rounds', '3'],
    label: () => 'rows',
    limits: { ratio: ['>', 0.2, 'rows per processor second, to bare inserts'] },
  },
  apply: {
    short: ['--rows', '30000', '--rounds', '2'],
    label: ({ workload }) => workload,
    limits: { ratio: ['>', 0.15, 'rows per processor second with digests, to those without'] },
  },
  runs: {
    short: ['--executions', '100', '--rounds', '1'],
    label: () => 'executions',
    limits: {
      ratio: ['<', 20, 'executions, to as many bare shells'],
      helperRatio: ['<', 0.6, 'a call of the helper, to a start of node'],
    },
  },
};

const [name, size] = process.argv.slice(2);
const program = PROGRAMS[name];
if (program === undefined) {
  console.error(`no limits for ${name}; there are ${Object.keys(PROGRAMS).join(', ')}`);
  process.exit(2);
}
const file = fileURLToPath(new URL(`../../../bench/perf/${name}.ts`, import.meta.url));
const flags = ['--disable-warning=ExperimentalWarning', '--expose-gc'];
const args = size === 'short' ? program.short : [];
const { status, stdout } = spawnSync(process.execPath, [...flags, file, ...args], {
  stdio: ['ignore', 'pipe', 'inherit'],
  encoding: 'utf8',
});
process.stdout.write(stdout);
if (status !== 0) process.exit(status ?? 1);

const results = stdout.split('\n').flatMap((line) => {
  return line.startsWith('{') ? [JSON.parse(line)] : [];
});
const rows = results.flatMap((result) =>
  Object.entries(program.limits).flatMap(([figure, [comparator, limit, words]]) => {
    const value = figureOf(result, figure);
    if (value === undefined) return [];
    const variable = `${program.label(result)} ${figure}`;
    return [['benchmark', variable, value.toFixed(3), limit, comparator, 'times', words]];
  }),
);
if (rows.length === 0) {
  console.error(`${name} has printed no figure that has a limit`);
  process.exit(1);
}
load([
  ...rows,
  [
    'run',
    'command',
    ['node', `bench/perf/${name}.ts`, ...args].join(' '),
    '',
    '',
    '',
    'repeats it',
  ],
]);

function figureOf(result, figure) {
  if (figure === 'helperRatio') return result.helperMs / result.nodeMs;
  if (figure === 'ratio' && Array.isArray(result.ratios)) return middle(result.ratios);
  return result[figure];
}

function middle(numbers) {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
}
