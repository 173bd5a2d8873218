/**
 * At which time a read is done. A pure choice from five numbers, so that it can be tested as a table without any
 * engine: what the oracle has told others, what may be read (`since`) and what is final (`upper`).
 *
 * A time at or after `upper` is allowed: its peek waits until the worker is there.
 */
import type { Frontier, Time } from './worker.ts';

/** Which times a plain read may be given. */
export type Isolation = 'strict' | 'session' | 'serializable';

/** What a read asks for. */
export type When =
  | { readonly kind: 'immediately' }
  /** Sees every write that was answered; what a read-then-write needs at any isolation. */
  | { readonly kind: 'freshestWrite' }
  | { readonly kind: 'at'; readonly time: Time }
  | { readonly kind: 'atLeast'; readonly time: Time };

export type ReadInput = {
  readonly when: When;
  readonly isolation: Isolation;
  /** The latest time of the timeline that anybody was given. */
  readonly oracle: Time;
  /** The latest time that this session was given. */
  readonly sessionTime: Time;
  /** The lowest of the uppers of what is read; null when all of it is complete. */
  readonly upper: Frontier;
  /** The highest of the sinces of what is read. */
  readonly since: Time;
  readonly now: number;
  /** The timeline counts milliseconds of the wall clock. */
  readonly isClocked: boolean;
  readonly readsTables: boolean;
};

/** `isTold`: the oracle is told of it, so that nobody is given an earlier one afterwards. */
export type ReadTime =
  | { readonly kind: 'at'; readonly time: Time; readonly isTold: boolean }
  | { readonly kind: 'tooOld' | 'incomplete' };

/**
 * The isolation levels. `strict`: not before anything that anybody was told. `session`: not before anything that
 * this session was told, and without a wait where it can be. `serializable`: the freshest that needs no wait.
 */
export function determine(input: ReadInput): ReadTime {
  const { when, since } = input;
  if (when.kind === 'at') {
    if (when.time < since) return { kind: 'tooOld' };
    return { kind: 'at', time: when.time, isTold: false };
  }
  return { kind: 'at', time: Math.max(candidate(input), since), isTold: true };
}

function candidate({ when, isolation, oracle, sessionTime, upper }: ReadInput): Time {
  if (when.kind === 'atLeast') return when.time;
  if (when.kind === 'freshestWrite' || isolation === 'strict') return oracle;
  // What is complete stays as it is, so the oracle's time is as fresh as any later one.
  const last = upper === null ? oracle : Math.max(0, upper - 1);
  return isolation === 'session' ? Math.max(sessionTime, Math.min(oracle, last)) : last;
}
