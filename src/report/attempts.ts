/** What the events of one execution tell: its attempts, what was done to it by hand, and the triggers that it fired. */
import type { EventRow, State } from '../planner/rows.ts';

export type Attempt = {
  /** From 1. */
  readonly number: number;
  readonly startedAt: number;
  /** Null while it is under way, and when nobody saw its end. */
  readonly endedAt: number | null;
  /** `COMPLETED/FAIL`, or null. */
  readonly verdict: string | null;
  readonly cause: string;
};

/** Somebody has set another state by hand. */
export type Forced = Pick<EventRow, 'seq' | 'at' | 'old' | 'new' | 'actor' | 'cause'>;

export type FiredTrigger = {
  readonly seq: number;
  readonly at: number;
  /** `COMPLETED/FAIL`: the state that it was fired by. */
  readonly on: string;
  readonly command: string;
};

const ENDS: ReadonlySet<string> = new Set<State>(['COMPLETED', 'KILLED', 'INCOMPLETE', 'STUCK']);

/** The oldest first. `events`: of one execution, in order. */
export function attemptsOf(events: readonly EventRow[]): readonly Attempt[] {
  const attempts: Attempt[] = [];
  for (const { kind, new: now, at, cause, isForced } of events) {
    if (kind !== 'transition' || now === null || isForced) continue;
    const [state = ''] = now.split('/', 1);
    const open = attempts.at(-1);
    if (state === 'LAUNCHED') {
      const number = Number(/^attempt (\d+)$/.exec(cause)?.[1] ?? (open?.number ?? 0) + 1);
      attempts.push({ number, startedAt: at, endedAt: null, verdict: null, cause: '' });
    } else if (ENDS.has(state) && open !== undefined && open.endedAt === null) {
      attempts[attempts.length - 1] = { ...open, endedAt: at, verdict: now, cause };
    }
  }
  return attempts;
}

/** A runner does it; who has asked it to stands in the task before, where it was of this execution alone. */
export function forcedOf(events: readonly EventRow[]): readonly Forced[] {
  let asked: string | null = null;
  const forced: Forced[] = [];
  for (const event of events) {
    if (event.kind === 'task' && event.cause.endsWith(': set-state')) asked = event.actor;
    if (event.kind !== 'transition' || !event.isForced) continue;
    forced.push({ ...event, actor: asked ?? event.actor });
    asked = null;
  }
  return forced;
}

export function triggersOf(events: readonly EventRow[]): readonly FiredTrigger[] {
  return events.flatMap(({ kind, seq, at, new: on, cause }) =>
    kind === 'trigger' ? [{ seq, at, on: on ?? '', command: cause }] : [],
  );
}
