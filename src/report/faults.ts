/** Faults that tests have injected, from the events of a run database, and whom they met. */
import type { EventRow } from '../planner/rows.ts';

export type Fault = {
  readonly name: string;
  /** The execution that injected it; null: nobody knows. */
  readonly testId: number | null;
  /** Milliseconds since 1970. */
  readonly from: number;
  /** Null: its end was not told. */
  readonly to: number | null;
  /** What was seen of it. */
  readonly effects: readonly string[];
};

type Open = { -readonly [K in keyof Fault]: Fault[K] } & { effects: string[] };

/** In order of their beginning. An end or an effect belongs to the last fault of that name which the same execution has begun. */
export function faultsOf(events: readonly EventRow[]): readonly Fault[] {
  const faults: Open[] = [];
  const open = new Map<string, Open>();
  for (const { kind, testId, at, old, new: now, cause } of events) {
    if (kind !== 'fault') continue;
    const name = now ?? old ?? '';
    const key = `${testId} ${name}`;
    const known = old === null ? undefined : open.get(key);
    const fault = known ?? { name, testId, from: at, to: null, effects: [] };
    if (known === undefined) {
      faults.push(fault);
      open.set(key, fault);
    }
    if (old !== null && cause !== '') fault.effects.push(cause);
    if (now === null) {
      fault.to = at;
      open.delete(key);
    }
  }
  return faults;
}

type Time = { readonly startedAt: number | null; readonly endedAt: number | null };

/** Those that were there while it ran. One without an end counts for the moment in which it began. */
export function faultsDuring(
  faults: readonly Fault[],
  { startedAt, endedAt }: Time,
): readonly Fault[] {
  if (startedAt === null) return [];
  return faults.filter(
    ({ from, to }) => from <= (endedAt ?? Number.MAX_VALUE) && (to ?? from) >= startedAt,
  );
}

/** `kill-server, cut-network 3 times`: each name once. */
export function faultWords(faults: readonly Fault[]): string {
  const counts = new Map<string, number>();
  for (const { name } of faults) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts]
    .map(([name, times]) => (times === 1 ? name : `${name} ${times} times`))
    .join(', ');
}
