/** A program in a process of its own: told what to do, killed at any moment, and never outliving us. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { TidelockError } from '../../core/errors.ts';
import { until } from '../until.ts';

/** What a start has read and compiled is there for the next one: half of its time, and the same as of `bin/tidelock`. */
const COMPILE_CACHE = fileURLToPath(
  new URL('../../../node_modules/.cache/tidelock', import.meta.url),
);
const ERRORS_CHARS_MAX = 4000;
const NEWS_MS_MAX = 30_000;
const NEWS_MAX = 10_000;

export type ChildOptions = {
  readonly program: URL;
  /** Becomes its argument, as JSON. */
  readonly settings: object;
  readonly signal: AbortSignal;
};

export type Exit = {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly errors: string;
};

/** `News`: what the program tells its parent. The program ends when its parent is gone. */
export class Child<News extends { readonly kind: string }> {
  /** All that was told, in order. */
  readonly news: News[] = [];
  readonly #process: ChildProcess;
  readonly #signal: AbortSignal;
  #errors = '';

  constructor({ program, settings, signal }: ChildOptions) {
    this.#signal = signal;
    this.#process = fork(program, [JSON.stringify(settings)], {
      execArgv: [],
      env: { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#process.stderr?.on('data', (bytes: Buffer) => {
      this.#errors = (this.#errors + bytes.toString()).slice(-ERRORS_CHARS_MAX);
    });
    this.#process.on('message', (news) => {
      if (this.news.length < NEWS_MAX) this.news.push(news as News);
    });
    this.#process.on('error', () => undefined); // a command to a process that has just died
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get isAlive(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** By which signal it died, or its exit code. */
  get end(): string {
    return this.#process.signalCode ?? `exit code ${this.#process.exitCode}`;
  }

  tell(command: object): void {
    if (this.#process.connected) this.#process.send(command);
  }

  /** Asks until `condition` holds. Fails with `what` when it does not in time, or the process ends before. */
  async until(what: string, condition: () => boolean): Promise<void> {
    const wait = { limitMs: NEWS_MS_MAX, signal: this.#signal };
    await until(what, () => condition() || !this.isAlive, wait);
    if (condition()) return;
    throw new TidelockError({
      code: 'INTERNAL',
      message: `the process ended (${this.end}) before: ${what}`,
      hint: this.#errors === '' ? 'it said nothing' : `its last words: ${this.#errors}`,
    });
  }

  /** The first news of this kind that is told from now on, or was told since `from`. */
  async next<K extends News['kind']>(
    kind: K,
    from = this.news.length,
  ): Promise<Extract<News, { readonly kind: K }>> {
    const find = (): News | undefined => this.news.slice(from).find((news) => news.kind === kind);
    await this.until(`the process says ${kind}`, () => find() !== undefined);
    return find() as Extract<News, { readonly kind: K }>;
  }

  /** The first news of this kind of all. */
  first<K extends News['kind']>(kind: K): Promise<Extract<News, { readonly kind: K }>> {
    return this.next(kind, 0);
  }

  /** How it ended by itself, and its last words on stderr; waits for it. */
  async ended(): Promise<Exit> {
    const wait = { limitMs: NEWS_MS_MAX, signal: this.#signal };
    await until('the process ends', () => !this.isAlive, wait);
    const { exitCode: code, signalCode: signal } = this.#process;
    return { code, signal, errors: this.#errors };
  }

  freeze(): void {
    this.#process.kill('SIGSTOP');
  }

  thaw(): void {
    this.#process.kill('SIGCONT');
  }

  /** As `kill -9` does; resolves when it is gone. */
  async kill(): Promise<void> {
    if (!this.isAlive) return;
    const exit = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exit;
  }
}
