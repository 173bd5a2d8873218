/** `tidelock sim`: whole systems in one thread each, from seeds, with everything that may go wrong. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { mutantNamed } from '../bench/sim/mutants.ts';
import { printPlan, printTwowayPlan } from '../bench/sim/print-plan.ts';
import type { Finding } from '../bench/sim/run-plan.ts';
import { runSeed } from '../bench/sim/run-seed.ts';
import { runSeeds } from '../bench/sim/seeds.ts';
import { shrink } from '../bench/sim/shrink.ts';
import { shrinkTwoway } from '../bench/sim/shrink-twoway.ts';
import { type Failure, type Summary, Totals } from '../bench/sim/summary.ts';
import { TidelockError } from '../core/errors.ts';
import { planOf } from '../sim/generate.ts';
import { twowayPlanOf } from '../sim/twoway/plan.ts';
import { countOption, seedOption, smallCountOption } from './options.ts';
import { ProgressLine } from './progress-line.ts';
import { register as registerMutants } from './sim-mutants.ts';
import { stopOnSignal } from './stop-signal.ts';

type Flags = {
  readonly seed: number;
  readonly runs?: number;
  readonly minutes?: number;
  readonly threads: number;
  readonly mutant?: string;
  readonly out: string;
  readonly shrink: boolean;
  readonly trace?: boolean;
  readonly json?: boolean;
};

const EXIT_FAILED = 1;
const SEED = 1;
const RUNS = 200;
/** `--minutes` ends a search that has no other end. */
const RUNS_MAX = 1_000_000;
/** The first failures are shrunk and written down; the seeds of the others are told. */
const SCRIPTS_MAX = 3;
const WITNESS_LINES = 3;
const WITNESS_CHARS = 200;

const HELP = `
One seed is one run: Postgres, the server and some replicas over a simulated clock, network and disks, in one thread. The same
seed gives the same run. A seed that fails is cut down and written as a script that shows it: tidelock script FILE.

Exit code 0: every run was sound. 1: one was not. 2: used wrongly.
`;

export function register(program: Command): void {
  const sim = program
    .command('sim')
    .description('simulated runs from seeds, every transaction checked')
    .option('--seed <number>', 'the first one', seedOption, SEED)
    .option('--runs <number>', `how many seeds (default: ${RUNS})`, countOption)
    .option('--minutes <number>', 'go on for so long', smallCountOption)
    .option('--threads <number>', 'runs at once', smallCountOption, availableParallelism())
    .option('--mutant <name>', 'with this bug planted')
    .option('--out <dir>', 'folder of the scripts of failing seeds', '.tidelock/sim')
    .option('--no-shrink', 'leave failing seeds as they are')
    .option('--trace', 'print everything that happens in the one run of --seed')
    .option('--json', 'print the result as one JSON object')
    .addHelpText('after', HELP)
    .action(run);
  registerMutants(sim);
}

async function run(flags: Flags): Promise<void> {
  const { mutant } = flags;
  if (mutant !== undefined && mutantNamed(mutant) === undefined) throw noMutant(mutant);
  if (flags.trace === true) {
    await trace(flags);
    return;
  }
  const { signal, release } = stopOnSignal();
  const progress = new ProgressLine(process.stderr, () => performance.now());
  const startedAt = performance.now();
  const totals = new Totals();
  try {
    await search(flags, { totals, progress, signal });
    progress.clear();
    const ms = performance.now() - startedAt;
    const summary = totals.summary();
    const scripts = await writeScripts(flags, summary.failures, { progress, signal });
    progress.clear();
    tell(flags, { summary, scripts, ms, isCut: signal.aborted });
    if (summary.failures.length > 0) process.exitCode = EXIT_FAILED;
  } finally {
    progress.clear();
    release();
  }
}

type Means = { readonly progress: ProgressLine; readonly signal: AbortSignal };

async function search(
  { seed, runs, minutes, threads, mutant }: Flags,
  { totals, progress, signal }: Means & { readonly totals: Totals },
): Promise<void> {
  const startedAt = performance.now();
  const untilMs = minutes === undefined ? Number.POSITIVE_INFINITY : minutes * 60_000;
  const count = runs ?? (minutes === undefined ? RUNS : RUNS_MAX);
  await runSeeds({
    ...{ first: seed, runs: count, threads, mutant: mutant ?? null, signal },
    onDone: (done) => {
      totals.add(done);
      const ms = performance.now() - startedAt;
      const rate = Math.round((totals.runs / ms) * 60_000);
      progress.passing(`${totals.runs} runs, ${totals.failed} failed, ${rate} a minute`);
      return ms < untilMs;
    },
  });
}

/** Cuts the first failures down and writes each as a script. */
async function writeScripts(
  { out, mutant, ...flags }: Flags,
  failures: readonly Failure[],
  { progress, signal }: Means,
): Promise<readonly string[]> {
  const bug = mutant === undefined ? undefined : mutantNamed(mutant);
  const files: string[] = [];
  for (const { seed, findings, twoway } of failures.slice(0, SCRIPTS_MAX)) {
    progress.show(`cutting down seed ${seed}`);
    const isStopped = (): boolean => signal.aborted || !flags.shrink;
    const folder = resolve(out);
    mkdirSync(folder, { recursive: true });
    const options = { mutant: bug, isStopped };
    const head = { bug: bug?.name ?? null };
    const write = (file: string, text: string): void => {
      writeFileSync(join(folder, file), text);
      files.push(join(folder, file));
    };
    if (findings.length > 0) {
      const small = await shrink(planOf(seed), findings, options);
      const comments = commentsOf(seed, head.bug, small.findings);
      write(`seed-${seed}.test`, printPlan({ ...head, plan: small.plan, comments }));
    }
    if (twoway.length > 0) {
      const small = await shrinkTwoway(twowayPlanOf(seed), twoway, options);
      const comments = commentsOf(seed, head.bug, small.findings);
      write(`two-way-${seed}.test`, printTwowayPlan({ ...head, plan: small.plan, comments }));
    }
  }
  return files;
}

function commentsOf(seed: number, bug: string | null, [first]: readonly Finding[]): string[] {
  const mutant = bug === null ? '' : ` --mutant "${bug}"`;
  const found = `Found by: tidelock sim --seed ${seed} --runs 1${mutant}`;
  if (first === undefined) return [found];
  return [found, `${first.property}: ${first.witness[0]?.split('\n')[0]}`];
}

/** One run, line by line. */
async function trace({ seed, mutant, json }: Flags): Promise<void> {
  const bug = mutant === undefined ? undefined : mutantNamed(mutant);
  const onLine = (line: string): void => {
    if (json !== true) console.log(line);
  };
  const { hash, steps, twoway, ...done } = await runSeed(seed, { mutant: bug, onLine });
  const findings = [...done.findings, ...twoway];
  if (json === true) console.log(JSON.stringify({ seed, hash, steps, findings }));
  else {
    console.log(`${steps} steps, hash ${hash}`);
    for (const line of findings.flatMap(findingLines)) console.log(line);
  }
  if (findings.length > 0) process.exitCode = EXIT_FAILED;
}

function tell(
  { json, threads }: Flags,
  told: {
    readonly summary: Summary;
    readonly scripts: readonly string[];
    readonly ms: number;
    readonly isCut: boolean;
  },
): void {
  const { summary, scripts, ms, isCut } = told;
  const perMinute = Math.round((summary.runs / ms) * 60_000);
  if (json === true) {
    console.log(JSON.stringify({ ...summary, scripts, perMinute, threads, isCut }));
    return;
  }
  for (const { seed, findings, twoway } of summary.failures) {
    console.log(`seed ${seed} failed`);
    for (const line of [...findings, ...twoway].flatMap(findingLines)) console.log(line);
  }
  for (const file of scripts) console.log(`see it: tidelock script ${file}`);
  for (const line of reachedLines(summary)) console.log(line);
  const what = isCut ? ' (interrupted)' : '';
  const { runs, failures } = summary;
  console.log(
    `${runs} runs${what}, ${failures.length} failed; ${perMinute} a minute on ${threads} threads`,
  );
}

function reachedLines({ checked, sometimes, crashPoints }: Summary): readonly string[] {
  const looked = Object.entries(checked).filter(([, times]) => times > 0);
  const missed = sometimes.filter(({ times }) => times === 0);
  return [
    `checked: ${looked.map(([property, times]) => `${property} ${times}`).join(', ')}`,
    `rare states: ${sometimes
      .filter(({ times }) => times > 0)
      .map(({ what, times }) => `${what} ${times}`)
      .join('; ')}`,
    `crash points: ${Object.keys(crashPoints).length} were reached`,
    ...missed.map(({ what }) => `not exercised: ${what}`),
  ];
}

function findingLines({ property, witness }: Finding): readonly string[] {
  return witness
    .slice(0, WITNESS_LINES)
    .map(
      (line, index) =>
        `  ${index === 0 ? property : ' '.repeat(property.length)}  ${shortened(line)}`,
    );
}

function shortened(line: string): string {
  const first = line.split('\n')[0] ?? '';
  return first.length <= WITNESS_CHARS ? first : `${first.slice(0, WITNESS_CHARS)}…`;
}

function noMutant(name: string): TidelockError {
  return new TidelockError({
    code: 'BAD_REQUEST',
    message: `there is no bug ${JSON.stringify(name)}`,
    hint: 'tidelock sim mutants --list',
  });
}
