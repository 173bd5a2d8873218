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
import { PLANT_VARIABLE } from './catalog.ts';
import { type AnyBug, targetOf } from './targets.ts';

export type Mutant = {
  readonly bug: AnyBug;
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
  readonly bugs: readonly AnyBug[];
  /** Folder of the runs. */
  readonly dir: string;
  readonly seed: number;
  readonly launch: Launch;
  readonly signal: AbortSignal;
  readonly onStart: (bug: AnyBug, index: number) => void;
  readonly onEnd: (mutant: Mutant) => void;
};

/** Chance decides whether a short run meets the case of a bug: another seed is tried. */
const TRIES_MAX = 3;
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

async function runMutant(bug: AnyBug, options: MutantsOptions): Promise<Mutant> {
  const start = performance.now();
  let judged: Judged = { isCaught: false, failed: [], witness: 'it was not run' };
  let tries = 0;
  while (tries < TRIES_MAX && !judged.isCaught) {
    const dir = join(options.dir, tries === 0 ? bug : `${bug}-${tries + 1}`);
    rmSync(dir, { recursive: true, force: true });
    const run = await runOnce(bug, { ...options, dir, seed: options.seed + tries });
    judged = targetOf(bug).isOfExit ? judgeExit(run) : judgeRun(bug, run);
    tries += 1;
  }
  const { what, property } = targetOf(bug);
  return { bug, what, property, tries, ...judged, ms: Math.round(performance.now() - start) };
}

type Judged = Pick<Mutant, 'isCaught' | 'failed' | 'witness'>;

/** What the verdicts of both directions have. */
type AnyVerdict = Pick<VerdictFile, 'verdict' | 'properties'>;

type Run = {
  readonly exitCode: number | null;
  readonly verdict: AnyVerdict | null;
  /** The last that it said, for a run that has no verdict. */
  readonly words: string;
};

function judgeRun(bug: AnyBug, { verdict, exitCode, words }: Run): Judged {
  if (verdict === null) {
    return { isCaught: false, failed: [], witness: `no verdict, exit code ${exitCode}: ${words}` };
  }
  const { property } = targetOf(bug);
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

function failedIn({ properties }: AnyVerdict): readonly string[] {
  return properties.filter(({ verdict }) => verdict === 'fail').map(({ property }) => property);
}

async function runOnce(
  bug: AnyBug,
  options: Pick<MutantsOptions, 'dir' | 'seed' | 'launch' | 'signal'>,
): Promise<Run> {
  const { dir, seed, launch } = options;
  const flags = [...targetOf(bug).command, '--out', dir, '--seed', `${seed}`];
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(RUN_MS_MAX)]);
  const child = spawn(launch.command, [...launch.programArguments, 'stress', ...flags], {
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

function verdictIn(dir: string): AnyVerdict | null {
  try {
    return JSON.parse(readFileSync(join(dir, VERDICT_FILE), 'utf8')) as AnyVerdict;
  } catch (error) {
    if (error instanceof SyntaxError) throw damaged(dir, error);
    return null;
  }
}

function damaged(dir: string, cause: unknown): TidelockError {
  const message = `the verdict in ${dir} cannot be read: ${messageOf(cause)}`;
  return new TidelockError({ code: 'INTERNAL', message, cause });
}
