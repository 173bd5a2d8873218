/** What `stress one-way` and `stress two-way` have in common: options, folder and seed of a run, its course in a terminal. */
import { randomInt } from 'node:crypto';
import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { PLANT_VARIABLE } from '../bench/stress/bugs/catalog.ts';
import type { RunError } from '../bench/stress/evidence.ts';
import type { Report } from '../bench/stress/run.ts';
import { TidelockError } from '../core/errors.ts';
import { seedOption, shortPath } from './options.ts';
import { PACKAGE_FOLDER, PROGRAM, packageVersion } from './package.ts';
import { ProgressLine } from './progress-line.ts';
import { stopOnSignal } from './stop-signal.ts';
import { faultTeller } from './stress-faults.ts';

export type RunFlags = {
  readonly postgres?: string;
  readonly server?: string;
  readonly seed?: number;
  readonly out?: string;
  readonly cleanup?: boolean;
  readonly plant?: string;
  readonly json?: boolean;
};

/** For the end of the help. */
export const EXIT_CODES_HELP =
  'Exit code 0: PASS. 1: FAIL, or it could not be run. 2: wrong options. 130: interrupted; the evidence is kept.';

const EXIT_INTERRUPTED = 130;
const SEED_MAX = 2 ** 30;

export function addRunOptions(command: Command): Command {
  return command
    .option(
      '--seed <number>',
      'what is written and which faults come (default: a new one)',
      seedOption,
    )
    .option('--postgres <url>', 'a Postgres that runs already, with --server')
    .option('--server <url>', 'a server that runs already, with --postgres')
    .option('--out <dir>', 'folder of the run (default: .tidelock/stress/<id>)')
    .option('--cleanup', 'remove databases and tables afterwards; the evidence stays')
    .option('--json', 'print the result as one JSON object')
    .addOption(
      new Option('--plant <bug>', `with ${PLANT_VARIABLE}: a bug, to be found`).hideHelp(),
    );
}

/** Ends the program with a usage error when only half of a stack is given. */
export function requireWholeStack({ postgres, server }: RunFlags, command: Command): void {
  if ((postgres === undefined) !== (server === undefined)) {
    command.error('error: --postgres and --server belong together');
  }
}

/** Name, seed, folder and programs of a run. */
export function newRun({ seed = randomInt(SEED_MAX), out, cleanup }: RunFlags): {
  readonly id: string;
  readonly seed: number;
  readonly dir: string;
  readonly isCleanedUp: boolean;
  readonly launch: {
    readonly command: string;
    readonly programArguments: string[];
    readonly environment: NodeJS.ProcessEnv;
  };
  readonly versions: { readonly tidelock: string; readonly node: string };
} {
  const id = `${new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')}-${seed}`;
  return {
    ...{ id, seed, isCleanedUp: cleanup === true },
    dir: resolve(out ?? join(PACKAGE_FOLDER, '.tidelock', 'stress', id)),
    launch: {
      command: process.execPath,
      programArguments: [PROGRAM],
      environment: process.env,
    },
    versions: { tidelock: packageVersion(), node: process.versions.node },
  };
}

/** A run while it is under way. */
export type Course = {
  readonly report: Report;
  readonly signal: AbortSignal;
  /** Prints a line, unless only JSON is wanted. */
  readonly say: (text: string) => void;
};

/** Runs `work` with progress, until a signal stops it. */
export async function underWay(
  { json }: RunFlags,
  work: (course: Course) => Promise<void>,
): Promise<void> {
  const { signal, release } = stopOnSignal();
  const progress = new ProgressLine(process.stderr, () => performance.now());
  const say = (text: string): void => {
    progress.clear();
    if (json !== true) console.log(text);
  };
  try {
    const fault = faultTeller(process.env);
    const report = { progress: (text: string) => progress.show(text), line: say, fault };
    await work({ report, signal, say });
  } finally {
    progress.clear();
    release();
  }
}

type End = {
  readonly how: string;
  readonly error?: RunError | null | undefined;
};

/**
 * Throws what ended a run early, for the end of the command: code, what and what to do come from there, whatever was
 * printed before; the exit code is 1, also for a schema that does not fit. Its evidence is kept.
 */
export function throwIfFailed(end: End | null, dir: string): void {
  if (end?.how !== 'failed' && end?.how !== 'stuck') return;
  const { code, message, hint } = end.error ?? {};
  throw new TidelockError({
    code: code ?? 'TIMEOUT',
    message: `the stress ended early: ${message ?? 'it took longer than allowed'}`,
    hint: `${hint === undefined || hint === '' ? '' : `${hint}; `}the evidence so far is in ${shortPath(dir)}`,
    details: { isUsage: false },
  });
}

/** Says so and sets the exit code when the run was interrupted; true then. */
export function endIfInterrupted(
  how: string | undefined,
  dir: string,
  say: Course['say'],
): boolean {
  if (how !== 'interrupted') return false;
  say(`interrupted; the evidence so far is in ${shortPath(dir)}`);
  process.exitCode = EXIT_INTERRUPTED;
  return true;
}
