/** Who and where this process is. A pid alone is never trusted: boot and start time go with it. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { TidelockError } from '../../core/errors.ts';

export type HostIdentity = {
  /** The machine's name, or another one that several hosts are played with on one machine. */
  readonly host: string;
  /** New with every start of the machine. */
  readonly bootId: string;
};

const PROC = '/proc';
const BOOT_FILE = `${PROC}/sys/kernel/random/boot_id`;

/** `hostId` in place of the machine's name. */
export function hostIdentity(hostId?: string): HostIdentity {
  return { host: hostId ?? hostname(), bootId: bootIdOf() };
}

/** Where the system has no id of its boot, files of another boot are not told apart. */
function bootIdOf(): string {
  try {
    return readFileSync(BOOT_FILE, 'utf8').trim();
  } catch {
    return 'unknown';
  }
}

/**
 * Without /proc nobody can tell whether a process lives or another one has its number: runners and syncers that died would
 * hold what they have for ever. Throws `RUNS_UNUSABLE`. `proc`: where it is mounted.
 */
export function requireProcesses(proc = PROC): void {
  if (pidStartOf(process.pid, proc) !== '') return;
  throw new TidelockError({
    code: 'RUNS_UNUSABLE',
    message: `this system does not tell which processes live: ${proc}/${process.pid}/stat cannot be read`,
    hint: 'run tests on a Linux host with /proc; its server answers other hosts',
  });
}

/** Start time of a process in the system's ticks, '' when there is none (any more). */
export function pidStartOf(pid: number, proc = PROC): string {
  try {
    const text = readFileSync(`${proc}/${pid}/stat`, 'utf8');
    // The name in parentheses may have blanks; the start is the 20th field behind it.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? '' : (fields[19] ?? '');
  } catch {
    return '';
  }
}

/** True while this very process lives, not another one with its number. */
export function isAlive(
  process: {
    readonly pid: number;
    readonly pidStart: string;
    readonly bootId: string;
  },
  proc = PROC,
): boolean {
  // Of a process whose start is not known nothing can be said: it is nobody's.
  const isKnown = process.pidStart !== '' && process.bootId === bootIdOf();
  return isKnown && pidStartOf(process.pid, proc) === process.pidStart;
}
