/** What goes between main and the process of a database. */
import type { TwowayBugName } from './bugs/catalog.ts';
import type { Workload } from './options.ts';
import type { Step } from './steps.ts';
import type { RunTable } from './table.ts';

export type WorkerSettings = {
  /** From 1. */
  readonly database: number;
  readonly databases: number;
  /** From 1; null: rows have no owners. */
  readonly user: number | null;
  readonly server: string;
  readonly token: string | null;
  readonly file: string;
  readonly history: string;
  readonly table: RunTable;
  readonly rows: number;
  readonly iterations: number;
  readonly workload: Workload;
  readonly seed: number;
  readonly nonce: string;
  readonly life: number;
  /** The step with which it goes on. */
  readonly from: number;
  readonly startedAtMs: number;
  /** Null: as everybody's. A dead connection is noticed after a few of them. */
  readonly heartbeatS: number | null;
  readonly bug: TwowayBugName | null;
};

export type WorkerNews =
  /** Its file can be read. */
  | { readonly kind: 'ready'; readonly ms: number }
  /** It waits for leave. */
  | { readonly kind: 'step'; readonly step: Step }
  | {
      readonly kind: 'done';
      readonly step: Step;
      readonly ms: number;
      /** Rows that were written; row changes that were sent or received. */
      readonly count: number;
      readonly isSkipped: boolean;
    }
  | {
      readonly kind: 'trouble';
      readonly t: number;
      readonly iteration: number;
      readonly code: string;
      readonly message: string;
      /** Of a call, or told of by the replica in the background. */
      readonly isCall: boolean;
    }
  | { readonly kind: 'finished' }
  | { readonly kind: 'level'; readonly position: string; readonly pending: number };

export type WorkerOrder =
  | { readonly kind: 'go'; readonly isOffline: boolean }
  /** Send and fetch until nothing is left, and tell. */
  | { readonly kind: 'level' }
  | { readonly kind: 'end' };
