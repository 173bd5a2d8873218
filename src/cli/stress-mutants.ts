/** `tidelock stress mutants`: plants bugs, one after the other, and shows which property caught each. */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { type Mutant, runMutants } from '../bench/stress/bugs/mutants.ts';
import { ALL_BUGS, type AnyBug, isAnyBug, targetOf } from '../bench/stress/bugs/targets.ts';
import { TidelockError } from '../core/errors.ts';
import { collect, seedOption } from './options.ts';
import { PACKAGE_FOLDER, PROGRAM } from './package.ts';
import { ProgressLine } from './progress-line.ts';
import { stopOnSignal } from './stop-signal.ts';

type Flags = {
  readonly only?: readonly string[];
  readonly list?: boolean;
  readonly seed: number;
  readonly out?: string;
  readonly json?: boolean;
};

const EXIT_FAILED = 1;
const EXIT_INTERRUPTED = 130;
const SEED = 1;
const WITNESS_CHARS = 150;

const NAME_COLUMNS = Math.max(...ALL_BUGS.map(({ length }) => length));

export function register(stress: Command): void {
  stress
    .command('mutants')
    .description('plant bugs, to see that the bench catches each of them')
    .option('--only <bug>', 'this one; repeatable', collect)
    .option('--list', 'print the bugs and stop')
    .option('--seed <number>', 'of the first try; others follow', seedOption, SEED)
    .option('--out <dir>', 'folder of the runs (default: .tidelock/stress/mutants-<time>)')
    .option('--json', 'print the table as one JSON object')
    .addHelpText('after', '\nExit code 0: every bug was caught. 1: one survived.\n')
    .action(run);
}

async function run(flags: Flags): Promise<void> {
  const bugs = bugsOf(flags.only);
  if (flags.list === true) {
    list(bugs, flags.json === true);
    return;
  }
  const { signal, release } = stopOnSignal();
  const progress = new ProgressLine(process.stderr, () => performance.now());
  try {
    const mutants = await runMutants({
      ...{ bugs, dir: folderOf(flags.out), seed: flags.seed, signal },
      launch: {
        command: process.execPath,
        programArguments: [PROGRAM],
        environment: process.env,
      },
      onStart: (bug, index) =>
        progress.show(`${index + 1} of ${bugs.length}, ${bug}: ${targetOf(bug).what}`),
      onEnd: (mutant) => {
        progress.clear();
        if (flags.json !== true) console.log(lineOf(mutant));
      },
    });
    tell(mutants, flags.json === true);
  } catch (error) {
    if (!signal.aborted) throw error;
    process.exitCode = EXIT_INTERRUPTED;
  } finally {
    progress.clear();
    release();
  }
}

function bugsOf(only: readonly string[] | undefined): readonly AnyBug[] {
  if (only === undefined) return ALL_BUGS;
  return only.map((name) => {
    if (isAnyBug(name)) return name;
    throw new TidelockError({
      code: 'BAD_REQUEST',
      message: `there is no bug ${JSON.stringify(name)}`,
      hint: 'tidelock stress mutants --list',
    });
  });
}

function list(bugs: readonly AnyBug[], isJson: boolean): void {
  if (isJson) {
    console.log(JSON.stringify(Object.fromEntries(bugs.map((bug) => [bug, targetOf(bug)]))));
    return;
  }
  for (const bug of bugs) {
    const { property, what } = targetOf(bug);
    console.log(`${bug.padEnd(NAME_COLUMNS)}  ${property.padEnd(3)}  ${what}`);
  }
}

function lineOf({ bug, property, isCaught, failed, tries, ms, witness }: Mutant): string {
  const others = failed.filter((other) => other !== property);
  const also = others.length === 0 ? '' : `, also ${others.join(' ')}`;
  const again = tries === 1 ? '' : `, try ${tries}`;
  const state = isCaught ? `caught by ${property}` : `SURVIVED ${property}`;
  const short = witness.length > WITNESS_CHARS ? `${witness.slice(0, WITNESS_CHARS)}…` : witness;
  return `${bug.padEnd(NAME_COLUMNS)}  ${state} (${(ms / 1000).toFixed(0)} s${again}${also})\n    ${short}`;
}

function tell(mutants: readonly Mutant[], isJson: boolean): void {
  const survivors = mutants.filter(({ isCaught }) => !isCaught);
  if (isJson) console.log(JSON.stringify({ mutants, survivors: survivors.map(({ bug }) => bug) }));
  else if (survivors.length === 0)
    console.log(`${mutants.length} of ${mutants.length} bugs were caught`);
  else console.log(`SURVIVED: ${survivors.map(({ bug }) => bug).join(', ')}`);
  if (survivors.length > 0) process.exitCode = EXIT_FAILED;
}

function folderOf(out: string | undefined): string {
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const dir = resolve(out ?? join(PACKAGE_FOLDER, '.tidelock', 'stress', `mutants-${time}`));
  mkdirSync(dir, { recursive: true, mode: 0o755 });
  return dir;
}
