/** What the demo tells while it runs. Whoever starts it decides how it looks. */
import type { Closers } from '../closers.ts';
import type { Fault } from './faults.ts';
import type { Latencies } from './latency.ts';
import type { LoadedPlaces } from './places.ts';
import type { ReplicaCheck } from './verdict.ts';
import type { Workload } from './workload.ts';

/** What was written, by numbers. */
export type WorkloadFacts = Pick<Workload, 'transactions' | 'changes' | 'kinds' | 'durationMs'> & {
  readonly rolledBackRows: number;
};

export type ReplicaFacts = {
  readonly selector: string;
  readonly rows: number;
  /** 0: the file was there and is continued. */
  readonly copiedBytes: number;
  readonly position: string;
  readonly durationMs: number;
};

/** Something that is certain now. */
export type Fact =
  | {
      readonly kind: 'postgres';
      readonly version: string;
      readonly port: number;
      readonly durationMs: number;
    }
  | ({ readonly kind: 'places'; readonly durationMs: number } & LoadedPlaces)
  | {
      readonly kind: 'server';
      readonly url: string;
      /** True when the usual port was taken. */
      readonly isOtherPort: boolean;
      readonly durationMs: number;
    }
  | ({ readonly kind: 'replica' } & ReplicaFacts)
  | ({ readonly kind: 'workload' } & WorkloadFacts)
  | { readonly kind: 'fault'; readonly fault: Fault }
  | { readonly kind: 'quiet'; readonly position: string; readonly durationMs: number }
  | { readonly kind: 'check'; readonly check: ReplicaCheck }
  | { readonly kind: 'latency'; readonly latencies: Latencies };

export type Report = {
  /** What is being done at the moment. */
  progress(text: string): void;
  fact(fact: Fact): void;
};

/** What every step of the demo is given. */
export type Stage = {
  readonly report: Report;
  /** Aborted: stop as soon as possible, and throw. */
  readonly signal: AbortSignal;
  /** Whoever starts something adds the way to stop it. */
  readonly closers: Closers;
};
