/**
 * A command in a process group of its own that outlives whoever started it, and leaves its end behind.
 *
 * A few lines of shell stand around the command, as the leader of its group. They write a *mark*: who the
 * leader is (as the kernel tells it), and at the end the times and the exit code. So no process has to wait
 * for a command to know how it ended, and a runner that was killed finds both the living and the ended.
 * The mark is made with O_EXCL: of two starts of one command, the second does nothing.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { messageOf, TidelockError } from '../../core/errors.ts';

/** Builtins of a POSIX shell only: one fork for the command, none for the mark. */
const LEADER = [
  'm=$0; c=$1; s=$2; set -C; : > "$m" || exit 0; set +C; set --',
  'read -r b < /proc/sys/kernel/random/boot_id; read -r l < /proc/$$/stat; echo "leader $b $l" >> "$m"',
  'if [ "$s" = sh ]; then ( unset m s; eval "$c" ); else "$s" -c "$c"; fi',
  'r=$?; times >> "$m"; echo "exit $r" >> "$m"; exit $r',
].join('\n');

const KILLED_CODE = 128;
const NOT_STARTED_CODE = 127;

/** A pid alone may be somebody else's by now. */
export type Leader = {
  readonly pid: number;
  /** Clock ticks since the boot, as /proc tells them. */
  readonly pidStart: string;
  readonly bootId: string;
};

export type Exit = {
  /** As the shell tells it: a signal is 128 and more. */
  readonly code: number;
  readonly signal: number | null;
  /** Processor time of the command and of all that it waited for. */
  readonly cpuMs: number;
};

/** What a mark says: not yet begun, begun, ended. */
export type Mark =
  | { readonly kind: 'absent' }
  | { readonly kind: 'begun'; readonly leader: Leader | null }
  | { readonly kind: 'ended'; readonly leader: Leader | null; readonly exit: Exit };

export type GroupStart = {
  readonly command: string;
  /** `sh`: the POSIX shell itself; otherwise a program that takes `-c`. */
  readonly shell: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Output goes straight there, so that it survives us. */
  readonly log: string;
  readonly mark: string;
};

/** Starts it and returns its pid, which is the number of its group. `onEnd` when the leader has ended. */
export function startGroup(start: GroupStart, onEnd: () => void): number {
  const output = openSync(start.log, 'a');
  try {
    const child = spawn('/bin/sh', ['-c', LEADER, start.mark, start.command, start.shell], {
      cwd: start.cwd,
      env: start.env,
      detached: true,
      stdio: ['ignore', output, output],
    });
    child.once('exit', onEnd);
    child.once('error', onEnd);
    child.unref();
    if (child.pid !== undefined) return child.pid;
  } catch (error) {
    throw cannotStart(start, error);
  } finally {
    closeSync(output);
  }
  throw cannotStart(start, 'no process');
}

export function cannotStart({ command, cwd }: GroupStart, cause: unknown): TidelockError {
  return new TidelockError({
    code: 'RUN_FAILED',
    message: `cannot start '${command}' in ${cwd}: ${messageOf(cause)}`,
    hint: 'look at the limits on processes and open files of this user: ulimit -a',
    cause,
  });
}

/** Reads a mark; a line that is not complete yet counts as not written. */
export function readMark(path: string): Mark {
  let text: string;
  try {
    text = readFileSync(path, 'latin1');
  } catch {
    return { kind: 'absent' };
  }
  const leader = leaderOf(/^leader (\S+) (.*)\n/.exec(text));
  const exit = exitOf(text);
  return exit === null ? { kind: 'begun', leader } : { kind: 'ended', leader, exit };
}

function leaderOf(match: RegExpExecArray | null): Leader | null {
  const stat = statOf(match?.[2] ?? '');
  if (match === null || stat === null) return null;
  return { pid: stat.pid, pidStart: stat.start, bootId: match[1] ?? '' };
}

function exitOf(text: string): Exit | null {
  const match = /^exit (\d+)\n/m.exec(text);
  if (match === null) return null;
  const code = Number(match[1] ?? NOT_STARTED_CODE);
  const signal = code > KILLED_CODE ? code - KILLED_CODE : null;
  return { code, signal, cpuMs: cpuMsOf(text) };
}

/** `times` prints user and system time, of the shell and of its children: `0m0.010s`. */
function cpuMsOf(text: string): number {
  const times = [...text.matchAll(/(\d+)m(\d+(?:\.\d+)?)s/g)];
  const ms = times.map(([, minutes, seconds]) => Number(minutes) * 60_000 + Number(seconds) * 1000);
  return Math.round(ms.reduce((sum, one) => sum + one, 0));
}

/** The fields of /proc/PID/stat that we look at; the name in parentheses may hold anything. */
export type Stat = {
  readonly pid: number;
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly cpuTicks: number;
  readonly start: string;
  readonly rssPages: number;
};

function statOf(line: string): Stat | null {
  const end = line.lastIndexOf(')');
  if (end < 0) return null;
  const fields = line.slice(end + 2).split(' ');
  const ticks = [11, 12, 13, 14].map((index) => Number(fields[index] ?? 0));
  return {
    pid: Number.parseInt(line, 10),
    state: fields[0] ?? '',
    parent: Number(fields[1]),
    group: Number(fields[2]),
    cpuTicks: ticks.reduce((sum, one) => sum + one, 0),
    start: fields[19] ?? '',
    rssPages: Number(fields[21] ?? 0),
  };
}

export function readStat(pid: number): Stat | null {
  try {
    return statOf(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return null;
  }
}

/** Signals every process of a group; nothing when there is none. */
export function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
