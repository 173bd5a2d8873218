/**
 * How many appends a second the coordinator decides, with many subscribers and leases, against the same with
 * one of each: what an append costs must not depend on those whom it does not concern.
 *
 *   node bench/perf/coordinator.ts [--appends 200000] [--rounds 5]
 */
import { parseArgs } from 'node:util';
import { step } from '../../src/coordinator/coordinator.ts';
import { type CoordinatorState, createCoordinator } from '../../src/coordinator/state.ts';
import { toLsn } from '../../src/core/lsn.ts';
import { spread } from './numbers.ts';

const { values } = parseArgs({
  options: {
    appends: { type: 'string', default: '200000' },
    rounds: { type: 'string', default: '5' },
  },
});
const APPENDS = Number(values.appends);
const ROUNDS = Number(values.rounds);
const SELECTORS = 1000;

type Load = { readonly subscribers: number; readonly leases: number; readonly isWaking: boolean };

function streaming(load: Load): CoordinatorState {
  const state = createCoordinator({
    policy: {
      keepS: 3600,
      logBytesMax: 1e12,
      leaseS: 600,
      reconnectMsMin: 100,
      reconnectMsMax: 5000,
      appendRetryMs: 500,
      subscribersMax: 100_000,
    },
    log: {
      timeline: 'sys-1',
      systemId: 'sys',
      walTimeline: 1,
      generation: 1,
      upper: toLsn(100),
      since: toLsn(100),
      groups: [],
    },
  });
  const slot = { confirmed: toLsn(100), isLost: false, activePid: null };
  const facts = {
    systemId: 'sys',
    walTimeline: 1,
    switchedAt: undefined,
    flushed: toLsn(100),
    slot,
  };
  step(state, { kind: 'start', now: 0 });
  step(state, { kind: 'sourceConnected', now: 0, facts });
  step(state, { kind: 'streamStarted', now: 0 });
  subscribeAll(state, load);
  return state;
}

function subscribeAll(state: CoordinatorState, load: Load): void {
  const since = toLsn(100);
  for (let replica = 0; replica < load.leases; replica += 1) {
    step(state, { kind: 'lease', now: 0, replica: `replica-${replica}`, ts: since });
  }
  for (let id = 0; id < load.subscribers; id += 1) {
    const selectors = [`tenant-${id % SELECTORS}`];
    const request = { id, selectors, since, timeline: 'sys-1', replica: undefined };
    step(state, { kind: 'subscribe', now: 0, ...request });
    step(state, { kind: 'caughtUp', id, ts: since });
  }
}

/** Appends a second. Woken subscribers report at once that they have caught up. */
function run(load: Load): number {
  const state = streaming(load);
  const begin = performance.now();
  for (let at = 1; at <= APPENDS; at += 1) {
    const ts = toLsn(100 + at * 100);
    const selectors = [load.isWaking ? `tenant-${at % SELECTORS}` : 'nobody'];
    const group = {
      seq: at,
      lastTs: ts,
      sizeBytes: 1000,
      selectors,
      hasAll: false,
      isComplete: true,
    };
    for (const effect of step(state, { kind: 'appended', now: at / 100, groups: [group] })) {
      if (effect.kind !== 'wake') continue;
      for (const id of effect.ids) step(state, { kind: 'caughtUp', id, ts });
    }
  }
  return (APPENDS * 1000) / (performance.now() - begin);
}

const LOADS: Readonly<Record<string, Load>> = {
  'one subscriber, one lease, nobody woken': { subscribers: 1, leases: 1, isWaking: false },
  '1,000 subscribers, 10,000 leases, nobody woken': {
    subscribers: 1000,
    leases: 10_000,
    isWaking: false,
  },
  '1,000 subscribers, 10,000 leases, one woken': {
    subscribers: 1000,
    leases: 10_000,
    isWaking: true,
  },
};

const rates = new Map(Object.keys(LOADS).map((name) => [name, [] as number[]]));
for (let round = 0; round <= ROUNDS; round += 1) {
  for (const [name, load] of Object.entries(LOADS)) {
    const rate = run(load);
    // The first round warms the compiler up.
    if (round > 0) rates.get(name)?.push(rate);
  }
}
for (const [name, all] of rates) {
  console.log(`${name}: ${spread(all.map((rate) => rate / 1e6))} million appends/s`);
}
