/** What the coordinator's tests share: short makers of events, and a driver that keeps the effects. */
import { step } from '../../../src/coordinator/coordinator.ts';
import { checkInvariants } from '../../../src/coordinator/invariants.ts';
import {
  type CoordinatorState,
  createCoordinator,
  type LogAtOpen,
} from '../../../src/coordinator/state.ts';
import type {
  AppendedGroup,
  CoordinatorEffect,
  CoordinatorEvent,
  Policy,
  SourceFacts,
} from '../../../src/coordinator/types.ts';
import { type Lsn, toLsn } from '../../../src/core/lsn.ts';

const POLICY: Policy = {
  keepS: 10,
  logBytesMax: 10_000,
  leaseS: 60,
  reconnectMsMin: 100,
  reconnectMsMax: 5000,
  appendRetryMs: 500,
  subscribersMax: 8,
};

export const TIMELINE = 'sys-1';

/** A log that has one history, from position 100 on, empty. */
export const FRESH_LOG: LogAtOpen = {
  timeline: TIMELINE,
  systemId: 'sys',
  walTimeline: 1,
  generation: 1,
  upper: toLsn(100),
  since: toLsn(100),
  groups: [],
};

export const NO_LOG: LogAtOpen = {
  timeline: null,
  systemId: null,
  walTimeline: 0,
  generation: 0,
  upper: toLsn(0),
  since: toLsn(0),
  groups: [],
};

export function lsn(value: number): Lsn {
  return toLsn(value);
}

export function facts(changes: Partial<SourceFacts> = {}): SourceFacts {
  return {
    systemId: 'sys',
    walTimeline: 1,
    switchedAt: undefined,
    flushed: lsn(1000),
    slot: { confirmed: lsn(100), isLost: false, activePid: null },
    ...changes,
  };
}

export function group(
  ts: number,
  selectors: readonly string[],
  changes: Partial<AppendedGroup> = {},
): AppendedGroup {
  const plain = { seq: ts, lastTs: lsn(ts), sizeBytes: 100, hasAll: false, isComplete: true };
  return { ...plain, selectors, ...changes };
}

/** An event without its time, which the driver adds. */
export type TimelessEvent = CoordinatorEvent extends infer E
  ? E extends unknown
    ? Omit<E, 'now'>
    : never
  : never;

/** Steps a coordinator, checks every invariant after every step, keeps all effects. */
export class Driver {
  readonly state: CoordinatorState;
  readonly all: CoordinatorEffect[] = [];
  now = 0;

  constructor(log: LogAtOpen = FRESH_LOG, policy: Partial<Policy> = {}) {
    this.state = createCoordinator({ policy: { ...POLICY, ...policy }, log });
  }

  /** The effects of one event at the present time. */
  step(event: TimelessEvent): readonly CoordinatorEffect[] {
    const effects = step(this.state, { ...event, now: this.now } as CoordinatorEvent);
    checkInvariants(this.state);
    this.all.push(...effects);
    return effects;
  }

  /** As `step`, without timers and the storing of leases: what most tests look at. */
  effects(event: TimelessEvent): readonly CoordinatorEffect[] {
    return this.step(event).filter(({ kind }) => kind !== 'setTimer' && kind !== 'storeLeases');
  }

  /** Moves the clock and reports the timer, as the engine would. */
  tickAt(now: number): readonly CoordinatorEffect[] {
    this.now = now;
    return this.effects({ kind: 'tick' });
  }

  appended(...groups: readonly AppendedGroup[]): readonly CoordinatorEffect[] {
    return this.effects({ kind: 'appended', groups });
  }

  subscribe(
    id: number,
    selectors: readonly string[],
    since: number,
    replica?: string,
  ): readonly CoordinatorEffect[] {
    return this.effects({
      kind: 'subscribe',
      id,
      selectors,
      since: lsn(since),
      timeline: TIMELINE,
      replica,
    });
  }

  caughtUp(id: number, ts: number): readonly CoordinatorEffect[] {
    return this.effects({ kind: 'caughtUp', id, ts: lsn(ts) });
  }

  lease(replica: string, ts: number): readonly CoordinatorEffect[] {
    return this.effects({ kind: 'lease', replica, ts: lsn(ts) });
  }
}

/** A driver whose stream runs. */
export function streaming(log: LogAtOpen = FRESH_LOG, policy: Partial<Policy> = {}): Driver {
  const driver = new Driver(log, policy);
  driver.step({ kind: 'start' });
  driver.step({ kind: 'sourceConnected', facts: facts() });
  driver.step({ kind: 'streamStarted' });
  return driver;
}

export function kinds(effects: readonly CoordinatorEffect[]): readonly string[] {
  return effects.map(({ kind }) => kind);
}
