/**
 * A process that appends to a change log until it is killed or cannot any more.
 *
 *   node log-appender.ts <dir> <groups at most> <bytes per body> [<groups that are merged, again and again>]
 *
 * Prints `<seq>` after each group that the log has promised to keep, and `failed <code>` at the first
 * failure, after which it has tried the same append once more (`again <code>` or `again ok`).
 */
import { writeSync } from 'node:fs';
import { TidelockError } from '../../src/core/errors.ts';
import type { LogStore } from '../../src/log/port.ts';
import { openLogStore } from '../../src/sqlite/log-store.ts';
import { anIdentity, newGroup } from '../unit/log/groups.ts';

const [dir = '', groupsMax = '1000', bodyBytes = '500', mergeEvery = '0'] = process.argv.slice(2);

/** The body of a group tells which it is. */
export function bodyOf(seq: number, bytes: number): string {
  return `${seq};`.repeat(Math.ceil(bytes / 4)).slice(0, bytes);
}

function say(text: string): void {
  writeSync(1, `${text}\n`);
}

function codeOf(work: () => void): string {
  try {
    work();
    return 'ok';
  } catch (error) {
    return error instanceof TidelockError ? error.code : String(error);
  }
}

/** The newest groups become one, and every fourth time the merged ones too. */
function mergeNewest(log: LogStore): void {
  const count = Number(mergeEvery);
  const end = log.heads.at(-1)?.seq ?? 0;
  log.merge(end - count + 1, end);
  const [first, , , last] = log.heads.slice(-4);
  if (first !== undefined && last !== undefined && end % (4 * count) === 0) {
    log.merge(first.seq, last.seq);
  }
}

function run(): void {
  const log = openLogStore({ dir });
  log.reset(anIdentity(), []);
  for (let seq = 1; seq <= Number(groupsMax); seq += 1) {
    const group = newGroup(100 + seq, { body: bodyOf(seq, Number(bodyBytes)) });
    const append = (): void => {
      log.append([group]);
    };
    const code = codeOf(append);
    if (code !== 'ok') {
      say(`failed ${code} ${log.heads.length}`);
      say(`again ${codeOf(append)} ${log.heads.length}`);
      return;
    }
    say(String(seq));
    if (seq % Number(mergeEvery) === 0) mergeNewest(log);
  }
  // Killed, not closed: closing would fold the write-ahead log away.
  process.kill(process.pid, 'SIGKILL');
}

if (import.meta.main) run();
