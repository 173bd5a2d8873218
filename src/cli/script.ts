/** `tidelock script`: runs scripts against a world and shows what is not as they say. */
import { type Command, Option } from 'commander';
import { findScripts, type ScriptTarget } from '../bench/script/find-scripts.ts';
import { type FileOptions, type FileReport, runFile } from '../bench/script/run-file.ts';
import { SharedPostgres } from '../bench/script/shared-postgres.ts';
import { TidelockError } from '../core/errors.ts';
import type { Dialect } from '../script/types.ts';
import { ProgressLine } from './progress-line.ts';
import { caseLines, fileLine, reportJson, totalLine } from './script-report.ts';
import { stopOnSignal } from './stop-signal.ts';

type ScriptFlags = {
  readonly rewrite?: boolean;
  readonly world?: string;
  readonly profile?: string;
  readonly compat?: Dialect;
  readonly json?: boolean;
};

const EXIT_FAILED = 1;
const EXIT_INTERRUPTED = 130;

const HELP = `
A script says what to do and what is to be seen then; docs/scripts.md has the format and the directives.
FILE:LINE runs the cases up to the one at that line. --rewrite puts what was seen into the file, when two
runs see the same; it is refused where the environment variable CI is set.

Exit code 0: all is as the scripts say (or was rewritten). 1: something is not. 2: there is no such script.
`;

export function register(program: Command): void {
  program
    .command('script <path...>')
    .description('run test scripts: FILE, DIR or FILE:LINE')
    .option('--rewrite', 'put what is seen into the files')
    .option(
      '--world <name>',
      'run against coordinator, real, sim or timestamps, whatever the file names',
    )
    .option('--profile <name>', 'the variant of the world')
    .addOption(
      new Option('--compat <dialect>', 'read files as this datadriven library does').choices([
        'go',
        'rust',
      ]),
    )
    .option('--json', 'print one JSON object for each file')
    .addHelpText('after', HELP)
    .action(run);
}

async function run(paths: readonly string[], flags: ScriptFlags): Promise<void> {
  refuseInCi(flags);
  const targets = paths.flatMap((path) => findScripts(path));
  const { signal, release } = stopOnSignal();
  const postgres = new SharedPostgres();
  try {
    const isGood = await runAll(targets, flags, { postgres, signal });
    if (!isGood) process.exitCode = EXIT_FAILED;
  } catch (error) {
    if (!signal.aborted) throw error;
    console.error('interrupted; everything is stopped');
    process.exitCode = EXIT_INTERRUPTED;
  } finally {
    await postgres.close();
    release();
  }
}

/** There, nobody would look at what has changed. */
function refuseInCi({ rewrite }: ScriptFlags): void {
  const isCi = !['', 'false', '0', undefined].includes(process.env.CI);
  if (rewrite !== true || !isCi) return;
  throw new TidelockError({
    code: 'BAD_REQUEST',
    message: '--rewrite is refused in CI (the environment variable CI is set)',
    hint: 'rewrite on your own machine, read the difference, and commit it',
  });
}

type Means = { readonly postgres: SharedPostgres; readonly signal: AbortSignal };

async function runAll(
  targets: readonly ScriptTarget[],
  flags: ScriptFlags,
  { postgres, signal }: Means,
): Promise<boolean> {
  const progress = new ProgressLine(process.stderr, () => performance.now());
  const reports: FileReport[] = [];
  for (const target of targets) {
    const options: FileOptions = {
      ...{ world: flags.world, profile: flags.profile, dialect: flags.compat, signal },
      ...{ rewrite: flags.rewrite === true, postgres: postgres.url },
      onResult: (result) => progress.passing(`${target.file}:${result.case.place.line}`),
    };
    progress.passing(target.file);
    const report = await runFile(target, options).finally(() => progress.clear());
    reports.push(report);
    tell(report, flags);
  }
  if (flags.json !== true) console.log(totalLine(reports));
  return reports.every(isGood(flags));
}

const isGood =
  (flags: ScriptFlags) =>
  ({ error, results }: FileReport): boolean =>
    error === undefined &&
    results.every(
      ({ kind }) => kind === 'passed' || (kind === 'differs' && flags.rewrite === true),
    );

function tell(report: FileReport, flags: ScriptFlags): void {
  if (flags.json === true) {
    console.log(JSON.stringify(reportJson(report)));
    return;
  }
  // A rewritten difference is shown too: it wants to be read.
  for (const line of caseLines(report)) console.log(line);
  console.log(fileLine(report));
}
