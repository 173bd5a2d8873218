/** What the coordinator must know of a log that was just opened. */
import type { LogAtOpen } from '../coordinator/state.ts';
import type { LogStore } from '../log/port.ts';
import { recordOf } from './log-writer.ts';

export function logAtOpen(log: LogStore): LogAtOpen {
  const { identity } = log;
  return {
    timeline: timelineOf(log),
    systemId: identity?.systemId ?? null,
    walTimeline: identity?.walTimeline ?? 0,
    generation: identity?.generation ?? 0,
    upper: log.upper,
    since: log.since,
    groups: log.heads.map(recordOf),
  };
}

/** System identifier, generation and first position: which history of which cluster. */
export function timelineOf({ identity }: LogStore): string | null {
  if (identity === null) return null;
  return `${identity.systemId}-${identity.generation}-${identity.startTs.toString(16)}`;
}
