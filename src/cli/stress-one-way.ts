/** `tidelock stress one-way`: senders, receivers and faults; every transaction is checked afterwards. */
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { READ_FAULTS } from '../bench/proxy/fault-proxy.ts';
import { PLANT_VARIABLE, plantedBug } from '../bench/stress/bugs/catalog.ts';
import { exitCodeOf } from '../bench/stress/bugs/exit-code.ts';
import type { RunFile } from '../bench/stress/evidence.ts';
import { choiceOf, FAULTS, type FaultChoice } from '../bench/stress/plan.ts';
import type { Protocol } from '../bench/stress/receiver-news.ts';
import type { Report, StressOptions } from '../bench/stress/run.ts';
import { runStress } from '../bench/stress/stress.ts';
import { judgeFolder } from '../bench/stress/verdict.ts';
import { durationOption, seedOption, smallCountOption } from './options.ts';
import { ProgressLine } from './progress-line.ts';
import { stopOnSignal } from './stop-signal.ts';
import { stressVerdictLines } from './stress-verdict.ts';

type Flags = {
  readonly duration: number;
  readonly senders: number;
  readonly receivers?: number;
  readonly seed?: number;
  readonly faults: { readonly text: string; readonly choice: FaultChoice };
  readonly protocol: Protocol;
  readonly postgres?: string;
  readonly server?: string;
  readonly out?: string;
  readonly cleanup?: boolean;
  readonly plant?: string;
  readonly json?: boolean;
};

const EXIT_INTERRUPTED = 130;
const SEED_MAX = 2 ** 30;
const DURATION_MS = 20_000;

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const PROGRAM = join(ROOT, 'bin', 'tidelock');

const HELP = `
Faults: none, gentle, harsh, network, or names with commas between them:
  ${FAULTS.slice(0, 5).join(', ')},
  ${FAULTS.slice(5).join(', ')}
By a proxy between each receiver and the server (network is all of these):
  ${READ_FAULTS.slice(0, 6).join(', ')},
  ${READ_FAULTS.slice(6).join(', ')}
The same seed draws the same transactions and the same faults.

Examples:
  tidelock stress one-way
  tidelock stress one-way --duration 60s --senders 4 --faults harsh --seed 7
  tidelock stress one-way --faults kill-server,kill-postgres --duration 30s
  tidelock stress one-way --postgres postgres://… --server http://127.0.0.1:7700 --cleanup

Exit code 0: PASS. 1: FAIL, or it could not be run. 2: wrong options. 130: interrupted; the evidence is kept.
`;

export function register(stress: Command): void {
  stress
    .command('one-way')
    .description('Postgres to SQLite: senders, receivers, faults, a verdict for each property')
    .addOption(
      new Option('--duration <time>', 'how long is written: 20, 90s, 5m')
        .argParser(durationOption)
        .default(DURATION_MS, '20s'),
    )
    .option('--senders <count>', 'writers, side by side', smallCountOption, 2)
    .option('--receivers <count>', 'replicas (default: one per sender)', smallCountOption)
    .option(
      '--seed <number>',
      'what is written and which faults come (default: a new one)',
      seedOption,
    )
    .addOption(
      new Option('--faults <faults>', 'none, gentle, harsh, network, or a list')
        .argParser(faultsOption)
        .default(faultsOption('none'), 'none'),
    )
    .addOption(
      new Option('--protocol <protocol>', 'what the receivers speak')
        .choices(['native', 'transicator'])
        .default('native'),
    )
    .option('--postgres <url>', 'a Postgres that runs already, with --server')
    .option('--server <url>', 'a server that runs already, with --postgres')
    .option('--out <dir>', 'folder of the run (default: .tidelock/stress/<id>)')
    .option('--cleanup', 'remove databases and tables afterwards; the evidence stays')
    .option('--json', 'print the result as one JSON object')
    .addOption(new Option('--plant <bug>', `with ${PLANT_VARIABLE}: a bug, to be found`).hideHelp())
    .addHelpText('after', HELP)
    .action(run);
}

async function run(flags: Flags, command: Command): Promise<void> {
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
  const { senders, receivers, faultsText, seed, durationMs, dir } = options;
  try {
    say(
      `stress one-way: ${senders} senders, ${receivers} receivers, ${durationMs / 1000} s, ` +
        `faults ${faultsText}, seed ${seed}`,
    );
    const run = await runStress(options, report, signal);
    if (run.end?.how === 'interrupted') {
      say(`interrupted; the evidence so far is in ${shortPath(dir)}`);
      process.exitCode = EXIT_INTERRUPTED;
    } else await tell(run, { dir, flags, progress, say });
  } finally {
    progress.clear();
    release();
  }
}

/** The verdict; the run itself has ended. */
async function tell(
  run: RunFile,
  about: {
    readonly dir: string;
    readonly flags: Flags;
    readonly progress: ProgressLine;
    readonly say: (text: string) => void;
  },
): Promise<void> {
  const { dir, flags, progress, say } = about;
  progress.show('judging');
  const { verdict, report } = await judgeFolder(dir);
  if (run.end?.reason !== null) say(`the run ended ${run.end?.how}: ${run.end?.reason}`);
  say(stressVerdictLines(verdict).join('\n'));
  say(`evidence in ${shortPath(dir)}, report in ${shortPath(report)}`);
  if (flags.json === true) console.log(JSON.stringify({ run, verdict, report }));
  process.exitCode = exitCodeOf(run, verdict);
}

function optionsOf(flags: Flags): StressOptions {
  const seed = flags.seed ?? randomInt(SEED_MAX);
  const id = `${new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')}-${seed}`;
  const { postgres, server, senders, protocol } = flags;
  return {
    ...{ id, seed, senders, protocol, durationMs: flags.duration },
    receivers: flags.receivers ?? senders,
    dir: resolve(flags.out ?? join(ROOT, '.tidelock', 'stress', id)),
    ...{ faults: flags.faults.choice, faultsText: flags.faults.text },
    stack: postgres === undefined || server === undefined ? null : { postgres, server },
    isCleanedUp: flags.cleanup === true,
    bug: plantedBug(flags.plant, process.env),
    launch: {
      command: process.execPath,
      programArguments: [PROGRAM],
      environment: process.env,
    },
    versions: { tidelock: packageVersion(), node: process.versions.node },
  };
}

function faultsOption(text: string): Flags['faults'] {
  const choice = choiceOf(text);
  if (choice !== undefined) return { text, choice };
  throw new InvalidArgumentError(
    `none, gentle, harsh, network, or a list of: ${[...FAULTS, ...READ_FAULTS].join(', ')}.`,
  );
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
