/**
 * Merges old small groups of the log in the background: one bounded merge at a time, and a pause after it, so
 * that neither readers nor the source wait for it.
 */
import { hasCode } from '../core/errors.ts';
import type { GroupHead } from '../log/group.ts';
import { placeOf } from '../log/heads.ts';
import { endOfRun, type MergeLimits } from '../log/merge.ts';
import type { Clock, TimerHandle } from './clock.ts';
import type { EngineCrashHook } from './crash-points.ts';
import type { LogTail } from './log-tail.ts';

const MERGE_LIMITS: MergeLimits = {
  freshGroups: 4096,
  bytesMax: 256 * 1024,
  groupsMin: 8,
  groupsMax: 256,
};
/** The pause after a merge while there are more. A merge takes a few milliseconds. */
const PAUSE_MS = 50;
/** The pause when there is nothing to merge, or the log cannot be written. */
const IDLE_MS = 1000;
/** Groups looked at in one go: those that are large enough take no more than a look. */
const LOOKS_MAX = 10_000;

export type LogMergerOptions = {
  readonly tail: LogTail;
  readonly clock: Clock;
  readonly limits?: MergeLimits | undefined;
  readonly crashPoint?: EngineCrashHook | undefined;
  /** The groups from `firstSeq` to `head` are one group, right now. */
  readonly onMerged: (firstSeq: number, head: GroupHead) => void;
};

type Run = { readonly firstSeq: number; readonly lastSeq: number };

export class LogMerger {
  readonly #options: LogMergerOptions;
  readonly #limits: MergeLimits;
  /** Groups up to this number stay as they are. */
  #settledSeq = 0;
  #timer: TimerHandle | null = null;

  constructor(options: LogMergerOptions) {
    this.#options = options;
    this.#limits = options.limits ?? MERGE_LIMITS;
  }

  start(): void {
    this.#later(PAUSE_MS);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** One merge at most. False when there is nothing to do now. */
  mergeSome(): boolean {
    const { tail, crashPoint, onMerged } = this.#options;
    const run = tail.purgeLeft() ? this.#nextRun() : null;
    if (run === null) return false;
    crashPoint?.('beforeMerge');
    try {
      const head = tail.merge(run.firstSeq, run.lastSeq);
      crashPoint?.('afterMerge');
      onMerged(run.firstSeq, head);
    } catch (error) {
      if (hasCode(error, 'LOG_WRITE_FAILED')) return false;
      if (!hasCode(error, 'LOG_CORRUPT')) throw error;
      // Whoever reads these groups is told; merging goes on behind them.
      this.#settledSeq = run.lastSeq;
    }
    return true;
  }

  #later(delayMs: number): void {
    this.#timer = this.#options.clock.after(delayMs, () => {
      this.#later(this.mergeSome() ? PAUSE_MS : IDLE_MS);
    });
  }

  /** Waits until there is enough for a full merge, so that groups are not copied again and again. */
  #nextRun(): Run | null {
    const { heads } = this.#options.tail.store;
    const { freshGroups, groupsMin, groupsMax } = this.#limits;
    let at = placeOf(heads, this.#settledSeq + 1);
    for (let looks = 0; looks < LOOKS_MAX; looks += 1) {
      const first = heads[at];
      if (first === undefined || heads.length - freshGroups - at < groupsMax) return null;
      const end = endOfRun(heads, at, this.#limits);
      const last = heads[end - 1] ?? first;
      if (end - at >= groupsMin) return { firstSeq: first.seq, lastSeq: last.seq };
      this.#settledSeq = first.seq;
      at += 1;
    }
    return null;
  }
}
