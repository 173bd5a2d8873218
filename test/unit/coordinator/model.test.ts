import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { story } from './model/actions.ts';
import { play } from './model/play.ts';

const TIMEOUT_MS = 60_000;

test(
  'P1, P2, P18, P20, P24, P25, P29: whatever happens, nothing is lost, doubled or kept for ever',
  () => {
    const outcome = fc.check(
      fc.property(story(300), (one) => {
        play(one);
      }),
      { numRuns: 1200 },
    );
    expect(fc.defaultReportMessage(outcome)).toBeUndefined();
  },
  TIMEOUT_MS,
);

test('a merge while a history is being replaced is known to whoever purges its groups', () => {
  const proceed = { kind: 'proceed', dies: true } as const;
  const commit = { kind: 'commit', selectors: [], hasAll: true, parts: 1 } as const;
  play({
    isWarm: false,
    actions: [
      ...[proceed, { kind: 'proceed', dies: false } as const, proceed, commit, proceed],
      { kind: 'deliver', count: 1, dies: 'afterAppend' },
      ...[{ kind: 'pass', milliseconds: 3000 } as const, commit, proceed, proceed],
      { kind: 'deliver', count: 2, dies: 'no' },
      { kind: 'fault', fault: 'dropSlot' },
      ...[{ kind: 'pass', milliseconds: 400 } as const, proceed],
      { kind: 'merge', from: 0, count: 2 },
      { kind: 'deliver', count: 1, dies: 'beforeAppend' },
    ],
  });
});

/** A case that the stories never reached is not proven by them. */
const CASES = [
  'acceptSubscriber',
  'confirmSlot after appended',
  'confirmSlot after streamStarted',
  'confirmSlot after upperNoted',
  'endSubscribers: TIMELINE_CHANGED',
  'endSubscribers: TOO_OLD',
  'finishWait: ended',
  'finishWait: reached',
  'finishWait: timeout',
  'merged',
  'noteUpper after keepalive',
  'noteUpper after tick',
  'noteUpper after wait',
  'noteWalTimeline',
  'pauseSource',
  'purge after appended',
  'purge after start',
  'purge after tick',
  'redelivered',
  'rejectSubscriber: BUSY',
  'rejectSubscriber: NOT_READY',
  'rejectSubscriber: TIMELINE_CHANGED',
  'rejectSubscriber: TOO_OLD',
  'resumeSource',
  'retryAppend',
  'startHistory: Postgres went back',
  'startHistory: Postgres’ WAL timeline changed',
  'startHistory: another database cluster',
  'startHistory: first start',
  'startHistory: the slot is gone',
  'startHistory: the slot was invalidated',
  'startHistory: the slot was moved',
  'wake after appended',
  'wake after caughtUp',
];

test(
  'P31: the stories reach every case',
  () => {
    const seen = new Set<string>();
    for (const one of fc.sample(story(300), { numRuns: 1500, seed: 1 })) {
      for (const what of play(one).seen.keys()) seen.add(what.replaceAll("'", '’'));
    }
    const missing = CASES.filter((wanted) => ![...seen].some((what) => what.startsWith(wanted)));
    expect(missing).toEqual([]);
  },
  TIMEOUT_MS,
);
