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
