/** Answers what the readers of configurations ask for, with the real files and commands of this machine. */
import { type ExecFileException, execFile, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, realpathSync } from 'node:fs';
import type { ConfigAnswer, ConfigRequest, Environment, Reading } from '../area/types.ts';
import { unreachable } from '../core/assert.ts';
import { messageOf, TidelockError } from '../core/errors.ts';

/** A command of a configuration that takes longer is killed, and has failed. */
const COMMAND_TIMEOUT_MS = 60_000;
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;
const EXIT_KILLED = 124;
const SHELL = '/bin/sh';

/** Blocks until it is read: for commands of the shell, never in a server. */
export function readNow<T>(reading: Reading<T>): T {
  let step = reading.next();
  while (step.done !== true) step = reading.next(answerNow(step.value));
  return step.value;
}

/** Other work goes on while commands run. */
export async function readLater<T>(reading: Reading<T>): Promise<T> {
  let step = reading.next();
  while (step.done !== true) step = reading.next(await answerLater(step.value));
  return step.value;
}

export function answerNow(request: ConfigRequest): ConfigAnswer {
  if (request.kind !== 'shell' && request.kind !== 'expand') return answerOfFiles(request);
  const { command, cwd, env } = commandOf(request);
  const { stdout, status } = spawnSync(SHELL, ['-c', command], {
    ...{ cwd, env, encoding: 'utf8', timeout: COMMAND_TIMEOUT_MS, killSignal: 'SIGKILL' },
    ...{ maxBuffer: OUTPUT_BYTES_MAX, stdio: ['ignore', 'pipe', 'ignore'] },
  });
  return { kind: 'output', stdout: stdout ?? '', exitCode: status ?? EXIT_KILLED };
}

export function answerLater(request: ConfigRequest): Promise<ConfigAnswer> {
  if (request.kind !== 'shell' && request.kind !== 'expand') {
    return Promise.resolve(answerOfFiles(request));
  }
  const { command, cwd, env } = commandOf(request);
  const limits = {
    ...{ timeout: COMMAND_TIMEOUT_MS, killSignal: 'SIGKILL' as const },
    ...{ maxBuffer: OUTPUT_BYTES_MAX, encoding: 'utf8' as const },
  };
  return new Promise((resolve) => {
    const child = execFile(SHELL, ['-c', command], { cwd, env, ...limits }, (error, stdout) => {
      resolve({ kind: 'output', stdout, exitCode: exitCodeOf(error) });
    });
    child.stdin?.end();
  });
}

function exitCodeOf(error: ExecFileException | null): number {
  if (error === null) return 0;
  return typeof error.code === 'number' ? error.code : EXIT_KILLED;
}

type Command = {
  readonly command: string;
  readonly cwd: string | undefined;
  readonly env: Environment;
};

/** What is to be expanded is a substitution with its own quotes: between double quotes it stays one word. */
function commandOf(request: ConfigRequest & { readonly kind: 'shell' | 'expand' }): Command {
  if (request.kind === 'shell') return request;
  return { command: `printf '%s' "${request.text}"`, cwd: undefined, env: request.env };
}

function answerOfFiles(
  request: Exclude<ConfigRequest, { readonly kind: 'shell' | 'expand' }>,
): ConfigAnswer {
  switch (request.kind) {
    case 'file':
      return { kind: 'text', text: orNull(request.path, (path) => readFileSync(path, 'utf8')) };
    case 'realPath':
      return { kind: 'text', text: orNull(request.path, (path) => realpathSync(path)) };
    case 'list':
      return { kind: 'names', names: orNull(request.path, namesIn) ?? [] };
    default:
      return unreachable(request);
  }
}

function namesIn(path: string): readonly string[] {
  return readdirSync(path).sort();
}

const ABSENT = ['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP'];

/** Null for what is not there. */
function orNull<T>(path: string, read: (path: string) => T): T | null {
  try {
    return read(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (ABSENT.includes(code)) return null;
    throw new TidelockError({
      code: 'AREA_UNFIT',
      message: `${path} cannot be read: ${messageOf(error)}`,
      hint: 'make it readable for the user who runs the tests',
      cause: error,
    });
  }
}
