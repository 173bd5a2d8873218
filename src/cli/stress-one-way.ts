/** `tidelock stress one-way`: senders, receivers and faults; every transaction is checked afterwards. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { READ_FAULTS } from '../bench/proxy/fault-proxy.ts';
import { plantedBug } from '../bench/stress/bugs/catalog.ts';
import { exitCodeOf } from '../bench/stress/bugs/exit-code.ts';
import type { RunFile } from '../bench/stress/evidence.ts';
import { choiceOf, FAULTS, type FaultChoice } from '../bench/stress/plan.ts';
import type { Protocol } from '../bench/stress/receiver-news.ts';
import type { StressOptions } from '../bench/stress/run.ts';
import { runStress } from '../bench/stress/stress.ts';
import { judgeFolder } from '../bench/stress/verdict.ts';
import { durationOption, shortPath, smallCountOption } from './options.ts';
import {
  addRunOptions,
  type Course,
  EXIT_CODES_HELP,
  endIfInterrupted,
  newRun,
  type RunFlags,
  requireWholeStack,
  throwIfFailed,
  underWay,
} from './stress-run.ts';
import { stressVerdictLines } from './stress-verdict.ts';

type Flags = RunFlags & {
  readonly duration: number;
  readonly senders: number;
  readonly receivers?: number;
  readonly faults: { readonly text: string; readonly choice: FaultChoice };
  readonly protocol: Protocol;
};

const DURATION_MS = 20_000;

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

${EXIT_CODES_HELP}
`;

export function register(stress: Command): void {
  const command = stress
    .command('one-way')
    .description('Postgres to SQLite: senders, receivers, faults, a verdict for each property')
    .addOption(
      new Option('--duration <time>', 'how long is written: 20, 90s, 5m')
        .argParser(durationOption)
        .default(DURATION_MS, '20s'),
    )
    .option('--senders <count>', 'writers, side by side', smallCountOption, 2)
    .option('--receivers <count>', 'replicas (default: one per sender)', smallCountOption)
    .addOption(
      new Option('--faults <faults>', 'none, gentle, harsh, network, or a list')
        .argParser(faultsOption)
        .default(faultsOption('none'), 'none'),
    )
    .addOption(
      new Option('--protocol <protocol>', 'what the receivers speak')
        .choices(['native', 'transicator'])
        .default('native'),
    );
  addRunOptions(command).addHelpText('after', HELP).action(run);
}

async function run(flags: Flags, command: Command): Promise<void> {
  requireWholeStack(flags, command);
  const options = optionsOf(flags);
  const { senders, receivers, faultsText, seed, durationMs, dir } = options;
  await underWay(flags, async (course) => {
    course.say(
      `stress one-way: ${senders} senders, ${receivers} receivers, ${durationMs / 1000} s, ` +
        `faults ${faultsText}, seed ${seed}`,
    );
    const run = await runStress(options, course.report, course.signal);
    if (endIfInterrupted(run.end?.how, dir, course.say)) return;
    await tell(run, { dir, flags, course });
  });
}

/** The verdict; the run itself has ended. */
async function tell(
  run: RunFile,
  about: {
    readonly dir: string;
    readonly flags: Flags;
    readonly course: Course;
  },
): Promise<void> {
  const { dir, flags, course } = about;
  const { say } = course;
  course.report.progress('judging');
  const { verdict, report } = await judgeFolder(dir);
  say(stressVerdictLines(verdict).join('\n'));
  say(`evidence in ${shortPath(dir)}, report in ${shortPath(report)}`);
  if (flags.json === true) console.log(JSON.stringify({ run, verdict, report }));
  if (run.bug === null) throwIfFailed(run.end, dir);
  process.exitCode = exitCodeOf(run, verdict);
}

function optionsOf(flags: Flags): StressOptions {
  const { postgres, server, senders, protocol } = flags;
  return {
    ...newRun(flags),
    ...{ senders, protocol, durationMs: flags.duration },
    receivers: flags.receivers ?? senders,
    ...{ faults: flags.faults.choice, faultsText: flags.faults.text },
    stack: postgres === undefined || server === undefined ? null : { postgres, server },
    bug: plantedBug(flags.plant, process.env),
  };
}

function faultsOption(text: string): Flags['faults'] {
  const choice = choiceOf(text);
  if (choice !== undefined) return { text, choice };
  throw new InvalidArgumentError(
    `none, gentle, harsh, network, or a list of: ${[...FAULTS, ...READ_FAULTS].join(', ')}.`,
  );
}
