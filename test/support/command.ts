/** `bin/tidelock` in a process of its own, as a user runs it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';
import { until } from './stack.ts';

/** Events of `replicate --json`. */
export type Line = { readonly kind: string; readonly [field: string]: unknown };

const EXIT_MS_MAX = 30_000;

export class Command {
  readonly process: ChildProcess;
  stdout = '';
  stderr = '';
  readonly #closed: Promise<unknown>;

  /** Killed at the end of the test, if it still runs then. */
  constructor(args: readonly string[], environment: Record<string, string> = {}) {
    this.process = spawn(process.execPath, ['bin/tidelock', ...args], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.process.stdout?.on('data', (bytes: Buffer) => {
      this.stdout += bytes.toString();
    });
    this.process.stderr?.on('data', (bytes: Buffer) => {
      this.stderr += bytes.toString();
    });
    this.#closed = once(this.process, 'close');
    onTestFinished(async () => {
      this.process.kill('SIGKILL');
      await this.#closed;
    });
  }

  get isAlive(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** The complete JSON lines so far. */
  get lines(): readonly Line[] {
    const end = this.stdout.lastIndexOf('\n');
    if (end < 0) return [];
    return this.stdout
      .slice(0, end)
      .split('\n')
      .map((line) => JSON.parse(line) as Line);
  }

  /** The first line that fits. Fails when the process ends before. */
  async line(what: string, fits: (line: Line) => boolean): Promise<Line> {
    await until(what, () => this.lines.some(fits) || !this.isAlive);
    const found = this.lines.find(fits);
    if (found !== undefined) return found;
    throw new Error(`${what}: it ended before. ${this.stderr}`);
  }

  caughtUp(): Promise<Line> {
    return this.line('the replica is caught up', (line) => line.isCaughtUp === true);
  }

  /** The exit code, or the signal; waits for the end. */
  async exit(): Promise<number | string | null> {
    await until(`it ends: ${this.stderr}`, () => !this.isAlive, EXIT_MS_MAX);
    await this.#closed;
    return this.process.exitCode ?? this.process.signalCode;
  }

  async kill(signal: NodeJS.Signals): Promise<number | string | null> {
    this.process.kill(signal);
    return await this.exit();
  }
}
