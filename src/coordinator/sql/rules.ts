/**
 * The rules that differ between generations of coordinators, one small function each. Each guards against a
 * failure that once happened: the scripts in testdata/coordtest/ fail when their rule is replaced.
 */
import { determine, type ReadInput, type ReadTime } from './determine.ts';
import { type Frontier, TIME_END, type Time } from './worker.ts';

export type Rules = {
  readonly readTime: (input: ReadInput) => ReadTime;
  /** The oracle after a read at `time` that it is told of. */
  readonly afterRead: (oracle: Time, time: Time) => Time;
  /** A time of the timeline was seen to be final in some source. */
  readonly afterUpper: (oracle: Time, upper: Time) => Time;
  /** The time of a write or of a change of the catalog. */
  readonly writeTime: (oracle: Time, now: number) => Time;
  /** From when on a sink or subscription tells changes. */
  readonly startTime: (upper: Frontier, since: Time) => Time;
  /** What must stay readable, from everything that holds it. */
  readonly sinceOf: (holds: Iterable<Time>) => Time;
  /** Reads that are told of are not before what anybody was told. */
  readonly promisesOrder: boolean;
  readonly mayCancel: (secret: number, given: number) => boolean;
  /** Whether a commit looks if writes are refused. */
  readonly checksCommits: boolean;
};

/** Linearizable, and without a wall clock in any read. */
export const OUR_RULES: Rules = {
  readTime: determine,
  afterRead: (oracle, time) => Math.max(oracle, time),
  afterUpper: (oracle, upper) => Math.max(oracle, upper - 1),
  // Strictly after every read and write that anybody was told of.
  writeTime: (oracle, now) => Math.max(oracle + 1, now),
  // `since` may be ahead of `upper`: an index that nothing was heard of begins where its inputs still are.
  startTime: (upper, since) => Math.max(upper === null ? 0 : upper - 1, since, 0),
  sinceOf: (holds) => {
    let since = TIME_END;
    for (const hold of holds) since = Math.min(since, hold);
    return since;
  },
  mayCancel: (secret, given) => secret === given,
  promisesOrder: true,
  checksCommits: true,
};

/** Materialize in 2021: tables are read by the clock, sources as far as they are known, whatever was told before. */
export const GENERATION_A: Rules = {
  ...OUR_RULES,
  readTime: (input) => (input.when.kind === 'at' ? determine(input) : readTimeA(input)),
  promisesOrder: false,
  afterUpper: (oracle) => oracle,
};

/** Materialize in early 2022: one oracle per timeline, held back by the clock. */
export const GENERATION_B: Rules = {
  ...OUR_RULES,
  readTime: (input) => (input.when.kind === 'at' ? determine(input) : readTimeB(input)),
  promisesOrder: false,
  afterUpper: (oracle) => oracle,
};

function readTimeA({ readsTables, now, oracle, upper, since }: ReadInput): ReadTime {
  if (readsTables) return { kind: 'at', time: Math.max(now, oracle, since), isTold: true };
  if (upper === 0) return { kind: 'incomplete' };
  return { kind: 'at', time: Math.max(lastOf(upper), since), isTold: false };
}

function readTimeB({ isClocked, now, oracle, upper, since }: ReadInput): ReadTime {
  const candidate = Math.max(oracle, lastOf(upper));
  // Without the cap a complete source would push the oracle to the end of time, and nothing could be read again.
  const capped = isClocked ? Math.min(candidate, now) : candidate;
  const time = Math.max(capped, since);
  return time === 0 ? { kind: 'incomplete' } : { kind: 'at', time, isTold: true };
}

function lastOf(upper: Frontier): Time {
  return upper === null ? TIME_END : Math.max(0, upper - 1);
}
