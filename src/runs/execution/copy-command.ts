/** `testcopycmd`: a command of the area fills work areas in the place of our copy. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Environment } from '../../area/types.ts';
import { TidelockError } from '../../core/errors.ts';
import { lastLines } from '../before-run.ts';
import { runCommand } from '../processes/commands.ts';
import { shellQuoted } from './environment.ts';

const COPY_MS_MAX = 3_600_000;
/** Needs no quotes, so that the command may have some of its own around it. */
const PLAIN_PATH = /^[\w./+@%=:,-]+$/;

export type TestCopy = {
  readonly command: string;
  readonly from: string;
  readonly to: string;
  readonly env: Environment;
  /** What the command prints goes there. */
  readonly logFolder: string;
  /** Ends it. */
  readonly signal: AbortSignal;
};

/** Throws RUN_FAILED with the end of what it printed. */
export async function copyByCommand({
  command,
  from,
  to,
  env,
  logFolder,
  signal,
}: TestCopy): Promise<void> {
  mkdirSync(logFolder, { recursive: true });
  const output = join(logFolder, 'copy.log');
  const whole = command.replace(/TEST_SRC_PATH|TEST_TARG_PATH/g, (word) =>
    word === 'TEST_SRC_PATH' ? shellWord(from) : shellWord(to),
  );
  const limits = { timeoutMs: COPY_MS_MAX, outputBytesMax: 0 };
  const end = await runCommand({
    command: whole,
    cwd: to,
    env,
    signal,
    output,
    withErrors: true,
    ...limits,
  });
  if (end.exitCode === 0) return;
  throw new TidelockError({
    code: 'RUN_FAILED',
    message: `testcopycmd ended with ${end.exitCode}: ${lastLines(readFileSync(output, 'utf8'))}`,
    hint: `it was: ${whole}`,
  });
}

function shellWord(path: string): string {
  return PLAIN_PATH.test(path) ? path : shellQuoted(path);
}
