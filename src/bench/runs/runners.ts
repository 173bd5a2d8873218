/** Runners in processes of their own, of which one is killed now and then and another one started in its place. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { SeededRandom } from '../random.ts';
import type { WorkerNews, WorkerSettings } from './worker.ts';

const PROGRAM = new URL('./worker.ts', import.meta.url);
const ERRORS_CHARS_MAX = 4000;

export type RunnersOptions = Omit<WorkerSettings, 'name'> & {
  readonly count: number;
  readonly seed: number;
};

/** An attempt that a runner began. */
export type Ran = { readonly taskId: number; readonly attempt: number; readonly by: string };

export class Runners {
  readonly ran: Ran[] = [];
  /** What they said on stderr: nothing, when all is well. */
  errors = '';
  kills = 0;
  /** Resolves when the first of them has opened the database. */
  readonly ready: Promise<void>;
  readonly #onReady: () => void;
  readonly #options: RunnersOptions;
  readonly #random: SeededRandom;
  readonly #alive = new Map<ChildProcess, string>();
  #started = 0;

  constructor(options: RunnersOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ready = promise;
    this.#onReady = resolve;
    for (let n = 0; n < options.count; n += 1) this.#start();
  }

  /** Kills one of them, at random, and starts another. Resolves when it is gone. */
  async killOne(): Promise<void> {
    const process = this.#random.pick([...this.#alive.keys()]);
    this.kills += 1;
    this.#start();
    await this.#kill(process);
  }

  /** Between kills. */
  pauseMs(leastMs: number, mostMs: number): number {
    return this.#random.between(leastMs, mostMs);
  }

  async end(): Promise<void> {
    await Promise.all([...this.#alive.keys()].map((process) => this.#kill(process)));
  }

  async #kill(process: ChildProcess): Promise<void> {
    this.#alive.delete(process);
    if (process.exitCode !== null || process.signalCode !== null) return;
    const exit = once(process, 'exit');
    process.kill('SIGKILL');
    await exit;
  }

  #start(): void {
    this.#started += 1;
    const name = `runner-${this.#started}`;
    const { count: _count, seed: _seed, ...settings } = this.#options;
    const words = JSON.stringify({ ...settings, name } satisfies WorkerSettings);
    const process = fork(PROGRAM, [words], {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#alive.set(process, name);
    process.stderr?.on('data', (bytes: Buffer) => {
      this.errors = (this.errors + bytes.toString()).slice(-ERRORS_CHARS_MAX);
    });
    process.on('message', (news: WorkerNews) => {
      if (news.kind === 'ready') this.#onReady();
      if (news.kind === 'ran') this.ran.push({ ...news, by: name });
    });
  }
}
