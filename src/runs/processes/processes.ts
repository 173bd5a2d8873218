/** What runs on this host, by process group: one pass over /proc for all executions at once. */
import { readdirSync, readFileSync } from 'node:fs';
import { readStat, type Stat, signalGroup } from './process-group.ts';

/** Linux' unit of processor time, fixed for programs. */
const MS_PER_TICK = 10;
const PAGE_BYTES = 4096;
/** A process may fork while it is looked for; so many looks are enough for any that does not do so on purpose. */
const SWEEPS_MAX = 5;

export type GroupUse = {
  readonly processes: number;
  readonly cpuMs: number;
  readonly rssBytes: number;
};

/** The end of an entry of an environment. */
const ZERO = '\0';

/** What belongs to an execution. */
export type Members = {
  readonly groups: ReadonlySet<number>;
  /** What its processes carry in their environment under `EXECUTION_VARIABLE`, whatever group they are in. */
  readonly token: string;
};

/**
 * The processes of this host as they were at one look, for all that ask until it is forgotten: however many executions
 * are ended at once, /proc is read once a turn.
 */
export class ProcessLook {
  readonly #variable: string;
  #living: readonly Stat[] | null = null;
  #byToken: ReadonlyMap<string, readonly Stat[]> | null = null;

  /** `variable`: the name under which processes carry the token of their execution. */
  constructor(variable: string) {
    this.#variable = `${variable}=`;
  }

  /** Whoever asks next gets a fresh look. */
  forget(): void {
    this.#living = null;
    this.#byToken = null;
  }

  /** By group, zombies left out. Empty where there is no /proc. */
  use(): ReadonlyMap<number, GroupUse> {
    const groups = new Map<number, GroupUse>();
    for (const stat of this.#all()) {
      const before = groups.get(stat.group) ?? { processes: 0, cpuMs: 0, rssBytes: 0 };
      groups.set(stat.group, {
        processes: before.processes + 1,
        cpuMs: before.cpuMs + stat.cpuTicks * MS_PER_TICK,
        rssBytes: before.rssBytes + stat.rssPages * PAGE_BYTES,
      });
    }
    return groups;
  }

  /** The groups, and processes that left them (`setsid`, daemons) but still carry the token. */
  members({ groups, token }: Members): readonly Stat[] {
    const inGroups = this.#all().filter(({ group }) => groups.has(group));
    const carriers = this.#carriers().get(token) ?? [];
    return [...inGroups, ...carriers.filter(({ group }) => !groups.has(group))];
  }

  #all(): readonly Stat[] {
    this.#living ??= [...living()];
    return this.#living;
  }

  #carriers(): ReadonlyMap<string, readonly Stat[]> {
    if (this.#byToken !== null) return this.#byToken;
    const found = new Map<string, Stat[]>();
    for (const stat of this.#all()) {
      const token = valueIn(environmentOf(stat.pid), this.#variable);
      if (token !== null) found.set(token, [...(found.get(token) ?? []), stat]);
    }
    this.#byToken = found;
    return found;
  }
}

function* living(): Generator<Stat> {
  for (const pid of pids()) {
    const stat = readStat(pid);
    if (stat !== null && stat.state !== 'Z' && stat.state !== 'X') yield stat;
  }
}

function pids(): readonly number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

function environmentOf(pid: number): string {
  try {
    return `${readFileSync(`/proc/${pid}/environ`, 'latin1')}\0`;
  } catch {
    return '';
  }
}

/** Null: it is not set. */
function valueIn(environment: string, start: string): string | null {
  const at = environment.startsWith(start) ? 0 : environment.indexOf(`${ZERO}${start}`) + 1;
  if (at === 0 && !environment.startsWith(start)) return null;
  return environment.slice(at + start.length, environment.indexOf(ZERO, at));
}

/** Signals them, groups as a whole. */
export function signalAll(
  members: readonly Stat[],
  groups: ReadonlySet<number>,
  signal: NodeJS.Signals,
): void {
  for (const group of new Set(members.map((stat) => stat.group)))
    if (groups.has(group)) signalGroup(group, signal);
  for (const { pid, group } of members) if (!groups.has(group)) signalOne(pid, signal);
}

/** Kills what is left of an execution that has ended without us. */
export function sweep(look: ProcessLook, members: Members): void {
  for (let sweeps = 0; sweeps < SWEEPS_MAX; sweeps++) {
    const found = look.members(members);
    if (found.length === 0) return;
    signalAll(found, members.groups, 'SIGKILL');
    look.forget();
  }
}

function signalOne(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
