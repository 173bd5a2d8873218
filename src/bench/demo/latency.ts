/**
 * From Postgres' commit to the commit in the replica's file. Both clocks are this machine's. One local
 * transaction may hold several of Postgres': all of them count as long as the oldest one waited.
 */
import type { ReplicaEventOf } from '../../client/events.ts';
import type { Period } from './faults.ts';

export type Latencies = {
  /** Transactions at replicas that no fault was holding up. */
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Over all transactions, also those that waited for a fault to end. */
  readonly longestMs: number;
};

export type Sample = { readonly committedMs: number; readonly latencyMs: number };

/** One sample per transaction that committed after `sinceMs`. */
export function samplesOf(
  applied: readonly ReplicaEventOf<'applied'>[],
  sinceMs: number,
): readonly Sample[] {
  return applied.flatMap(({ firstMicros, appliedAtMs, transactions }) => {
    const committedMs = firstMicros / 1000;
    if (committedMs < sinceMs) return [];
    const sample = { committedMs, latencyMs: Math.max(0, appliedAtMs - committedMs) };
    return Array.from({ length: transactions }, () => sample);
  });
}

export function latenciesOf(
  replicas: readonly { readonly samples: readonly Sample[]; readonly faults: readonly Period[] }[],
): Latencies {
  const all = replicas.flatMap(({ samples }) => samples);
  const calm = replicas.flatMap(({ samples, faults }) =>
    samples.filter((sample) => faults.every((period) => !overlaps(sample, period))),
  );
  const sorted = calm.map(({ latencyMs }) => latencyMs).sort((a, b) => a - b);
  return {
    count: sorted.length,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
    longestMs: all.reduce((most, { latencyMs }) => Math.max(most, latencyMs), 0),
  };
}

function overlaps({ committedMs, latencyMs }: Sample, { fromMs, toMs }: Period): boolean {
  return committedMs <= toMs && committedMs + latencyMs >= fromMs;
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
