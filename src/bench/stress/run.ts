/** What every part of a stress run is given. */
import { messageOf, TidelockError } from '../../core/errors.ts';
import type { Closers } from '../closers.ts';
import type { Admin } from './admin.ts';
import type { BugName } from './bugs/catalog.ts';
import type { Cluster } from './cluster.ts';
import type { RunError } from './evidence.ts';
import type { EvidenceWriter } from './evidence-writer.ts';
import type { Launch } from './launched.ts';
import type { FaultChoice } from './plan.ts';
import type { Protocol } from './receiver-news.ts';
import type { ReceiverProcess } from './receiver-process.ts';
import type { Sender } from './sender.ts';

export type StressOptions = {
  /** The folder of the run, made here. */
  readonly dir: string;
  readonly id: string;
  readonly seed: number;
  readonly durationMs: number;
  readonly senders: number;
  readonly receivers: number;
  readonly protocol: Protocol;
  readonly faults: FaultChoice;
  /** As it was typed, for the evidence. */
  readonly faultsText: string;
  /** Somebody else's stack; null: one of our own. */
  readonly stack: { readonly postgres: string; readonly server: string } | null;
  /** Remove databases and tables afterwards; the evidence stays. */
  readonly isCleanedUp: boolean;
  readonly launch: Launch;
  /** Planted on purpose, to see it found; null in every honest run. */
  readonly bug: BugName | null;
  readonly versions: Readonly<Record<string, string>>;
};

export type Report = {
  /** What is being done at the moment. */
  progress(text: string): void;
  /** Something that is certain now. */
  line(text: string): void;
  /** What is disturbed at the moment, and what was seen of it. */
  fault?(news: FaultNews): void;
};

export type FaultNews = {
  readonly fault: string;
  readonly target: string;
  readonly state: 'start' | 'seen' | 'end';
  readonly words: string;
};

/** What every part of a run is given, whatever is written in it. */
export type Setting = {
  readonly evidence: EvidenceWriter;
  readonly report: Report;
  readonly closers: Closers;
  /** Aborted: stop as soon as possible, and throw. */
  readonly signal: AbortSignal;
};

export type Stage = Setting & { readonly options: StressOptions };

/** Everything that runs. */
export type Running = {
  readonly cluster: Cluster;
  readonly admin: Admin;
  readonly receivers: readonly ReceiverProcess[];
  readonly senders: readonly Pick<Sender, 'name' | 'counts' | 'underWay' | 'isWriting'>[];
};

export function runErrorOf(error: unknown): RunError {
  if (!(error instanceof TidelockError))
    return { code: 'INTERNAL', message: messageOf(error), hint: '' };
  return { code: error.code, message: error.message, hint: error.hint ?? '' };
}

export function replicaNames(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `receiver-${index + 1}`);
}
