/**
 * Everything that happens in a run and is not decided by the product: who there is, what is written, what breaks
 * and when. A plan is data: it is drawn from a seed, cut down when it fails, and written as a script.
 */
import type { EngineCrashPoint } from '../engine/crash-points.ts';

/** Changes of the layout of the items' table: all but the first concern its last column. */
export const ALTERATIONS = ['add', 'add-filled', 'drop', 'rename', 'retype'] as const;

export type AlterationName = (typeof ALTERATIONS)[number];

/** One write of a transaction. What cannot be done (a row that is not there) does nothing. */
export type Change =
  | {
      readonly kind: 'put';
      readonly id: number;
      readonly selector: string | null;
      readonly value: string;
    }
  | { readonly kind: 'delete'; readonly id: number }
  | {
      readonly kind: 'transfer';
      readonly from: number;
      readonly to: number;
      readonly amount: number;
    }
  | { readonly kind: 'move'; readonly account: number; readonly selector: string }
  | { readonly kind: 'truncate' }
  /** `column`: the name of what is added or renamed. */
  | { readonly kind: 'alter'; readonly how: AlterationName; readonly column: string }
  /** A new account; only the first transaction of a run has these. */
  | {
      readonly kind: 'open';
      readonly account: number;
      readonly balance: number;
      readonly selector: string;
    };

export type TransactionAction = {
  readonly kind: 'transaction';
  readonly at: number;
  readonly name: string;
  /** From its first write (when it gets its id) to its end. */
  readonly openMs: number;
  /** From its commit record to the moment when others see it. */
  readonly visibleMs: number;
  readonly isRolledBack: boolean;
  readonly changes: readonly Change[];
  /** More than 0: so large that it arrives in as many pieces while it is still open. */
  readonly pieces: number;
  /** Of a large one, the piece that a savepoint takes back. */
  readonly lostPiece: number | null;
};

/** Faults that have a duration mend by themselves. */
export const FAULTS = [
  'kill-server',
  'lose-server',
  'crash-server',
  'fill-log',
  'jump-clock',
  'kill-receiver',
  'lose-receiver',
  'crash-receiver',
  'fill-receiver',
  'forget-receiver',
  'partition',
  'stall-reader',
  'cut-connection',
  'kill-postgres',
  'checkpoint',
  'cut-walsender',
  'drop-slot',
  'lose-slot',
  'write-other',
  'move-slot',
  'promote',
  'promote-behind',
  'restore',
  'other-cluster',
] as const;

export type FaultName = (typeof FAULTS)[number];

export type FaultAction = {
  readonly kind: 'fault';
  readonly at: number;
  readonly fault: FaultName;
  /** The replica that it happens to, or null. */
  readonly target: string | null;
  /**
   * How long; 0 where it takes no time. For `jump-clock` how far, for `write-other` how many bytes, and how far behind
   * it is that takes Postgres' place (`promote-behind`, `restore`, `other-cluster`).
   */
  readonly ms: number;
  /** Of `crash-server` and `crash-receiver`: the place in the program. */
  readonly point?: EngineCrashPoint | string | undefined;
};

export type Action = TransactionAction | FaultAction;

/** What every message may meet; shares of 1. */
export type NetworkOptions = {
  readonly delayMsMin: number;
  readonly delayMsMax: number;
  /** A request or an answer that breaks. */
  readonly breaks: number;
  /** A report that arrives twice, the second time late. */
  readonly repeats: number;
  /** A chunk that arrives in pieces. */
  readonly splits: number;
  /** What a connection holds before its writer has to wait. */
  readonly windowBytes: number;
};

export type StreamOptions = {
  readonly delayMsMax: number;
  /** Messages of the stream in one read. */
  readonly messagesMax: number;
  /** A connection that sends again what the log has. */
  readonly resends: number;
};

export type ServerOptions = {
  readonly groupBytesMax: number;
  readonly partBytesMax: number;
  readonly tailBytesMax: number;
  readonly logBytesMax: number;
  readonly keepS: number;
  readonly leaseS: number;
  readonly freshGroups: number;
  readonly digestEveryMs: number;
};

export type ReplicaOptions = {
  readonly name: string;
  readonly selectors: readonly string[];
  /** When its process first starts. */
  readonly startMs: number;
  /** A transaction above this is streamed into the store. */
  readonly openBytesMax: number;
  /** Commits from one sync of its disk to the next. */
  readonly syncEvery: number;
};

export type Plan = {
  readonly seed: number;
  readonly network: NetworkOptions;
  readonly stream: StreamOptions;
  readonly server: ServerOptions;
  readonly replicas: readonly ReplicaOptions[];
  /** Faults happen before this; afterwards everything must come to rest. */
  readonly safetyMs: number;
  /** In order of time. */
  readonly actions: readonly Action[];
};

/** Selectors that somebody may hold, and one that nobody does: rows leave through it and come back. */
export const SELECTORS = ['A', 'B', 'C'] as const;
export const ELSEWHERE = 'X';
/** Accounts 1, 2, ... are of the selectors in turn. */
export const ACCOUNTS_PER_SELECTOR = 2;
