/** A child process of the run, started the way this very program was, with its birth and end in the evidence. */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EvidenceWriter } from './evidence-writer.ts';

/** How this very program is started. */
export type Launch = {
  readonly command: string;
  readonly programArguments: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
};

const STOP_MS_MAX = 10_000;

export type LaunchedOptions = {
  readonly launch: Launch;
  /** Its name in the evidence. */
  readonly process: string;
  readonly programArguments: readonly string[];
  /** Receives what it writes to stderr, and to stdout unless that is piped. */
  readonly logFile: string;
  readonly isPiped: boolean;
  readonly evidence: EvidenceWriter;
};

export class Launched {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Settles when the process is gone. */
  readonly gone: Promise<void>;
  #isExpectedToEnd = false;

  constructor(options: LaunchedOptions) {
    const { launch, programArguments, logFile, isPiped, evidence } = options;
    const log = openSync(logFile, 'a');
    const stdio: StdioOptions = ['ignore', isPiped ? 'pipe' : log, log, 'ipc'];
    this.child = spawn(launch.command, [...launch.programArguments, ...programArguments], {
      env: { ...launch.environment, TIDELOCK_LAUNCHED: '1' },
      // The channel is also how the child notices that this process is gone.
      stdio,
      // A terminal's Ctrl-C is for this process, which then ends the others in order.
      detached: true,
    });
    closeSync(log);
    this.pid = this.child.pid ?? 0;
    this.child.on('error', () => undefined); // its end tells
    this.gone = this.#isPidless
      ? Promise.resolve()
      : once(this.child, 'exit').then(() => undefined);
    this.#record(options, evidence);
  }

  get isAlive(): boolean {
    const { exitCode, signalCode } = this.child;
    return !this.#isPidless && exitCode === null && signalCode === null;
  }

  get isExpectedToEnd(): boolean {
    return this.#isExpectedToEnd;
  }

  /** As `kill -9` does; resolves when it is gone. */
  async kill(): Promise<void> {
    this.#isExpectedToEnd = true;
    if (this.isAlive) this.child.kill('SIGKILL');
    await this.gone;
  }

  freeze(): void {
    this.child.kill('SIGSTOP');
  }

  thaw(): void {
    this.child.kill('SIGCONT');
  }

  /** Ends the process in order, by force when it takes too long. */
  async stop(): Promise<void> {
    this.#isExpectedToEnd = true;
    if (!this.isAlive) return;
    this.thaw();
    this.child.kill('SIGTERM');
    const patience = new AbortController();
    const late = sleep(STOP_MS_MAX, 'late', { signal: patience.signal }).catch(() => undefined);
    if ((await Promise.race([this.gone, late])) === 'late') this.child.kill('SIGKILL');
    patience.abort();
    await this.gone;
  }

  get #isPidless(): boolean {
    return this.child.pid === undefined;
  }

  #record({ process, programArguments }: LaunchedOptions, evidence: EvidenceWriter): void {
    const { pid } = this;
    const command = programArguments.slice(0, 2).join(' ');
    evidence.write('proc', { t: evidence.now(), process, pid, kind: 'start', command });
    this.child.on('exit', (code, signal) => {
      const isExpected = this.#isExpectedToEnd;
      const event = { kind: 'exit', code, signal, isExpected } as const;
      evidence.write('proc', { t: evidence.now(), process, pid, ...event });
    });
  }
}

/** True while a process of this number exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
