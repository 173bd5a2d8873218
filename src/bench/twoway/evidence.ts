/** What a two-way run leaves behind, besides the histories and logs of its databases. */
import type { RunError, Verdict } from '../stress/evidence.ts';
import type { RunTable } from './table.ts';

/** Folder and file names inside the run's folder. */
export const FILES = {
  run: 'run.json',
  verdict: 'verdict.json',
  report: 'report.html',
  steps: 'step.jsonl',
  troubles: 'trouble.jsonl',
  final: 'final.json',
  leaks: 'leak.json',
} as const;

/** What a database did in a step. */
export type StepEvent = {
  readonly t: number;
  readonly database: number;
  readonly iteration: number;
  readonly step: number;
  readonly name: string;
  readonly ms: number;
  readonly count: number;
  readonly isSkipped: boolean;
};

export type Side = 'client' | 'server';
export const CATEGORIES = [
  ...['lock', 'auth', 'network', 'protocol', 'http-5xx', 'rejection', 'digest', 'crash', 'other'],
] as const;
export type Category = (typeof CATEGORIES)[number];

/** Something that went wrong; expected when a fault of the run explains it. */
export type TroubleEvent = {
  readonly t: number;
  /** 0: of the server. */
  readonly database: number;
  readonly iteration: number;
  readonly side: Side;
  readonly category: Category;
  readonly code: string;
  readonly message: string;
  readonly isExpected: boolean;
};

/** A database against Postgres as its user sees it, after all is quiet. */
export type Comparison = {
  readonly database: number;
  readonly rows: number;
  /** Of Postgres and of the file, by the bench's own digest. */
  readonly digests: readonly [string, string];
  /** The first of them, in words. */
  readonly differences: readonly string[];
};

export type Leak = {
  readonly identity: string;
  /** Captured, and in the identity's files. */
  readonly bytes: number;
  /** Canaries of its own that were found: the search works. */
  readonly own: number;
  /** Where something of somebody else was found. */
  readonly foreign: readonly string[];
};

export type FaultSeen = {
  readonly fault: string;
  readonly target: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly effects: readonly string[];
};

export type TwowayRun = {
  readonly format: 1;
  readonly id: string;
  readonly seed: number;
  readonly startedAt: string;
  readonly options: Readonly<Record<string, string | number | boolean>>;
  readonly versions: Readonly<Record<string, string>>;
  readonly table: RunTable | null;
  readonly databases: number;
  readonly iterations: number;
  readonly rows: number;
  readonly bug: string | null;
  readonly faults: readonly FaultSeen[];
  readonly end: {
    /** `stuck`: too late. */
    readonly how: 'quiet' | 'failed' | 'stuck' | 'interrupted';
    readonly reason: string | null;
    /** Of `stuck` and `failed`; runs of earlier programs have none. */
    readonly error?: RunError | null;
    readonly durationMs: number;
    /** From the last step of the last worker to equality. */
    readonly settleMs: number | null;
    /** Databases that took all their steps. */
    readonly finished: readonly number[];
  };
};

export type Totals = {
  readonly databases: number;
  readonly rows: number;
  readonly iterations: number;
  readonly crudOperations: number;
  readonly syncOperations: number;
  readonly durationMs: number;
  readonly errors: number;
  readonly unexpectedErrors: number;
  readonly errorTypes: readonly string[];
};

export type DatabaseSummary = {
  readonly database: number;
  readonly user: string | null;
  readonly steps: number;
  readonly crudRows: number;
  readonly sent: number;
  readonly received: number;
  readonly errors: number;
  readonly lives: number;
  readonly isEqual: boolean | null;
};

export type ErrorGroup = {
  readonly side: Side;
  readonly category: Category;
  readonly code: string;
  readonly count: number;
  readonly unexpected: number;
  readonly samples: readonly string[];
};

export type TwowayVerdict = {
  readonly verdict: 'PASS' | 'FAIL';
  readonly properties: readonly Verdict[];
  readonly totals: Totals;
  readonly perDatabase: readonly DatabaseSummary[];
  readonly errorGroups: readonly ErrorGroup[];
  /** Errors of each iteration, from the first. */
  readonly errorsByIteration: readonly number[];
  readonly mostAffected: readonly { readonly database: number; readonly errors: number }[];
  readonly faults: readonly {
    readonly fault: string;
    readonly times: number;
    readonly seen: number;
  }[];
  readonly settleMs: number | null;
};
