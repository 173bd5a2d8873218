/** How long it takes from a commit in Postgres to the commit in a replica's file. */
import type { VerdictFile } from '../evidence.ts';
import type { Fault } from './facts.ts';

/** After a fault what has piled up is worked off: that is the fault's doing, too. */
const AFTERMATH_MS = 1000;
/** Upper bounds of the histogram: four to a doubling. */
const BUCKETS_PER_DOUBLING = 4;

export class Latency {
  readonly #samples: number[] = [];
  readonly #periods: readonly { readonly from: number; readonly to: number }[];

  constructor(faults: readonly Fault[]) {
    this.#periods = faults.map(({ startedAt, endedAt }) => ({
      from: startedAt,
      to: (endedAt ?? Number.POSITIVE_INFINITY) + AFTERMATH_MS,
    }));
  }

  /** Unless a fault was under way. */
  add(committedAt: number, appliedAt: number): void {
    const isDisturbed = this.#periods.some(
      ({ from, to }) => committedAt <= to && appliedAt >= from,
    );
    // Two clocks of one machine: a commit is told with microseconds, `t` may be rounded.
    if (!isDisturbed) this.#samples.push(Math.max(0, appliedAt - committedAt));
  }

  result(): VerdictFile['latency'] {
    const sorted = this.#samples.sort((a, b) => a - b);
    const at = (share: number): number => {
      const index = Math.min(sorted.length - 1, Math.floor(sorted.length * share));
      return rounded(sorted[index] ?? 0);
    };
    return {
      samples: sorted.length,
      ...{ p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) },
      histogram: histogramOf(sorted),
    };
  }
}

function histogramOf(sorted: readonly number[]): VerdictFile['latency']['histogram'] {
  const counts = new Map<number, number>();
  for (const ms of sorted) {
    const step = Math.ceil(Math.log2(Math.max(ms, 1)) * BUCKETS_PER_DOUBLING);
    counts.set(step, (counts.get(step) ?? 0) + 1);
  }
  return [...counts].map(([step, count]) => ({
    upToMs: rounded(2 ** (step / BUCKETS_PER_DOUBLING)),
    count,
  }));
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
