/** `tidelock demo`, which `npm start` runs: the whole product on real data, with faults and a verdict. */
import { join, resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  type DemoResult,
  PLANTS,
  type Plant,
  type RunningDemo,
  startDemo,
} from '../bench/demo/demo.ts';
import type { Fact, Report } from '../bench/demo/report.ts';
import { factLines, servingLines, verdictLines } from './demo-transcript.ts';
import { countOption, seedOption, shortPath } from './options.ts';
import { PACKAGE_FOLDER, PROGRAM } from './package.ts';
import { ProgressLine } from './progress-line.ts';
import { stopOnSignal } from './stop-signal.ts';

type DemoFlags = {
  readonly once?: boolean;
  readonly json?: boolean;
  readonly data: string;
  readonly port?: number;
  readonly seed: number;
  readonly places?: number;
  readonly plant?: Plant;
};

const EXIT_FAILED = 1;
const EXIT_INTERRUPTED = 130;
const PORT_MAX = 65_535;
const SEED = 42;

const HELP = `
Starts a Postgres of its own, loads the places of GeoNames (the first time), opens SQLite replicas of
four countries and writes for some seconds. Meanwhile the replication connection is cut and a replica is
killed with -9. Then every column of every replica is compared with Postgres, and the judge of
"tidelock stress" goes through every local transaction. Delays are measured from the commit time in
Postgres to the commit in the replica's file, outside of faults. Everything is on loopback; to begin
again, remove the folder of --data.

Exit code 0: PASS, or stopped after it. 1: FAIL, or it could not be run. 130: interrupted before.
`;

export function register(program: Command): void {
  program
    .command('demo')
    .description('see it work: real data, live writes, faults, a verdict; then serve until Ctrl-C')
    .option('--once', 'stop after the verdict')
    .option('--json', 'print the result as one JSON object')
    .option('--data <dir>', 'folder of the demo', join(PACKAGE_FOLDER, '.tidelock', 'demo'))
    .option('--port <port>', 'port of the server (default: 7700, or a free one)', portOption)
    .option('--seed <number>', 'another seed writes other changes', seedOption, SEED)
    .addOption(new Option('--places <count>').argParser(countOption).hideHelp())
    .addOption(new Option('--plant <fault>').choices(PLANTS).hideHelp())
    .addHelpText('after', HELP)
    .action(run);
}

async function run(flags: DemoFlags): Promise<void> {
  const { signal, release } = stopOnSignal();
  const progress = new ProgressLine(process.stderr, () => performance.now());
  try {
    await runUntilStopped(flags, progress, signal);
  } catch (error) {
    progress.clear();
    if (!signal.aborted) throw error;
    console.error('interrupted; everything is stopped');
    process.exitCode = EXIT_INTERRUPTED;
  } finally {
    progress.clear();
    release();
  }
}

async function runUntilStopped(
  flags: DemoFlags,
  progress: ProgressLine,
  signal: AbortSignal,
): Promise<void> {
  const dir = resolve(flags.data);
  const say = (lines: readonly string[]): void => {
    progress.clear();
    if (flags.json !== true) console.log(lines.join('\n'));
  };
  say([`tidelock demo, seed ${flags.seed}, data in ${shortPath(dir)}`]);
  signal.addEventListener('abort', () => progress.show('stopping'), { once: true });
  const demo = await startDemo(
    {
      ...{ dir, port: flags.port, seed: flags.seed, placesMax: flags.places, plant: flags.plant },
      launch: {
        command: process.execPath,
        programArguments: [PROGRAM],
        environment: process.env,
      },
    },
    reportTo(progress, say),
    signal,
  );
  try {
    tell(demo.result, flags, say);
    if (flags.once !== true) await serve(demo, { progress, signal, say });
  } finally {
    await demo.close();
  }
}

type Say = (lines: readonly string[]) => void;

function reportTo(progress: ProgressLine, say: Say): Report {
  return {
    progress: (text) => progress.show(text),
    fact: (fact: Fact) => say(factLines(fact)),
  };
}

function tell(result: DemoResult, flags: DemoFlags, say: Say): void {
  say(verdictLines(result));
  if (flags.json === true) console.log(JSON.stringify(result));
  if (result.verdict !== 'PASS') process.exitCode = EXIT_FAILED;
}

/** Keeps everything running until the user has seen enough. */
async function serve(
  demo: RunningDemo,
  { progress, signal, say }: { progress: ProgressLine; signal: AbortSignal; say: Say },
): Promise<void> {
  say(servingLines(demo.result, shortPath(PROGRAM)));
  demo.watch({
    onApplied: (selector, { ts, changes, delayMs }) => {
      const late = Math.max(0, Math.round(delayMs ?? 0));
      progress.passing(`${selector}: ${changes} changes, ${late} ms after their commit, at ${ts}`);
    },
    onLost: (selector) => say([`replica ${selector} has ended; the others go on`]),
  });
  if (signal.aborted) return;
  await new Promise((stop) => signal.addEventListener('abort', stop, { once: true }));
}

function portOption(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= PORT_MAX) return port;
  throw new InvalidArgumentError(`a number from 0 to ${PORT_MAX} is needed.`);
}
