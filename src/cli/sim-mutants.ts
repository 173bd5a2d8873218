/** `tidelock sim mutants`: plants bugs, one after the other, and shows at which seed each is found. */
import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { MUTANTS, mutantNamed, type SimMutant } from '../bench/sim/mutants.ts';
import { runSeeds, type SeedDone } from '../bench/sim/seeds.ts';
import { TidelockError } from '../core/errors.ts';
import { collect, countOption, smallCountOption } from './options.ts';
import { ProgressLine } from './progress-line.ts';
import { stopOnSignal } from './stop-signal.ts';

type Flags = {
  readonly only?: readonly string[];
  readonly list?: boolean;
  readonly runs: number;
  readonly threads: number;
  readonly json?: boolean;
};

type Tried = {
  readonly name: string;
  /** The lowest seed that shows it; null when none does. */
  readonly seed: number | null;
  readonly properties: readonly string[];
};

const EXIT_FAILED = 1;
const EXIT_INTERRUPTED = 130;
/** Seeds within which each bug must be found. */
const RUNS = 100;

const NAME_COLUMNS = Math.max(...MUTANTS.map(({ name }) => name.length));

export function register(sim: Command): void {
  sim
    .command('mutants')
    .description('plant bugs, to see that the simulation finds each of them')
    .option('--only <bug>', 'this one; repeatable', collect)
    .option('--list', 'print the bugs and stop')
    .option('--runs <number>', 'seeds within which each must be found', countOption, RUNS)
    .option('--threads <number>', 'runs at once', smallCountOption, availableParallelism())
    .option('--json', 'print the table as one JSON object')
    .addHelpText('after', '\nExit code 0: every bug was found. 1: one survived.\n')
    .action((_flags: unknown, command: Command) => run(command.optsWithGlobals<Flags>()));
}

async function run(flags: Flags): Promise<void> {
  const mutants = mutantsOf(flags.only);
  if (flags.list === true) {
    for (const { name, what } of mutants) console.log(`${name.padEnd(NAME_COLUMNS)}  ${what}`);
    return;
  }
  const { signal, release } = stopOnSignal();
  const progress = new ProgressLine(process.stderr, () => performance.now());
  const tried: Tried[] = [];
  try {
    for (const [index, { name }] of mutants.entries()) {
      if (signal.aborted) break;
      progress.passing(`${index + 1} of ${mutants.length}, ${name}`);
      const one = await tryOne(name, flags, signal);
      progress.clear();
      tried.push(one);
      if (flags.json !== true) console.log(lineOf(one));
    }
  } finally {
    progress.clear();
    release();
  }
  tell(tried, flags);
  if (signal.aborted) process.exitCode = EXIT_INTERRUPTED;
}

async function tryOne(name: string, { runs, threads }: Flags, signal: AbortSignal): Promise<Tried> {
  let found: SeedDone | null = null;
  await runSeeds({
    ...{ first: 1, runs, threads, mutant: name, signal },
    onDone: (done) => {
      if (done.findings.length + done.twoway.length > 0) found = done;
      return found === null;
    },
  });
  // Assigned in the callback.
  const first = found as SeedDone | null;
  const findings = [...(first?.findings ?? []), ...(first?.twoway ?? [])];
  const properties = [...new Set(findings.map(({ property }) => property))];
  return { name, seed: first?.seed ?? null, properties };
}

function mutantsOf(only: readonly string[] | undefined): readonly SimMutant[] {
  if (only === undefined) return MUTANTS;
  return only.map((name) => {
    const mutant = mutantNamed(name);
    if (mutant !== undefined) return mutant;
    throw new TidelockError({
      code: 'BAD_REQUEST',
      message: `there is no bug ${JSON.stringify(name)}`,
      hint: 'tidelock sim mutants --list',
    });
  });
}

function lineOf({ name, seed, properties }: Tried): string {
  const state = seed === null ? 'SURVIVED' : `seed ${seed}: ${properties.join(' ')}`;
  return `${name.padEnd(NAME_COLUMNS)}  ${state}`;
}

function tell(tried: readonly Tried[], { json, runs }: Flags): void {
  const survivors = tried.filter(({ seed }) => seed === null).map(({ name }) => name);
  if (json === true) console.log(JSON.stringify({ runs, bugs: tried, survivors }));
  else if (survivors.length === 0)
    console.log(`${tried.length} of ${tried.length} bugs were found within ${runs} seeds`);
  else console.log(`SURVIVED: ${survivors.join(', ')}`);
  if (survivors.length > 0) process.exitCode = EXIT_FAILED;
}
