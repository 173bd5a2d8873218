/** Bugs of the coordinator: it is told something else, or says something else. */
import { step } from '../../coordinator/coordinator.ts';
import type {
  AppendedGroup,
  CoordinatorEffect,
  CoordinatorEvent,
} from '../../coordinator/types.ts';
import { type Lsn, toLsn } from '../../core/lsn.ts';

type Step = typeof step;

export type CoordinatorBug = {
  readonly name: string;
  readonly step: Step;
  /** The rule of the coordinator's own model that must catch it. */
  readonly caughtBy: RegExp;
};

/** A coordinator that is told something else. */
function told(change: (event: CoordinatorEvent) => CoordinatorEvent): Step {
  return (state, event) => step(state, change(event));
}

/** A coordinator that says something else. */
function says(
  change: (
    effects: readonly CoordinatorEffect[],
    event: CoordinatorEvent,
  ) => readonly CoordinatorEffect[],
): Step {
  return (state, event) => change(step(state, event), event);
}

function without(kind: CoordinatorEffect['kind'], after: CoordinatorEvent['kind'] | 'any'): Step {
  return says((effects, event) =>
    after === 'any' || event.kind === after ? effects.filter((one) => one.kind !== kind) : effects,
  );
}

function twice(kind: CoordinatorEffect['kind']): Step {
  return says((effects) =>
    effects.flatMap<CoordinatorEffect>((one) => (one.kind === kind ? [one, one] : [one])),
  );
}

function withoutOpenParts(group: AppendedGroup): AppendedGroup {
  return group.isComplete ? group : { ...group, selectors: [], hasAll: false };
}

function later(lsn: Lsn, bytes: number): Lsn {
  return toLsn(Math.max(0, lsn + bytes));
}

export const COORDINATOR_BUGS: readonly CoordinatorBug[] = [
  {
    name: 'a keepalive is confirmed before it is durable',
    step: says((effects, event) =>
      event.kind === 'keepalive' ? [{ kind: 'confirmSlot', lsn: event.lsn }, ...effects] : effects,
    ),
    caughtBy: /confirmed \d+, durable \d+/,
  },
  {
    name: 'a keepalive moves the upper past what was not delivered',
    step: told((event) =>
      event.kind === 'keepalive' ? { ...event, lsn: later(event.lsn, 10) } : event,
    ),
    caughtBy: /group \d+ at \d+ is beyond|P1/,
  },
  {
    name: 'an append confirms more than it made durable',
    step: says((effects) =>
      effects.map((one) => (one.kind === 'confirmSlot' ? { ...one, lsn: later(one.lsn, 1) } : one)),
    ),
    caughtBy: /confirmed \d+, durable \d+/,
  },
  {
    name: 'what comes between a last read and its report wakes nobody',
    step: without('wake', 'caughtUp'),
    caughtBy: /waits at \d+, \d+ is there/,
  },
  {
    name: 'a wake is forgotten when somebody is ended in the same step',
    step: says((effects) =>
      effects.some(({ kind }) => kind === 'endSubscribers')
        ? effects.filter(({ kind }) => kind !== 'wake')
        : effects,
    ),
    caughtBy: /waits at \d+, \d+ is there/,
  },
  {
    name: 'subscribers are woken twice',
    step: twice('wake'),
    caughtBy: /is woken only while it waits/,
  },
  {
    name: 'everybody is woken by everything',
    step: says((effects, event) =>
      event.kind === 'caughtUp' && effects.length === 0
        ? [{ kind: 'wake', ids: [event.id], after: event.ts }]
        : effects,
    ),
    caughtBy: /is woken for nothing once at most/,
  },
  {
    name: 'a wake claims that the new transaction is already read',
    step: (state, event) =>
      step(state, event).map((one) =>
        one.kind === 'wake' ? { ...one, after: state.log.upper } : one,
      ),
    caughtBy: /would skip \d+/,
  },
  {
    name: 'rows for everybody wake nobody',
    step: told((event) =>
      event.kind === 'appended'
        ? { ...event, groups: event.groups.map((group) => ({ ...group, hasAll: false })) }
        : event,
    ),
    caughtBy: /waits at \d+, \d+ is there/,
  },
  {
    name: 'only the last part of a large transaction counts',
    step: told((event) =>
      event.kind === 'appended' ? { ...event, groups: event.groups.map(withoutOpenParts) } : event,
    ),
    caughtBy: /waits at \d+, \d+ is there/,
  },
  {
    name: 'each part of a large transaction counts as complete',
    step: told((event) =>
      event.kind === 'appended'
        ? { ...event, groups: event.groups.map((group) => ({ ...group, isComplete: true })) }
        : event,
    ),
    caughtBy: /group \d+ at \d+ is beyond/,
  },
  {
    name: 'purging ignores the leases',
    step: (state, event) => {
      if (event.kind !== 'tick') return step(state, event);
      const leases = [...state.leases];
      state.leases.clear();
      const effects = step(state, event);
      for (const [replica, lease] of leases) state.leases.set(replica, lease);
      return effects;
    },
    caughtBy: /leases from|C7/,
  },
  {
    name: 'a connected replica that is silent loses its lease',
    step: (state, event) => {
      if (event.kind === 'tick') state.connectedReplicas.clear();
      return step(state, event);
    },
    caughtBy: /leases from/,
  },
  {
    name: 'purging ignores the snapshots',
    step: (state, event) => {
      if (event.kind === 'hold') return [];
      return step(state, event);
    },
    caughtBy: /snapshot-\d holds from/,
  },
  {
    name: 'purging ignores who reads',
    step: (state, event) => {
      if (event.kind !== 'tick') return step(state, event);
      const readers = [...state.subscribers.values()].map((one) => ({ one, at: one.position }));
      for (const { one } of readers) one.position = state.log.upper;
      const effects = step(state, event);
      for (const { one, at } of readers) one.position = at;
      return effects;
    },
    caughtBy: /purge up to \d+: r\d reads/,
  },
  {
    name: 'leases of before a restart are forgotten',
    step: (state, event) => {
      if (event.kind === 'leasesLoaded') return step(state, { ...event, leases: [] });
      return step(state, event);
    },
    caughtBy: /leases from/,
  },
  {
    name: 'new leases are not stored',
    step: without('storeLeases', 'any'),
    caughtBy: /the lease of r\d is stored/,
  },
  {
    name: 'nothing is ever purged',
    step: without('purge', 'any'),
    caughtBy: /nothing is kept for nobody/,
  },
  {
    name: 'a merged group is as old as its oldest member',
    step: (state, event) => {
      if (event.kind !== 'groupsMerged') return step(state, event);
      const at = state.log.groups.find(({ seq }) => seq === event.firstSeq)?.at ?? 0;
      const effects = step(state, event);
      const merged = state.log.groups.find(({ seq }) => seq === event.seq);
      if (merged !== undefined) merged.at = at;
      return effects;
    },
    caughtBy: /group \d+ is old enough/,
  },
  {
    name: 'a merged group counts as much as its members together',
    step: (state, event) => {
      if (event.kind !== 'groupsMerged') return step(state, event);
      const members = state.log.groups.filter(
        ({ seq }) => seq >= event.firstSeq && seq <= event.seq,
      );
      const sizeBytes = members.reduce((sum, group) => sum + group.sizeBytes, 0);
      return step(state, { ...event, sizeBytes });
    },
    caughtBy: /for want of room|bytes are/,
  },
  {
    name: 'nobody is told of a merge',
    step: (state, event) => (event.kind === 'groupsMerged' ? [] : step(state, event)),
    caughtBy: /for want of room|removes something|bytes are|is old enough|C14/,
  },
  {
    name: 'a merge takes one group too many',
    step: (state, event) => {
      if (event.kind !== 'groupsMerged') return step(state, event);
      const next = state.log.groups.find(({ seq }) => seq > event.seq);
      return step(state, { ...event, seq: next?.seq ?? event.seq });
    },
    caughtBy: /C14|removes something|bytes are|is old enough|P25/,
  },
  {
    name: 'one who is too old is let in',
    step: (state, event) => {
      if (event.kind !== 'subscribe') return step(state, event);
      return step(state, { ...event, since: toLsn(Math.max(event.since, state.log.since)) });
    },
    caughtBy: /is answered acceptSubscriber, not TOO_OLD/,
  },
  {
    name: 'a position of another history is taken for one of ours',
    step: told((event) => (event.kind === 'subscribe' ? { ...event, timeline: undefined } : event)),
    caughtBy: /is answered \w+, not TIMELINE_CHANGED/,
  },
  {
    name: 'a moved slot is not noticed',
    step: (state, event) => {
      if (event.kind !== 'sourceConnected' || event.facts.slot === null) return step(state, event);
      const confirmed = toLsn(Math.min(event.facts.slot.confirmed, state.log.upper));
      const slot = { ...event.facts.slot, confirmed };
      return step(state, { ...event, facts: { ...event.facts, slot } });
    },
    caughtBy: /P1, P2/,
  },
  {
    name: 'a promotion that lost transactions is followed',
    step: told((event) =>
      event.kind === 'sourceConnected'
        ? { ...event, facts: { ...event.facts, switchedAt: event.facts.flushed } }
        : event,
    ),
    caughtBy: /P1, P2/,
  },
  {
    name: 'another cluster is taken for ours',
    step: (state, event) => {
      if (event.kind !== 'sourceConnected' || state.history.systemId === null) {
        return step(state, event);
      }
      const { systemId } = state.history;
      return step(state, { ...event, facts: { ...event.facts, systemId } });
    },
    caughtBy: /P1, P2/,
  },
  {
    name: 'redelivered transactions are taken again',
    step: says((effects) =>
      effects.map((one) =>
        one.kind === 'startStream' ? { ...one, after: later(one.after, -20) } : one,
      ),
    ),
    caughtBy: /group \d+ at \d+ is beyond|P1, P2/,
  },
  {
    name: 'the source is not paused while the log is failed',
    step: without('pauseSource', 'any'),
    caughtBy: /reading goes on only when everything is written/,
  },
  {
    name: 'a failed append is not tried again',
    step: without('retryAppend', 'any'),
    caughtBy: /everything arrives when everything is mended/,
  },
  {
    name: 'a slot that went back is not confirmed again',
    step: without('confirmSlot', 'streamStarted'),
    caughtBy: /everything arrives when everything is mended/,
  },
  {
    name: 'an idle source is not noted later',
    step: without('noteUpper', 'tick'),
    caughtBy: /everything arrives when everything is mended/,
  },
  {
    name: 'a wait is ended twice',
    step: twice('finishWait'),
    caughtBy: /wait \d+ ends once/,
  },
  {
    name: 'a wait is never ended in time',
    step: told((event) =>
      event.kind === 'wait'
        ? { ...event, deadline: Number.MAX_SAFE_INTEGER, ts: later(event.ts, 10_000) }
        : event,
    ),
    caughtBy: /everything arrives when everything is mended/,
  },
  {
    name: 'a wait ends before the log is there',
    step: told((event) => (event.kind === 'wait' ? { ...event, ts: later(event.ts, -10) } : event)),
    caughtBy: /wait \d+ is reached/,
  },
];
