/** `tidelock runs compare`, `flaky`, `report`: what results say, to people and to other programs. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { compilePatterns, matches } from '../../area/patterns.ts';
import { TidelockError } from '../../core/errors.ts';
import type { RunRow, TestRow } from '../../planner/rows.ts';
import { type Compared, DIFFERENCES } from '../../report/compare.ts';
import { type Flaky, flakyTests, RUNS_DEFAULT } from '../../report/flaky.ts';
import type { RunResults } from '../../report/results.ts';
import { writeWhole } from '../../runs/more-actions.ts';
import {
  comparedRuns,
  findRun,
  REPORT_FORMATS,
  type ReadRuns,
  type ReportFormat,
  reportsText,
  reportText,
  resultsOf,
  runsOf,
} from '../../runs/run-results.ts';
import { smallCountOption } from '../options.ts';
import { addHomeFlags, type HomeFlags } from './home.ts';
import { JSON_OPTION, openLook, type Session } from './session.ts';

type Flags = HomeFlags & {
  readonly target?: string;
  readonly name: string;
  readonly last?: number;
  readonly format: ReportFormat;
  readonly out?: string;
  readonly json?: true;
};

const TARGET = ['--target <target>', 'of the runs; needed when several targets have one'] as const;

export function register(runs: Command): void {
  addHomeFlags(runs.command('compare').description('two runs: what got worse, what got better'))
    .argument('[before]', 'name of a run; last, last-good: before the other', 'last-good')
    .argument('[after]', 'name of a run, or: last, last-good', 'last')
    .option(...TARGET)
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      '\nExit code 0: nothing fails that did not fail before. 1: something does.',
    )
    .action(async (before: string, after: string, flags: Flags) => {
      await withSession(flags, ({ read }) => compare(read, { before, after, flags }));
    });
  addHomeFlags(runs.command('flaky').description('tests whose verdict changed in the last runs'))
    .option(...TARGET)
    .option('--last <count>', 'runs looked at', smallCountOption, RUNS_DEFAULT)
    .option(...JSON_OPTION)
    .action(async (flags: Flags) => {
      await withSession(flags, ({ read }) => flaky(read, flags));
    });
  addHomeFlags(runs.command('report').description('a run for other programs'))
    .option(...TARGET)
    .option('--name <name>', 'of the run, or: last, last-good; several: nightly%, a,b', 'last')
    .option('--last <count>', 'the newest runs, so many', smallCountOption)
    .addOption(
      new Option('--format <format>', 'of the report').choices(REPORT_FORMATS).default('junit'),
    )
    .option('--out <file>', 'write it there; default: print it')
    .action(async (flags: Flags) => {
      await withSession(flags, (opened) => report(opened, flags));
    });
}

type Opened = { readonly session: Session; readonly read: ReadRuns };

async function withSession(
  flags: Flags,
  look: (opened: Opened) => void | Promise<void>,
): Promise<void> {
  const session = await openLook(flags);
  try {
    await look({ session, read: (query) => session.store.read(query) });
  } finally {
    await session.close();
  }
}

type Comparison = { readonly before: string; readonly after: string; readonly flags: Flags };

async function compare(read: ReadRuns, { before, after, flags }: Comparison): Promise<void> {
  const now = await findRun(read, after, flags.target);
  const was = await findRun(read, before, flags.target ?? now.target, now);
  const compared = await comparedRuns(read, was, now);
  if (flags.json === true) {
    console.log(JSON.stringify({ before: nameOf(was), after: nameOf(now), compared }));
  } else printCompared(was, now, compared);
  if (compared.some(({ difference }) => difference === 'newly failing')) process.exitCode = 1;
}

function printCompared(was: RunRow, now: RunRow, compared: readonly Compared[]): void {
  console.log(`${nameOf(was)} -> ${nameOf(now)}`);
  for (const kind of DIFFERENCES) {
    const of = compared.filter(({ difference }) => difference === kind);
    if (of.length === 0) continue;
    console.log(`\n${kind} (${of.length})`);
    for (const { exec, before, after, band } of of)
      console.log(`  ${exec}  ${sideText(before)} -> ${sideText(after)}${bandText(band)}`);
  }
  if (compared.length === 0) console.log('no difference');
}

function sideText(side: Compared['before']): string {
  if (side === null) return '(none)';
  const { verdict, durationMs } = side;
  return durationMs === null ? verdict : `${verdict} ${(durationMs / 1000).toFixed(1)} s`;
}

const bandText = (band: Compared['band']): string =>
  band === null ? '' : `, as a rule at most ${(band.highMs / 1000).toFixed(1)} s`;

const nameOf = ({ target, name }: RunRow): string => `${target} ${name}`;

async function testsOf(read: ReadRuns, { id: runId }: RunRow): Promise<readonly TestRow[]> {
  return (await read({ kind: 'tests', runId })).tests ?? [];
}

async function flaky(read: ReadRuns, { target, last = RUNS_DEFAULT, json }: Flags): Promise<void> {
  const runs = await runsOf(read, target);
  const found: (Flaky & { readonly target: string })[] = [];
  for (const one of new Set(runs.map((run) => run.target))) {
    const rows: (readonly TestRow[])[] = [];
    const of = runs.filter((run) => run.target === one).slice(-last);
    for (const run of of) rows.push(await testsOf(read, run));
    found.push(...flakyTests(rows, last).map((entry) => ({ ...entry, target: one })));
  }
  if (json === true) return console.log(JSON.stringify(found));
  if (found.length === 0) console.log(`no verdict changed in the last ${last} runs`);
  for (const { target: of, exec, strip, switches, share } of found)
    console.log(`${of}  ${exec}  ${strip}  ${switches} changes, ${Math.round(share * 100)} %`);
}

async function report({ session, read }: Opened, flags: Flags): Promise<void> {
  const { fields } = session.book.area;
  const all: RunResults[] = [];
  for (const run of await reported(read, flags)) all.push(await resultsOf(read, run));
  const [one] = all;
  const text =
    isOne(flags) && one !== undefined
      ? reportText(one, flags.format, fields)
      : reportsText(all, flags.format, fields);
  if (flags.out === undefined) process.stdout.write(text);
  else writeWhole(flags.out, text);
}

/** Named as such, and not only by chance. */
const isOne = ({ name, last }: Flags): boolean => last === undefined && !/[%*,]/.test(name);

async function reported(read: ReadRuns, flags: Flags): Promise<readonly RunRow[]> {
  const { name, target, last } = flags;
  if (isOne(flags)) return [await findRun(read, name, target)];
  const patterns = compilePatterns(name === 'last' ? '%' : name);
  const found = (await runsOf(read, target)).filter((run) => matches(patterns, run.name, ''));
  if (found.length > 0) return found.slice(-(last ?? found.length));
  throw new TidelockError({
    code: 'RUN_NOT_FOUND',
    message: `no run has a name like ${name}`,
    hint: 'list them with: tidelock runs ls',
  });
}
