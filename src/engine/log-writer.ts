/** Performs the ingest's log tasks in order; after a failure it keeps what is left for the next try. */

import type { AppendedGroup } from '../coordinator/types.ts';
import { hasCode, messageOf } from '../core/errors.ts';
import type { TableDef } from '../core/table.ts';
import type { GroupHead, NewGroup } from '../log/group.ts';
import type { EngineCrashHook } from './crash-points.ts';
import { type LogTask, writeCommit } from './ingest.ts';
import type { LogTail } from './log-tail.ts';

export type WriteOutcome = {
  readonly appended: readonly AppendedGroup[];
  /** Why writing stopped; null when everything is durable. */
  readonly failure: string | null;
  /** Something is to be told: groups, or that everything is written again although nothing was appended. */
  readonly isNews: boolean;
};

/** An append of so much is more than small transactions. */
const FLOOD_BYTES = 64 * 1024;

export class LogWriter {
  readonly #tail: LogTail;
  readonly #crashPoint: EngineCrashHook;
  #tasks: LogTask[] = [];
  #transactions = 0;
  #lastCommitMicros = 0;
  #appendedBytes = 0;
  /** The last try failed. */
  #isFailing = false;

  constructor(tail: LogTail, crashPoint: EngineCrashHook = () => undefined) {
    this.#tail = tail;
    this.#crashPoint = crashPoint;
  }

  /** Transactions written so far. */
  get transactions(): number {
    return this.#transactions;
  }

  /** Commit time of the newest transaction that was added, microseconds since 1970; 0 before the first. */
  get lastCommitMicros(): number {
    return this.#lastCommitMicros;
  }

  /** True when the last append was a large one. */
  get isFlooded(): boolean {
    return this.#appendedBytes >= FLOOD_BYTES;
  }

  add(tasks: readonly LogTask[]): void {
    this.#tasks.push(...tasks);
    this.#lastCommitMicros = lastCommitMicros(tasks) ?? this.#lastCommitMicros;
  }

  /** Forgets what was not written; returns the transactions that have pieces in the staging area. */
  clear(): readonly number[] {
    const staged = this.#tasks.flatMap((task) => {
      if (task.kind === 'discard') return [task.xid];
      return task.kind === 'seal' ? [task.transaction.xid] : [];
    });
    this.#tasks = [];
    this.#isFailing = false;
    return staged;
  }

  /** Writes as much as possible: neighbouring groups as one append with one fsync. */
  write(): WriteOutcome {
    const appended: AppendedGroup[] = [];
    if (this.#tasks.length > 0) this.#appendedBytes = 0;
    try {
      while (this.#tasks.length > 0) {
        const run = this.#nextRun();
        for (const head of this.#perform(run)) {
          appended.push(toAppended(head));
          this.#appendedBytes += head.sizeBytes;
          this.#transactions += head.txCount;
        }
        this.#tasks.splice(0, run.length);
      }
    } catch (error) {
      if (!hasCode(error, 'LOG_WRITE_FAILED')) throw error;
      this.#isFailing = true;
      return { appended, failure: messageOf(error), isNews: appended.length > 0 };
    }
    const isNews = appended.length > 0 || this.#isFailing;
    this.#isFailing = false;
    return { appended, failure: null, isNews };
  }

  #nextRun(): readonly LogTask[] {
    if (this.#tasks[0]?.kind !== 'append') return this.#tasks.slice(0, 1);
    const end = this.#tasks.findIndex((task) => task.kind !== 'append');
    return end < 0 ? this.#tasks : this.#tasks.slice(0, end);
  }

  #perform(run: readonly LogTask[]): readonly GroupHead[] {
    const [first] = run;
    if (first === undefined) return [];
    if (first.kind === 'discard') {
      this.#crashPoint('beforeDiscard');
      this.#tail.store.discard(first.xid);
      this.#crashPoint('afterDiscard');
      return [];
    }
    if (first.kind === 'seal') {
      const { transaction, commit, txid, tables } = first;
      this.#crashPoint('beforeSeal');
      const heads = transaction.seal(this.#tail.store, { commit, txid, tables, writeCommit });
      this.#crashPoint('afterSeal');
      this.#tail.added(heads, []);
      return heads;
    }
    const groups: NewGroup[] = [];
    let tables: readonly TableDef[] | undefined;
    for (const task of run) {
      if (task.kind !== 'append') continue;
      groups.push(task.group);
      tables = task.tables ?? tables;
    }
    const { store } = this.#tail;
    this.#crashPoint('beforeAppend');
    const heads = tables === undefined ? store.append(groups) : store.append(groups, tables);
    this.#crashPoint('afterAppend');
    this.#tail.added(heads, groups);
    return heads;
  }
}

/**
 * What a group costs besides its bytes, as retention counts it: its head, the coordinator's record and its
 * place in the index stay in memory, measured at 485 bytes.
 */
const GROUP_PRICE_BYTES = 512;
/** Another selector of a group: its place in the head's list and in the index. */
const SELECTOR_PRICE_BYTES = 16;

/** The size of a group as retention counts it. */
export function priceOf(head: Omit<GroupHead, 'seq'>): number {
  return head.sizeBytes + GROUP_PRICE_BYTES + head.selectors.length * SELECTOR_PRICE_BYTES;
}

/** A group that is in the log already, as the coordinator knows it. */
export function recordOf(head: GroupHead): Pick<AppendedGroup, 'seq' | 'lastTs' | 'sizeBytes'> {
  return { seq: head.seq, lastTs: head.lastTs, sizeBytes: priceOf(head) };
}

function toAppended(head: GroupHead): AppendedGroup {
  return {
    seq: head.seq,
    lastTs: head.lastTs,
    sizeBytes: priceOf(head),
    selectors: head.selectors,
    hasAll: head.hasAll,
    isComplete: head.part !== 'open',
  };
}

/** Commit time of the newest transaction among the tasks. */
function lastCommitMicros(tasks: readonly LogTask[]): number | null {
  for (const task of [...tasks].reverse()) {
    if (task.kind === 'append') return task.group.content.transactions.at(-1) ?? null;
    if (task.kind === 'seal') return task.commit.timeMicros;
  }
  return null;
}
