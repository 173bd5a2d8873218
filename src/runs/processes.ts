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

/** Processes by group, zombies left out. Empty where there is no /proc. */
export function sampleGroups(): ReadonlyMap<number, GroupUse> {
  const groups = new Map<number, GroupUse>();
  for (const stat of living()) {
    const before = groups.get(stat.group) ?? { processes: 0, cpuMs: 0, rssBytes: 0 };
    groups.set(stat.group, {
      processes: before.processes + 1,
      cpuMs: before.cpuMs + stat.cpuTicks * MS_PER_TICK,
      rssBytes: before.rssBytes + stat.rssPages * PAGE_BYTES,
    });
  }
  return groups;
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

/**
 * Everything that belongs to an execution: its groups, and processes that left them (`setsid`, daemons) but
 * still carry `variable` in their environment.
 */
export function membersOf(groups: ReadonlySet<number>, variable: string): readonly Stat[] {
  const others = `${variable}\0`;
  return [...living()].filter(
    ({ pid, group }) => groups.has(group) || environmentOf(pid).includes(others),
  );
}

function environmentOf(pid: number): string {
  try {
    return `${readFileSync(`/proc/${pid}/environ`, 'latin1')}\0`;
  } catch {
    return '';
  }
}

/** Signals all of them; true when there was nobody. */
export function signalMembers(
  { groups, variable }: { readonly groups: ReadonlySet<number>; readonly variable: string },
  signal: NodeJS.Signals,
): boolean {
  const seen = new Set<number>();
  for (let sweep = 0; sweep < SWEEPS_MAX; sweep++) {
    const found = membersOf(groups, variable).filter(({ pid }) => !seen.has(pid));
    if (found.length === 0) break;
    for (const { pid, group } of found) {
      seen.add(pid);
      if (groups.has(group)) signalGroup(group, signal);
      else signalOne(pid, signal);
    }
  }
  return seen.size === 0;
}

function signalOne(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
