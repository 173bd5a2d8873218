/**
 * The command line. Exit codes: 0 done, 1 failed, 2 used wrongly. Results go to stdout, everything else to
 * stderr.
 */
import { Command, CommanderError } from 'commander';
import { type ErrorCode, TidelockError } from '../core/errors.ts';
import { packageVersion } from './package.ts';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
/** Of `runs`, where 1 says that tests are bad. */
const EXIT_INTERNAL = 4;

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

/** Only the command that is called is loaded: a start costs what it needs. In the order of the help. */
const COMMANDS: Readonly<Record<string, () => Promise<CommandFile>>> = {
  demo: () => import('./demo.ts'),
  serve: () => import('./serve.ts'),
  replicate: () => import('./replicate.ts'),
  shell: () => import('./shell.ts'),
  verify: () => import('./verify.ts'),
  doctor: () => import('./doctor.ts'),
  uninstall: () => import('./uninstall.ts'),
  sql: () => import('./sql.ts'),
  stress: () => import('./stress.ts'),
  runs: () => import('./runs/runs.ts'),
  script: () => import('./script.ts'),
  sim: () => import('./sim.ts'),
  token: () => import('./token.ts'),
  lockstep: () => import('./lockstep.ts'),
  twoway: () => import('./twoway.ts'),
};

type CommandFile = { readonly register: (program: Command) => void };

/** Runs one command; resolves with the exit code. */
async function main(args: readonly string[]): Promise<number> {
  try {
    const program = await createProgram(args[0]);
    await program.parseAsync(args, { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return report(error, args[0] === 'runs' ? EXIT_INTERNAL : EXIT_FAILED);
  }
}

/** With all commands where `called` is none of them. */
async function createProgram(called: string | undefined): Promise<Command> {
  const program = new Command('tidelock')
    .description('keeps SQLite replicas equal to Postgres, and proves it')
    .version(packageVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help for a command')
    .configureHelp({ showGlobalOptions: false })
    .showSuggestionAfterError()
    .addHelpText('after', EXAMPLES)
    .exitOverride();
  const isKnown = called !== undefined && Object.hasOwn(COMMANDS, called);
  const names = isKnown ? [called] : Object.keys(COMMANDS);
  for (const name of names) (await COMMANDS[name]?.())?.register(program);
  return program;
}

function report(error: unknown, internal: number): number {
  // Commander has printed its message, with the nearest name, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  if (!(error instanceof TidelockError)) {
    const told = internal === EXIT_INTERNAL ? diskTrouble(error) : null;
    if (told !== null) return report(told, internal);
    console.error(`error INTERNAL: ${error instanceof Error ? error.stack : String(error)}`);
    return internal;
  }
  console.error(`error ${error.code}: ${error.message}`);
  if (error.hint !== undefined) console.error(`  what to do: ${error.hint}`);
  const isUsage = error.details?.isUsage ?? USAGE_CODES.has(error.code);
  return isUsage === true ? EXIT_USAGE : EXIT_FAILED;
}

const DISK_TROUBLE: Readonly<Record<string, string>> = {
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'the disk is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota of this user is used up',
};

/** What the system refuses is no bug of ours. Null: it may be one. */
function diskTrouble(error: unknown): TidelockError | null {
  const { code, path, syscall } = error as Partial<NodeJS.ErrnoException>;
  const why = DISK_TROUBLE[code ?? ''];
  if (why === undefined || path === undefined) return null;
  return new TidelockError({
    code: 'RUN_FAILED',
    message: `${path}: ${why} (${syscall} ${code})`,
    hint: 'make room or give the right to write, or take another folder',
    cause: error,
  });
}

/** Whoever reads our output may leave early (`| head`): that is the end of the job, not an error. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

process.exitCode = await main(process.argv.slice(2));
