/** `tidelock stress two-way`: databases that write offline and online, with and without owners of rows; a verdict. */
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Command, Option } from 'commander';
import { PLANT_VARIABLE } from '../bench/stress/bugs/catalog.ts';
import type { Report } from '../bench/stress/run.ts';
import { plantedTwowayBug } from '../bench/twoway/bugs/planted.ts';
import { CONFLICT_ROWS, FAULT_LEVELS, SCALES, WORKLOADS } from '../bench/twoway/options.ts';
import { runTwoway } from '../bench/twoway/run.ts';
import type { TwowayOptions } from '../bench/twoway/run-options.ts';
import { DEFAULT_SCHEMA } from '../bench/twoway/table.ts';
import { exitCodeOfTwoway, judgeTwoway } from '../bench/twoway/verdict.ts';
import { countOption, durationOption, seedOption, smallCountOption, tokenOf } from './options.ts';
import { ProgressLine } from './progress-line.ts';
import { stopOnSignal } from './stop-signal.ts';
import { type Answers, ask } from './stress-questions.ts';
import { twowayVerdictLines } from './stress-twoway-verdict.ts';

type TwowayFlags = Answers & {
  readonly rows?: number;
  readonly iterations?: number;
  readonly databases?: number;
  readonly adminToken?: string;
  readonly timeout: number;
  readonly seed?: number;
  readonly out?: string;
  readonly cleanup?: boolean;
  readonly plant?: string;
  readonly json?: boolean;
};

const EXIT_INTERRUPTED = 130;
const SEED_MAX = 2 ** 30;
const TIMEOUT_MS = 600_000;

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const PROGRAM = join(ROOT, 'bin', 'tidelock');

const HELP = `
Scales: small (1,000 rows, 5 iterations, 2 databases), medium (10,000, 10, 4), large (100,000, 50, 4).
In a terminal and without options, the questions are asked.

Examples:
  tidelock stress two-way --scale small --rls
  tidelock stress two-way --scale medium
  tidelock stress two-way --workload conflict --databases 4 --faults harsh --seed 7
  tidelock stress two-way --schema notes.sql --rows 500 --iterations 3
  tidelock stress two-way --postgres postgres://… --server http://127.0.0.1:7700 --admin-token …

Exit code 0: PASS. 1: FAIL, or it could not be run. 2: wrong options. 130: interrupted; the evidence is kept.
`;

export function register(stress: Command): void {
  stress
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
    .option('--server <url>', 'a server that runs already, with --postgres')
    .option('--postgres <url>', 'a Postgres that runs already, with --server')
    .option('--admin-token <token>', 'makes the tokens of the users (or TIDELOCK_TOKEN)')
    .addOption(
      new Option('--timeout <time>', 'bounds the run')
        .argParser(durationOption)
        .default(TIMEOUT_MS, '10m'),
    )
    .option(
      '--seed <number>',
      'what is written and which faults come (default: a new one)',
      seedOption,
    )
    .option('--out <dir>', 'folder of the run (default: .tidelock/stress/<id>)')
    .option('--cleanup', 'remove the databases afterwards; the evidence stays')
    .option('--json', 'print the result as one JSON object')
    .addOption(new Option('--plant <bug>', `with ${PLANT_VARIABLE}: a bug, to be found`).hideHelp())
    .addHelpText('after', HELP)
    .action(run);
}

async function run(given: TwowayFlags, command: Command): Promise<void> {
  const isAsked = process.stdin.isTTY === true && process.stdout.isTTY === true && isBare(command);
  const flags = isAsked ? { ...given, ...(await ask(process.stdin, process.stdout)) } : given;
  if ((flags.postgres === undefined) !== (flags.server === undefined)) {
    command.error('error: --postgres and --server belong together');
  }
  const options = optionsOf(flags);
  const { signal, release } = stopOnSignal();
  const progress = new ProgressLine(process.stderr, () => performance.now());
  const say = (text: string): void => {
    progress.clear();
    if (flags.json !== true) console.log(text);
  };
  const report: Report = { progress: (text) => progress.show(text), line: say };
  try {
    say(headline(options));
    const ended = await runTwoway(options, report, signal);
    if (ended.end.how === 'interrupted') {
      say(`interrupted; the evidence so far is in ${shortPath(options.dir)}`);
      process.exitCode = EXIT_INTERRUPTED;
      return;
    }
    progress.show('judging');
    const { verdict, report: page } = await judgeTwoway(options.dir);
    say(twowayVerdictLines(ended, verdict, options.dir).join('\n'));
    say(`evidence in ${shortPath(options.dir)}, report in ${shortPath(page)}`);
    if (flags.json === true) console.log(JSON.stringify({ run: ended, verdict, report: page }));
    process.exitCode = exitCodeOfTwoway(ended, verdict);
  } finally {
    progress.clear();
    release();
  }
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
  const seed = flags.seed ?? randomInt(SEED_MAX);
  const id = `${new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')}-${seed}`;
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
    ...{ id, seed, workload, faults, timeoutMs: flags.timeout },
    scale: isCustom ? 'custom' : (flags.scale ?? 'small'),
    rows: flags.rows ?? (workload === 'conflict' ? CONFLICT_ROWS : scale.rows),
    iterations: flags.iterations ?? scale.iterations,
    databases: flags.databases ?? scale.databases,
    isRls: flags.rls === true,
    schema: flags.schema === undefined ? DEFAULT_SCHEMA : readFileSync(flags.schema, 'utf8'),
    dir: resolve(flags.out ?? join(ROOT, '.tidelock', 'stress', id)),
    stack: postgres === undefined ? null : stack,
    isCleanedUp: flags.cleanup === true,
    bug: plantedTwowayBug(flags.plant, process.env),
    launch: { command: process.execPath, programArguments: [PROGRAM], environment: process.env },
    versions: { tidelock: packageVersion(), node: process.versions.node },
  };
}

function packageVersion(): string {
  const text = readFileSync(join(ROOT, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** As it is seen from here, when it is below. */
function shortPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith('..') || short === '' ? path : short;
}
