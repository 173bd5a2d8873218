/**
 * The command line. Exit codes: 0 done, 1 failed, 2 used wrongly. Results go to stdout, everything else to
 * stderr.
 */
import { Command, CommanderError } from 'commander';
import { type ErrorCode, TidelockError } from '../core/errors.ts';
import { register as registerDemo } from './demo.ts';
import { register as registerDoctor } from './doctor.ts';
import { register as registerLockstep } from './lockstep.ts';
import { packageVersion } from './package.ts';
import { register as registerReplicate } from './replicate.ts';
import { register as registerRuns } from './runs.ts';
import { register as registerScript } from './script.ts';
import { register as registerServe } from './serve.ts';
import { register as registerShell } from './shell.ts';
import { register as registerSim } from './sim.ts';
import { register as registerSql } from './sql.ts';
import { register as registerStress } from './stress.ts';
import { register as registerToken } from './token.ts';
import { register as registerTwoway } from './twoway.ts';
import { register as registerUninstall } from './uninstall.ts';
import { register as registerVerify } from './verify.ts';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/** What the caller typed is wrong, not the world. */
const USAGE_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'AREA_NOT_FOUND',
  'AREA_UNFIT',
  'BAD_CONFIG',
  'BAD_POSITION',
  'BAD_REQUEST',
  'BAD_SELECTOR',
]);

const EXAMPLES = `
Examples:
  tidelock serve --embedded ./data
  tidelock replicate --server http://127.0.0.1:7700 --selector FR --db fr.db
  tidelock verify --server http://127.0.0.1:7700 --db fr.db
`;

/** Runs one command; resolves with the exit code. */
async function main(args: readonly string[]): Promise<number> {
  try {
    await createProgram().parseAsync(args, { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return report(error);
  }
}

function createProgram(): Command {
  const program = new Command('tidelock')
    .description('keeps SQLite replicas equal to Postgres, and proves it')
    .version(packageVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help for a command')
    .configureHelp({ showGlobalOptions: false })
    .showSuggestionAfterError()
    .addHelpText('after', EXAMPLES)
    .exitOverride();
  registerDemo(program);
  registerServe(program);
  registerReplicate(program);
  registerShell(program);
  registerVerify(program);
  registerDoctor(program);
  registerUninstall(program);
  registerSql(program);
  registerStress(program);
  registerRuns(program);
  registerScript(program);
  registerSim(program);
  registerToken(program);
  registerLockstep(program);
  registerTwoway(program);
  return program;
}

function report(error: unknown): number {
  // Commander has printed its message, with the nearest name, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  if (!(error instanceof TidelockError)) {
    console.error(`error INTERNAL: ${error instanceof Error ? error.stack : String(error)}`);
    return EXIT_FAILED;
  }
  console.error(`error ${error.code}: ${error.message}`);
  if (error.hint !== undefined) console.error(`  what to do: ${error.hint}`);
  const isUsage = USAGE_CODES.has(error.code) || error.details?.isUsage === true;
  return isUsage ? EXIT_USAGE : EXIT_FAILED;
}

/** Whoever reads our output may leave early (`| head`): that is the end of the job, not an error. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

process.exitCode = await main(process.argv.slice(2));
