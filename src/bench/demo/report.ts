/** What the demo tells while it runs. Whoever starts it decides how it looks. */
import type { Closers } from '../closers.ts';
import type { VerdictFile } from '../stress/evidence.ts';
import type { FaultOutcome } from '../stress/run-faults.ts';
import type { TransactionKind } from './atlas.ts';
import type { LoadedPlaces } from './places.ts';
import type { ReplicaCheck } from './verdict.ts';

/** What was written, by numbers. */
export type WorkloadFacts = {
  readonly transactions: number;
  readonly changes: number;
  /** Committed transactions by kind. */
  readonly kinds: Readonly<Record<TransactionKind, number>>;
  readonly durationMs: number;
  readonly rolledBackRows: number;
};

export type ReplicaFacts = {
  readonly selector: string;
  readonly rows: number;
  /** Bytes of the file; 0: it was there and is continued. */
  readonly copiedBytes: number;
  readonly position: string;
  readonly durationMs: number;
};

/** What the judge has looked at. */
export type JudgeFacts = {
  readonly passed: number;
  readonly failed: readonly string[];
  /** Local transactions and reads that were held against the model. */
  readonly checked: number;
  readonly report: string;
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
  | { readonly kind: 'fault'; readonly fault: FaultOutcome }
  | { readonly kind: 'quiet'; readonly position: string; readonly durationMs: number }
  | { readonly kind: 'check'; readonly check: ReplicaCheck }
  | ({ readonly kind: 'judge' } & JudgeFacts)
  | { readonly kind: 'latency'; readonly latency: VerdictFile['latency'] };

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
