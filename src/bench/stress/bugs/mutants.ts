/**
 * The bench proves itself: one short run for each planted bug. A bug is caught when the run fails under the
 * name of the property that the bug breaks.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, TidelockError } from '../../../core/errors.ts';
import { VERDICT_FILE, type VerdictFile } from '../evidence.ts';
import type { Launch } from '../launched.ts';
import { BUGS, type Bug, type BugName, PLANT_VARIABLE } from './catalog.ts';

export type Mutant = {
  readonly bug: BugName;
  readonly what: string;
  /** The property that should fail. */
  readonly property: string;
  readonly isCaught: boolean;
  /** All properties that failed. */
  readonly failed: readonly string[];
  /** The first line of the property's witness, or what went wrong instead. */
  readonly witness: string;
  readonly tries: number;
  readonly ms: number;
};

export type MutantsOptions = {
  readonly bugs: readonly BugName[];
  /** Folder of the runs. */
  readonly dir: string;
  readonly seed: number;
  readonly launch: Launch;
  readonly signal: AbortSignal;
  readonly onStart: (bug: BugName, index: number) => void;
  readonly onEnd: (mutant: Mutant) => void;
};

/** Chance decides whether a short run meets the case of a bug: another seed is tried. */
const TRIES_MAX = 3;
const SENDERS = 3;
const RECEIVERS = 2;
const RUN_MS_MAX = 180_000;
const WORDS_CHARS_MAX = 2000;

/** Runs them one after the other, never in this very process. */
export async function runMutants(options: MutantsOptions): Promise<readonly Mutant[]> {
  const mutants: Mutant[] = [];
  for (const [index, bug] of options.bugs.entries()) {
    options.signal.throwIfAborted();
    options.onStart(bug, index);
    const mutant = await runMutant(bug, options);
    mutants.push(mutant);
    options.onEnd(mutant);
  }
  return mutants;
}

async function runMutant(bug: BugName, options: MutantsOptions): Promise<Mutant> {
  const start = performance.now();
  let judged: Judged = { isCaught: false, failed: [], witness: 'it was not run' };
  let tries = 0;
  while (tries < TRIES_MAX && !judged.isCaught) {
    const dir = join(options.dir, tries === 0 ? bug : `${bug}-${tries + 1}`);
    rmSync(dir, { recursive: true, force: true });
    const run = await runOnce(bug, { ...options, dir, seed: options.seed + tries });
    judged = bug === 'failure-exits-0' ? judgeExit(run) : judgeRun(bug, run);
    tries += 1;
  }
  const { what, property } = BUGS[bug];
  return { bug, what, property, tries, ...judged, ms: Math.round(performance.now() - start) };
}

type Judged = Pick<Mutant, 'isCaught' | 'failed' | 'witness'>;

type Run = {
  readonly exitCode: number | null;
  readonly verdict: VerdictFile | null;
  /** The last that it said, for a run that has no verdict. */
  readonly words: string;
};

function judgeRun(bug: BugName, { verdict, exitCode, words }: Run): Judged {
  if (verdict === null) {
    return { isCaught: false, failed: [], witness: `no verdict, exit code ${exitCode}: ${words}` };
  }
  const { property } = BUGS[bug];
  const failed = failedIn(verdict);
  const found = verdict.properties.find((one) => one.property === property);
  const isCaught = failed.includes(property) && verdict.verdict === 'FAIL' && exitCode !== 0;
  const witness = found?.witness[0] ?? `${property} did not fail`;
  return { isCaught, failed, witness };
}

/** The bug of the bench itself: only somebody who looks at both can see it. */
function judgeExit({ verdict, exitCode, words }: Run): Judged {
  if (verdict === null) return { isCaught: false, failed: [], witness: `no verdict: ${words}` };
  const isCaught = verdict.verdict === 'FAIL' && exitCode === 0;
  const failed = isCaught ? ['P31', ...failedIn(verdict)] : failedIn(verdict);
  const witness = `the verdict is ${verdict.verdict}, the exit code is ${exitCode}`;
  return { isCaught, failed, witness };
}

function failedIn({ properties }: VerdictFile): readonly string[] {
  return properties.filter(({ verdict }) => verdict === 'fail').map(({ property }) => property);
}

async function runOnce(
  bug: BugName,
  options: Pick<MutantsOptions, 'dir' | 'seed' | 'launch' | 'signal'>,
): Promise<Run> {
  const { dir, seed, launch } = options;
  const { durationS, faults }: Bug = BUGS[bug];
  const flags = [
    ...['--plant', bug, '--out', dir, '--seed', `${seed}`, '--cleanup'],
    ...['--duration', `${durationS}`, '--faults', faults],
    ...['--senders', `${SENDERS}`, '--receivers', `${RECEIVERS}`],
  ];
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(RUN_MS_MAX)]);
  const child = spawn(launch.command, [...launch.programArguments, 'stress', 'one-way', ...flags], {
    env: { ...launch.environment, [PLANT_VARIABLE]: bug },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const stop = (): void => void child.kill('SIGTERM');
  signal.addEventListener('abort', stop, { once: true });
  let words = '';
  child.stderr.on('data', (text: Buffer) => {
    words = `${words}${text}`.slice(-WORDS_CHARS_MAX);
  });
  const [exitCode] = (await once(child, 'exit')) as [number | null];
  signal.removeEventListener('abort', stop);
  options.signal.throwIfAborted();
  return { exitCode, verdict: verdictIn(dir), words: words.trim() };
}

function verdictIn(dir: string): VerdictFile | null {
  try {
    return JSON.parse(readFileSync(join(dir, VERDICT_FILE), 'utf8')) as VerdictFile;
  } catch (error) {
    if (error instanceof SyntaxError) throw damaged(dir, error);
    return null;
  }
}

function damaged(dir: string, cause: unknown): TidelockError {
  const message = `the verdict in ${dir} cannot be read: ${messageOf(cause)}`;
  return new TidelockError({ code: 'INTERNAL', message, cause });
}
