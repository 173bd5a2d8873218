/** Ends a process with all that it has started, also what has a group of its own. */
import { spawnSync } from 'node:child_process';

/** What was started while the others were ended is found by the next look; nobody is started by the dead. */
const LOOKS_MAX = 5;

/**
 * Kills the process, its descendants and the members of their groups.
 * @param {number} pid
 * @returns {number} How many were killed.
 */
export function endTree(pid) {
  const pids = new Set([pid]);
  const groups = new Set();
  let killed = 0;
  for (let look = 0; look < LOOKS_MAX; look += 1) {
    const found = membersOf(pids, groups);
    if (found.length === 0) break;
    for (const one of found) killed += end(one) ? 1 : 0;
  }
  return killed;
}

/** Those that live; whoever belongs to them is remembered, for then their parents are gone. */
function membersOf(pids, groups) {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid=,pgid=,stat='], { encoding: 'utf8' });
  const rows = stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .map(([pid, parent, group, state]) => ({
      ...{ pid: Number(pid), parent: Number(parent), group: Number(group) },
      isDead: state.startsWith('Z'),
    }));
  const own = rows.find(({ pid }) => pid === process.pid)?.group;
  for (let isNew = true; isNew; ) {
    isNew = false;
    for (const { pid, parent, group } of rows) {
      if (pid === process.pid || (pids.has(pid) && groups.has(group))) continue;
      if (!pids.has(pid) && !pids.has(parent) && !groups.has(group)) continue;
      isNew = isNew || !pids.has(pid);
      pids.add(pid);
      if (group !== own && !groups.has(group)) {
        groups.add(group);
        isNew = true;
      }
    }
  }
  return rows.filter(({ pid, isDead }) => pids.has(pid) && !isDead).map(({ pid }) => pid);
}

function end(pid) {
  try {
    process.kill(pid, 'SIGKILL');
    return true;
  } catch {
    return false; // it has ended meanwhile
  }
}
