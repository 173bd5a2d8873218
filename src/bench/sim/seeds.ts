/** Runs many seeds on several threads. What comes out does not depend on how many there are. */
import { Worker } from 'node:worker_threads';
import type { Finding } from './run-plan.ts';

export type SeedSettings = { readonly mutant: string | null };

export type SeedDone = {
  readonly seed: number;
  readonly findings: readonly Finding[];
  /** What is wrong with the run of sites that write. */
  readonly twoway: readonly Finding[];
  readonly hash: string;
  readonly steps: number;
  /** How often each rare thing happened. */
  readonly seen: readonly (readonly [string, number])[];
  /** How often each property was looked at. */
  readonly checked: readonly (readonly [string, number])[];
};

export type SeedNews =
  | (SeedDone & { readonly kind: 'done' })
  | { readonly kind: 'stray'; readonly message: string };

export type SeedsOptions = SeedSettings & {
  readonly first: number;
  readonly runs: number;
  readonly threads: number;
  readonly signal: AbortSignal;
  /** Called as runs end, in any order. False: enough. */
  readonly onDone: (done: SeedDone) => boolean;
};

/** Resolves when every seed was run, the signal aborted, or somebody had enough. Rejects when a thread dies. */
export async function runSeeds(options: SeedsOptions): Promise<void> {
  const { first, runs, signal } = options;
  let next = first;
  let isOver = false;
  const take = (): number | null => {
    if (isOver || signal.aborted || next >= first + runs) return null;
    next += 1;
    return next - 1;
  };
  const done = (one: SeedDone): void => {
    if (!isOver && !options.onDone(one)) isOver = true;
  };
  const threads = Math.min(options.threads, runs);
  await Promise.all(Array.from({ length: threads }, () => runThread(options, take, done)));
}

async function runThread(
  { mutant }: SeedSettings,
  take: () => number | null,
  onDone: (done: SeedDone) => void,
): Promise<void> {
  const worker = new Worker(new URL('./seed-worker.ts', import.meta.url), {
    workerData: { mutant } satisfies SeedSettings,
  });
  try {
    await new Promise<void>((resolve, reject) => {
      const goOn = (): void => {
        const seed = take();
        if (seed === null) resolve();
        else worker.postMessage(seed);
      };
      worker.on('error', reject);
      worker.on('exit', (code) => reject(new Error(`a thread ended with code ${code}`)));
      worker.on('message', (news: SeedNews) => {
        if (news.kind === 'stray') {
          reject(new Error(`something was rejected and nobody looked: ${news.message}`));
          return;
        }
        onDone(news);
        goOn();
      });
      goOn();
    });
  } finally {
    await worker.terminate();
  }
}
