/** `tidelock stress two-way`: databases that write offline and online, with and without owners of rows; a verdict. */
import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { plantedTwowayBug } from '../bench/twoway/bugs/planted.ts';
import { CONFLICT_ROWS, FAULT_LEVELS, SCALES, WORKLOADS } from '../bench/twoway/options.ts';
import { runTwoway } from '../bench/twoway/run.ts';
import type { TwowayOptions } from '../bench/twoway/run-options.ts';
import { DEFAULT_SCHEMA } from '../bench/twoway/table.ts';
import { exitCodeOfTwoway, judgeTwoway } from '../bench/twoway/verdict.ts';
import { countOption, durationOption, shortPath, smallCountOption, tokenOf } from './options.ts';
import { type Answers, ask } from './stress-questions.ts';
import {
  addRunOptions,
  EXIT_CODES_HELP,
  endIfInterrupted,
  newRun,
  type RunFlags,
  requireWholeStack,
  throwIfFailed,
  underWay,
} from './stress-run.ts';
import { twowayVerdictLines } from './stress-twoway-verdict.ts';

type TwowayFlags = RunFlags &
  Answers & {
    readonly rows?: number;
    readonly iterations?: number;
    readonly databases?: number;
    readonly adminToken?: string;
    readonly timeout: number;
  };

const TIMEOUT_MS = 600_000;

const HELP = `
Scales: small (1,000 rows, 5 iterations, 2 databases), medium (10,000, 10, 4), large (100,000, 50, 4).
In a terminal and without options, the questions are asked.

Examples:
  tidelock stress two-way --scale small --rls
  tidelock stress two-way --scale medium
  tidelock stress two-way --workload conflict --databases 4 --faults harsh --seed 7
  tidelock stress two-way --schema notes.sql --rows 500 --iterations 3
  tidelock stress two-way --postgres postgres://… --server http://127.0.0.1:7700 --admin-token …

${EXIT_CODES_HELP}
`;

export function register(stress: Command): void {
  const command = stress
    .command('two-way')
    .description(
      'SQLite to Postgres and back: databases that write, faults, a verdict for each property',
    )
    .addOption(
      new Option('--scale <scale>', 'how much (default: small)').choices(Object.keys(SCALES)),
    )
    .option(
      '--rows <count>',
      'inserted per iteration and database; shared keys of conflict',
      countOption,
    )
    .option('--iterations <count>', 'delete all, insert, update all', countOption)
    .option('--databases <count>', 'each in a process of its own', smallCountOption)
    .option('--rls', 'rows have owners, two databases for each user')
    .option('--schema <file>', 'a CREATE TABLE statement (default: test_sync)')
    .addOption(
      new Option('--workload <workload>', 'own rows, or the same for all (default: cycle)').choices(
        WORKLOADS,
      ),
    )
    .addOption(
      new Option('--faults <level>', 'network, kills, offline (default: none)').choices(
        FAULT_LEVELS,
      ),
    )
    .option('--admin-token <token>', 'makes the tokens of the users (or TIDELOCK_TOKEN)')
    .addOption(
      new Option('--timeout <time>', 'bounds the run')
        .argParser(durationOption)
        .default(TIMEOUT_MS, '10m'),
    );
  addRunOptions(command).addHelpText('after', HELP).action(run);
}

async function run(given: TwowayFlags, command: Command): Promise<void> {
  const isAsked = process.stdin.isTTY === true && process.stdout.isTTY === true && isBare(command);
  const flags = isAsked ? { ...given, ...(await ask(process.stdin, process.stdout)) } : given;
  requireWholeStack(flags, command);
  const options = optionsOf(flags);
  await underWay(flags, async ({ report, signal, say }) => {
    say(headline(options));
    const ended = await runTwoway(options, report, signal);
    if (endIfInterrupted(ended.end.how, options.dir, say)) return;
    report.progress('judging');
    const { verdict, report: page } = await judgeTwoway(options.dir);
    say(twowayVerdictLines(ended, verdict, options.dir).join('\n'));
    say(`evidence in ${shortPath(options.dir)}, report in ${shortPath(page)}`);
    if (flags.json === true) console.log(JSON.stringify({ run: ended, verdict, report: page }));
    if (ended.bug === null) throwIfFailed(ended.end, options.dir);
    process.exitCode = exitCodeOfTwoway(ended, verdict);
  });
}

/** True when nothing was said: no option by a person. */
function isBare(command: Command): boolean {
  return command.options.every(
    (option) => command.getOptionValueSource(option.attributeName()) !== 'cli',
  );
}

function headline({
  databases,
  rows,
  iterations,
  workload,
  isRls,
  faults,
  seed,
}: TwowayOptions): string {
  return (
    `stress two-way: ${databases} databases, ${rows} rows, ${iterations} iterations, ${workload}, ` +
    `${isRls ? 'row-level security' : 'no row-level security'}, faults ${faults}, seed ${seed}`
  );
}

function optionsOf(flags: TwowayFlags): TwowayOptions {
  const { postgres, server, workload = 'cycle', faults = 'none' } = flags;
  const isCustom =
    flags.rows !== undefined || flags.iterations !== undefined || flags.databases !== undefined;
  const scale = SCALES[flags.scale ?? 'small'];
  const stack = {
    postgres: postgres ?? '',
    server: server ?? '',
    adminToken: tokenOf(flags.adminToken) ?? null,
  };
  return {
    ...newRun(flags),
    ...{ workload, faults, timeoutMs: flags.timeout },
    scale: isCustom ? 'custom' : (flags.scale ?? 'small'),
    rows: flags.rows ?? (workload === 'conflict' ? CONFLICT_ROWS : scale.rows),
    iterations: flags.iterations ?? scale.iterations,
    databases: flags.databases ?? scale.databases,
    isRls: flags.rls === true,
    schema: flags.schema === undefined ? DEFAULT_SCHEMA : readFileSync(flags.schema, 'utf8'),
    stack: postgres === undefined ? null : stack,
    bug: plantedTwowayBug(flags.plant, process.env),
  };
}
