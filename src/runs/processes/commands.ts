/** Commands of an area that are waited for: each in a process group of its own, all of which ends with its time. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { Environment } from '../../area/types.ts';
import { signalGroup } from './process-group.ts';

const SHELL = '/bin/sh';
/** Of a command that was killed, and of one that could not be started. */
const EXIT_KILLED = 124;

export type Command = {
  readonly command: string;
  /** What the command finds as $1, $2 .. */
  readonly words?: readonly string[];
  /** Undefined: ours. */
  readonly cwd?: string | undefined;
  readonly env?: Environment | undefined;
  readonly timeoutMs: number;
  /** What it prints beyond is no output of a command that has gone well. */
  readonly outputBytesMax: number;
  /** Its output goes there, and is not given back. */
  readonly output?: string | undefined;
  /** Ends it early, as the end of its time does. Not with `runCommandNow`. */
  readonly signal?: AbortSignal | undefined;
  /** Its errors are output too. */
  readonly withErrors?: boolean | undefined;
};

export type CommandEnd = {
  readonly exitCode: number;
  readonly output: string;
  readonly isTimedOut: boolean;
};

/** Other work goes on meanwhile. */
export async function runCommand(command: Command): Promise<CommandEnd> {
  if (command.signal?.aborted === true) {
    return { exitCode: EXIT_KILLED, output: '', isTimedOut: false };
  }
  const file = command.output === undefined ? null : openSync(command.output, 'w');
  const to = file ?? ('pipe' as const);
  let child: ChildProcess;
  try {
    child = spawn(SHELL, argumentsOf(command), {
      ...placeOf(command),
      stdio: ['ignore', to, command.withErrors === true ? to : 'ignore'],
    });
  } finally {
    if (file !== null) closeSync(file);
  }
  return endOf(child, command);
}

function endOf(
  child: ChildProcess,
  { timeoutMs, outputBytesMax, signal }: Command,
): Promise<CommandEnd> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let isTimedOut = false;
  let isTooMuch = false;
  const take = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes <= outputBytesMax) chunks.push(chunk);
    else if (!isTooMuch) {
      isTooMuch = true;
      killAll(child.pid);
    }
  };
  child.stdout?.on('data', take);
  child.stderr?.on('data', take);
  const timer = setTimeout(() => {
    isTimedOut = true;
    killAll(child.pid);
  }, timeoutMs);
  const onAbort = (): void => killAll(child.pid);
  signal?.addEventListener('abort', onAbort);
  return new Promise((resolve) => {
    const onEnd = (code: number | null): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      const exitCode = isTimedOut || isTooMuch ? EXIT_KILLED : (code ?? EXIT_KILLED);
      resolve({ exitCode, output: Buffer.concat(chunks).toString('utf8'), isTimedOut });
    };
    // Whoever holds its output is part of it.
    child.once('close', onEnd);
    child.once('error', () => onEnd(null));
  });
}

/** Blocks until it has ended. Its errors are left out. */
export function runCommandNow(command: Command): CommandEnd {
  const { timeoutMs, outputBytesMax } = command;
  const { stdout, status, pid, error } = spawnSync(SHELL, argumentsOf(command), {
    ...placeOf(command),
    ...{ timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: outputBytesMax },
    ...{ stdio: ['ignore', 'pipe', 'ignore'], encoding: 'utf8' },
  });
  const isCut = error !== undefined;
  if (isCut) killAll(pid);
  const isTimedOut = isCut && 'code' in error && error.code === 'ETIMEDOUT';
  return {
    exitCode: isCut ? EXIT_KILLED : (status ?? EXIT_KILLED),
    output: stdout ?? '',
    isTimedOut,
  };
}

/** `detached`: the leader of a new group, so that all of it can be ended. */
function placeOf({ cwd, env }: Command): {
  readonly cwd: string | undefined;
  readonly env: Environment | undefined;
  readonly detached: true;
} {
  return { cwd, env, detached: true };
}

function argumentsOf({ command, words = [] }: Command): string[] {
  return ['-c', command, SHELL, ...words];
}

function killAll(pid: number | undefined): void {
  if (pid !== undefined && pid > 0) signalGroup(pid, 'SIGKILL');
}
