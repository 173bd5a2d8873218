/** Answers what the readers of configurations ask for, with the real files and commands of this machine. */
import { readdirSync, readFileSync, realpathSync } from 'node:fs';
import type { ConfigAnswer, ConfigRequest, Reading } from '../area/types.ts';
import { unreachable } from '../core/assert.ts';
import { messageOf, TidelockError } from '../core/errors.ts';
import { type Command, type CommandEnd, runCommand, runCommandNow } from './processes/commands.ts';

/** A command of a configuration that takes longer is killed, with all that it has started, and has failed. */
const COMMAND_TIMEOUT_MS = 60_000;
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;

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
  return answerOf(runCommandNow(commandOf(request)));
}

export async function answerLater(request: ConfigRequest): Promise<ConfigAnswer> {
  if (request.kind !== 'shell' && request.kind !== 'expand') return answerOfFiles(request);
  return answerOf(await runCommand(commandOf(request)));
}

function answerOf({ output, exitCode }: CommandEnd): ConfigAnswer {
  return { kind: 'output', stdout: output, exitCode };
}

/** What is to be expanded is a substitution with its own quotes: between double quotes it stays one word. */
function commandOf(request: ConfigRequest & { readonly kind: 'shell' | 'expand' }): Command {
  const limits = { timeoutMs: COMMAND_TIMEOUT_MS, outputBytesMax: OUTPUT_BYTES_MAX };
  if (request.kind === 'expand') {
    return { command: `printf '%s' "${request.text}"`, env: request.env, ...limits };
  }
  const { command, cwd, env } = request;
  return { command, cwd, env, ...limits };
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
