/**
 * Steps that a command of the area starts: `ssh host JOB`, a batch system. The command may run the job to its end,
 * or only hand it to somebody else and return; on this host, or on another one that sees the same files.
 *
 * So nothing is concluded from the command but its failure. The job is a script that leads the step's group and
 * writes its mark as our own leader does; beside it there are `.beat`, by which it shows that it lives, `.kill`, by
 * which it is asked to end, and `.killed`, when that is done.
 */
import { spawn } from 'node:child_process';
import { chmodSync, closeSync, openSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hostIdentity } from '../processes/host.ts';
import { cannotStart, type GroupStart, type Leader, readMark } from '../processes/process-group.ts';
import { shellExports, shellQuoted } from './environment.ts';

/** In the place of the job's command; without it the command comes at the end. */
const JOB_WORD = 'JOBCOMMAND';
const LOG = 'launcher.log';
/** The environment stands in the job. */
const PRIVATE_PROGRAM = 0o700;
/** Of a job that was asked to end on another host. */
export const FAR_KILL_MS_MAX = 15_000;

export type LaunchedStart = GroupStart & { readonly launcher: string };

/** Starts the launcher in a group of its own, and gives its pid. `onEnd`: how it ended; null: by a signal. */
export function startLaunched(start: LaunchedStart, onEnd: (code: number | null) => void): number {
  const job = `${start.mark}.job`;
  closeSync(openSync(start.log, 'a')); // rules judge it even if nothing begins
  writeFileSync(job, jobText(start), { mode: PRIVATE_PROGRAM });
  chmodSync(job, PRIVATE_PROGRAM);
  const output = openSync(join(start.cwd, LOG), 'a');
  try {
    const child = spawn('/bin/sh', ['-c', commandOf(start.launcher, job)], {
      ...{ cwd: start.cwd, env: start.env, detached: true },
      stdio: ['ignore', output, output],
    });
    child.once('exit', onEnd);
    child.once('error', () => onEnd(null));
    child.unref();
    if (child.pid !== undefined) return child.pid;
  } catch (error) {
    throw cannotStart(start, error);
  } finally {
    closeSync(output);
  }
  throw cannotStart(start, 'no process');
}

function commandOf(launcher: string, job: string): string {
  const quoted = shellQuoted(job);
  return launcher.includes(JOB_WORD)
    ? launcher.replaceAll(JOB_WORD, () => quoted)
    : `${launcher} ${quoted}`;
}

/**
 * Whoever starts it, wherever: the place, the environment and the output are the step's. A second process looks every
 * second whether it is to end, and gives the command five more. The leader stays until the command has ended.
 */
function jobText({ mark, cwd, log, env, command, shell }: GroupStart): string {
  return `#!/bin/sh
[ "$1" = led ] || exec setsid -w "$0" led
cd ${shellQuoted(cwd)} || exit 1
exec < /dev/null >> ${shellQuoted(log)} 2>&1
m=${shellQuoted(mark)}
set -C; : > "$m" || exit 0; set +C
read -r b < /proc/sys/kernel/random/boot_id; read -r l < /proc/$$/stat; echo "leader $b $l" >> "$m"
( while kill -0 $$ 2> /dev/null; do
    : > "$m.beat"
    if [ -e "$m.kill" ]; then
      trap '' TERM; kill -TERM 0; n=0
      while kill -0 $$ && [ "$n" -lt 50 ]; do sleep 0.1; n=$((n + 1)); done
      : > "$m.killed"; kill -KILL 0
    fi
    sleep 1
  done ) > /dev/null 2>&1 &
w=$!
trap : TERM
(
${shellExports(env)}unset m b l w n
exec ${shell === 'sh' ? '/bin/sh' : shellQuoted(shell)} -c ${shellQuoted(command)}
)
r=$?; kill "$w" 2> /dev/null; times >> "$m"; echo "exit $r" >> "$m"; exit "$r"
`;
}

/** Takes the mark, so that a job that has not begun never will. False: it has. */
export function claimMark(mark: string, code: number): boolean {
  try {
    writeFileSync(mark, `exit ${code}\n`, { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Asks a job to end, if it has begun. */
export function askToEnd(mark: string): void {
  writeFileSync(`${mark}.kill`, '');
}

/** It is led by a process of another host, of which nothing can be known but by its files. */
export function isFar({ bootId }: Leader): boolean {
  return bootId !== hostIdentity().bootId;
}

/** Its leader on another host has shown itself within `deadTimeMs`. */
export function isFarAlive(mark: string, { now, deadTimeMs }: FarQuestion): boolean {
  const beat = statSync(`${mark}.beat`, { throwIfNoEntry: false }) ?? statSync(mark);
  return now - beat.mtimeMs < deadTimeMs;
}

type FarQuestion = { readonly now: number; readonly deadTimeMs: number };

/** A job that is being ended where we see no processes, or has only just begun, and has not said that it is over. */
export function isFarEnding(mark: string): boolean {
  const read = readMark(mark);
  if (read.kind !== 'begun') return false;
  if (read.leader !== null && !isFar(read.leader)) return false;
  return statSync(`${mark}.killed`, { throwIfNoEntry: false }) === undefined;
}
