/** A program in a process of its own: killed at any moment by a test, and never outliving it. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { until } from './stack.ts';

export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

/** What a start has read and compiled is there for the next one: half of its time, and the same as of `bin/tidelock`. */
const NODE_COMPILE_CACHE = fileURLToPath(
  new URL('../../node_modules/.cache/tidelock', import.meta.url),
);
const ERRORS_CHARS_MAX = 4000;
const EXIT_MS_MAX = 20_000;

/** `News`: what the program tells its parent. The program ends when its parent is gone. */
export class Child<News extends { readonly kind: string }> {
  readonly news: News[] = [];
  readonly #process: ChildProcess;
  #errors = '';
  #exit: Exit | null = null;

  /** `settings` become the program's argument, as JSON. */
  constructor(program: URL, settings: object) {
    this.#process = fork(program, [JSON.stringify(settings)], {
      execArgv: [],
      env: { ...process.env, NODE_COMPILE_CACHE },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#process.stderr?.on('data', (bytes: Buffer) => {
      this.#errors = (this.#errors + bytes.toString()).slice(-ERRORS_CHARS_MAX);
    });
    this.#process.on('message', (news) => this.news.push(news as News));
    this.#process.on('error', () => undefined); // a command to a process that has just died
    this.#process.once('exit', (code, signal) => {
      this.#exit = { code, signal };
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get isAlive(): boolean {
    return this.#exit === null;
  }

  tell(command: object): void {
    if (this.#process.connected) this.#process.send(command);
  }

  /** The first news of this kind. Fails when the process ends before. */
  async first<K extends News['kind']>(kind: K): Promise<Extract<News, { readonly kind: K }>> {
    const find = (): News | undefined => this.news.find((news) => news.kind === kind);
    await until(`the process says ${kind}`, () => find() !== undefined || !this.isAlive);
    const found = find();
    if (found !== undefined) return found as Extract<News, { readonly kind: K }>;
    throw new Error(`the process ended (${JSON.stringify(this.#exit)}): ${this.#errors}`);
  }

  /** How it ended; waits for it. */
  async ended(): Promise<Exit & { readonly errors: string }> {
    await until('the process ends', () => this.#exit !== null, EXIT_MS_MAX);
    return { code: null, signal: null, ...this.#exit, errors: this.#errors };
  }

  async kill(): Promise<void> {
    if (!this.isAlive) return;
    const exit = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exit;
  }
}
