/** `tidelock runs ls`, `show`: runs and results as lines, tables, CSV and JSON. */
import { type Command, Option } from 'commander';
import { compilePatterns, matches } from '../../area/patterns.ts';
import { TidelockError } from '../../core/errors.ts';
import type { EventRow, RunRow, TestRow } from '../../planner/rows.ts';
import { isActive } from '../../planner/states.ts';
import {
  type Columns,
  columnsOf,
  countOf,
  EXEC_COLUMNS,
  EXEC_PLAIN,
  objectsOf,
  RUN_COLUMNS,
  sorted,
  tableCsv,
  tableText,
} from '../../report/columns.ts';
import { leavesOf, type RunResults } from '../../report/results.ts';
import { findRun, type ReadRuns, resultsOf, runsOf } from '../../runs/run-results.ts';
import { sinceOption } from '../options.ts';
import { visible } from './ending.ts';
import { addHomeFlags, type HomeFlags } from './home.ts';
import { naming, reading } from './look.ts';
import { JSON_OPTION, wordsOf } from './session.ts';

const FORMATS = ['text', 'json', 'csv'] as const;

/** Of executions. */
export type Selection = {
  readonly pattern?: string;
  readonly state?: string;
  readonly status?: string;
  /** Milliseconds since 1970. */
  readonly since?: number;
};

type Flags = HomeFlags &
  Selection & {
    readonly target?: string;
    readonly name?: string;
    readonly tests?: true;
    readonly fields?: string;
    readonly sort?: string;
    readonly format?: (typeof FORMATS)[number];
    readonly csv?: true;
    readonly json?: true;
  };

export function register(runs: Command): void {
  const ls = addHomeFlags(runs.command('ls').description('runs of the area, oldest first'))
    .option('--target <target>', 'only of this target')
    .option('--name <pattern>', 'only runs with such a name: nightly%')
    .option('--tests', 'every execution of them');
  filtering(ls).action((flags: Flags) => reading(flags, (read) => list(read, flags)));
  filtering(
    naming(runs.command('show').description('results of a run; steps of what is not PASS')),
  ).action((flags: Flags) => reading(flags, (read) => show(read, flags)));
}

function filtering(command: Command): Command {
  return command
    .option('--pattern <pattern>', 'only these tests and items')
    .option('--state <list>', 'only executions in these states')
    .option('--status <list>', 'only executions with these statuses')
    .option('--since <time>', 'only what was going on since: 90m, 2d, 2026-11-22', sinceOption)
    .option('--fields <list>', 'these columns, as a table')
    .option('--sort <field>', 'by this column; -FIELD: the largest first')
    .addOption(new Option('--format <format>', 'of the output').choices(FORMATS))
    .option('--csv', 'executions as CSV')
    .option(...JSON_OPTION);
}

const formatOf = ({ format, csv, json }: Flags): Flags['format'] =>
  format ?? (csv === true ? 'csv' : json === true ? 'json' : 'text');

/** Whether only some of the executions are wanted. */
export const isFiltered = ({ pattern, state, status }: Selection): boolean =>
  [pattern, state, status].some((flag) => flag !== undefined);

export function wants(flags: Selection): (row: TestRow) => boolean {
  const patterns = compilePatterns(flags.pattern ?? '%');
  const [states, statuses] = [wordsOf(flags.state), wordsOf(flags.status)];
  const since = flags.since ?? 0;
  return (row) =>
    matches(patterns, row.name, row.itemPath) &&
    (states.length === 0 || states.includes(row.state)) &&
    (statuses.length === 0 || statuses.includes(row.status)) &&
    (since === 0 || isActive(row) || (row.endedAt ?? row.startedAt ?? 0) >= since);
}

async function list(read: ReadRuns, flags: Flags): Promise<void> {
  const runs = await wantedRuns(read, flags);
  if (flags.tests === true || flags.csv === true) return await listTests(read, runs, flags);
  const names = columnsOf(RUN_COLUMNS, flags.fields, Object.keys(RUN_COLUMNS));
  const rows = flags.sort === undefined ? runs : sorted(runs, RUN_COLUMNS, flags.sort);
  const table = { rows, columns: RUN_COLUMNS, names };
  if (formatOf(flags) === 'text' && flags.fields === undefined) {
    for (const run of rows) console.log(runLine(run));
  } else if (formatOf(flags) === 'json' && flags.fields === undefined) {
    console.log(JSON.stringify(rows));
  } else printTable(table, flags);
}

async function wantedRuns(read: ReadRuns, flags: Flags): Promise<readonly RunRow[]> {
  const names = compilePatterns((flags.name ?? '%').replaceAll('/', '.'));
  const since = flags.since ?? 0;
  const runs = (await runsOf(read, flags.target)).filter(
    (run) =>
      matches(names, run.name, '') &&
      (run.state === 'running' || Math.max(run.endedAt ?? 0, run.createdAt) >= since),
  );
  if (!isFiltered(flags)) return runs;
  const found: RunRow[] = [];
  for (const run of runs) {
    const { tests = [] } = await read({ kind: 'tests', runId: run.id });
    if (leavesOf(tests).some(wants(flags))) found.push(run);
  }
  return found;
}

async function listTests(read: ReadRuns, runs: readonly RunRow[], flags: Flags): Promise<void> {
  const rows = [];
  for (const run of runs) {
    const { tests = [] } = await read({ kind: 'tests', runId: run.id });
    const wanted = flags.csv === true ? tests : leavesOf(tests);
    rows.push(...wanted.filter(wants(flags)).map((test) => ({ run, test })));
  }
  const names = columnsOf(EXEC_COLUMNS, flags.fields, isText(flags) ? SHORT : EXEC_PLAIN);
  const inOrder = flags.sort === undefined ? rows : sorted(rows, EXEC_COLUMNS, flags.sort);
  printTable({ rows: inOrder, columns: EXEC_COLUMNS, names }, flags);
}

const isText = (flags: Flags): boolean => formatOf(flags) === 'text';

/** What fits into a line. */
const SHORT = ['target', 'run', 'test', 'item', 'state', 'status', 'seconds', 'host', 'comment'];

function printTable<Row>(
  table: { readonly rows: readonly Row[]; columns: Columns<Row>; names: readonly string[] },
  flags: Flags,
): void {
  const format = formatOf(flags);
  if (format === 'csv') process.stdout.write(tableCsv(table));
  else console.log(format === 'json' ? JSON.stringify(objectsOf(table)) : tableText(table));
}

/** In local time. */
function runLine(run: RunRow): string {
  const { target, name, state, isLocked, createdAt } = run;
  const [good, failed] = [countOf(run, ['good']), countOf(run, ['bad', 'broken'])];
  const [skipped, open] = [countOf(run, ['skipped']), countOf(run, ['open'])];
  const words = [
    `${good} good, ${failed} failed`,
    ...(skipped > 0 ? [`${skipped} skipped or not started`] : []),
    ...(open > 0 ? [`${open} to come`] : []),
    ...(isLocked ? ['locked'] : []),
  ];
  return `${dayText(createdAt)}  ${state.padEnd(7)}  ${target}  ${name}  ${words.join(', ')}`;
}

/** `2026-11-22 20:15:07`, in local time. */
function dayText(ms: number): string {
  const time = new Date(ms);
  const two = (n: number): string => String(n).padStart(2, '0');
  const day = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join('-');
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(':');
  return `${day} ${clock}`;
}

async function show(read: ReadRuns, flags: Flags): Promise<void> {
  const run = await findRun(read, flags.name ?? 'last', flags.target);
  const results = await resultsOf(read, run);
  const filtered = results.tests.filter(wants(flags));
  if (isFiltered(flags) && filtered.length === 0) throw nothingFits(run);
  const rows = filtered.map((test) => ({ run, test }));
  const inOrder = flags.sort === undefined ? rows : sorted(rows, EXEC_COLUMNS, flags.sort);
  const tests = inOrder.map(({ test }) => test);
  const { notes = [] } = { notes: (await read({ kind: 'notes', runId: run.id })).events };
  if (flags.fields !== undefined || formatOf(flags) === 'csv') {
    const names = columnsOf(EXEC_COLUMNS, flags.fields, EXEC_PLAIN);
    const wanted = inOrder.filter(({ test }) => flags.fields === undefined || !test.isToplevel);
    printTable({ rows: wanted, columns: EXEC_COLUMNS, names }, flags);
  } else if (formatOf(flags) === 'json') {
    console.log(JSON.stringify({ ...results, tests, notes }));
  } else {
    const leaves = flags.sort === undefined ? leavesOf(tests) : tests.filter(isLeaf);
    printResults({ ...results, tests: leaves }, notes);
  }
}

const isLeaf = ({ isToplevel }: TestRow): boolean => !isToplevel;

function printResults(results: RunResults, notes: readonly EventRow[]): void {
  console.log(runLine(results.run));
  for (const { at, actor, new: status, cause } of notes) {
    const said = [...(status === null ? [] : [`status ${status}`]), cause].join(': ');
    console.log(visible(`    ${dayText(at)}  ${actor}  ${said}`));
  }
  const width = Math.max(0, ...results.tests.map((row) => nameOf(row).length));
  for (const row of results.tests) {
    console.log(testLine(row, Math.min(width, NAME_COLUMNS)));
    if (row.status === 'PASS') continue;
    for (const step of results.steps.filter(({ testId }) => testId === row.id)) {
      console.log(visible(`    ${step.status.padEnd(8)} ${step.name}  ${step.comment}`.trimEnd()));
    }
  }
}

/** A longer name moves what stands behind it. */
const NAME_COLUMNS = 40;

const nameOf = ({ name, itemPath }: TestRow): string =>
  itemPath === '' ? name : `${name}(${itemPath})`;

/** test(item), state, status, seconds, when, where. */
function testLine(row: TestRow, width: number): string {
  const { state, status, startedAt, endedAt, host, comment, isStale } = row;
  const ms = startedAt === null || endedAt === null ? null : endedAt - startedAt;
  const time = startedAt === null ? '-' : dayText(startedAt).slice(11);
  const words = [nameOf(row).padEnd(width), state.padEnd(11), status.padEnd(9)];
  const facts = [ms === null ? '-' : `${(ms / 1000).toFixed(2)} s`, time, host ?? '-'];
  const notes = [...(isStale ? ['STALE: its configuration has changed'] : []), comment];
  const all = [...words, ...facts, notes.filter((note) => note !== '').join('; ')];
  return visible(all.join('  ').trimEnd());
}

export function nothingFits({ target, name }: RunRow): TidelockError {
  return new TidelockError({
    code: 'RUN_NOT_FOUND',
    message: `run ${name} of ${target} has nothing that fits`,
    hint: 'look at all of it: tidelock runs show',
  });
}
