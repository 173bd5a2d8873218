/**
 * A sender: groups of records, one transaction after the other, now and then two at once; each group ends with
 * a record that the receivers tell of. It stops when too many of these are not acknowledged.
 */
import { assert } from '../../core/assert.ts';
import type { SeededRandom } from '../random.ts';
import type { EvidenceWriter } from './evidence-writer.ts';
import { Records } from './records.ts';
import { allSelectors } from './schema.ts';
import { jobOf } from './stress-job.ts';
import {
  drawEnd,
  drawTransaction,
  type PlanContext,
  randomOf,
  type TransactionPlan,
} from './transaction-plan.ts';
import { isFull, newWindow, seen, sent, type Window } from './window.ts';
import { type OpenTransaction, Writer } from './writer.ts';

export type SenderOptions = {
  readonly url: string;
  readonly sender: number;
  readonly senders: number;
  readonly seed: number;
  readonly groupsMax: number;
  /** Who holds the selector in which this sender puts its ends. */
  readonly receivers: readonly string[];
  readonly evidence: EvidenceWriter;
  readonly signal: AbortSignal;
};

const TRANSACTIONS_PER_GROUP = { least: 2, most: 10 } as const;
/** A transaction that stays open while the sender commits others. */
const HELD_SHARE = 0.12;
const BESIDE = { least: 1, most: 3 } as const;
const WRITE_TRIES_MAX = 100;

export type SenderCounts = {
  /** Transactions, and the rows that they changed. */
  readonly committed: number;
  readonly rows: number;
  readonly rolledBack: number;
  readonly held: number;
  readonly losses: number;
  readonly unknown: number;
};

export class Sender {
  readonly name: string;
  readonly #options: SenderOptions;
  readonly #records: Records;
  readonly #selectors: readonly string[];
  readonly #main: Writer;
  readonly #second: Writer;
  /** Chance of the sender itself; each transaction has numbers of its own. */
  readonly #random: SeededRandom;
  readonly #endOf = new Map<number, number>();
  #window: Window;
  #wake: (() => void) | null = null;
  #isStopping = false;
  #isWriting = false;
  #group = 0;
  #index = 0;
  #counts = { committed: 0, rows: 0, rolledBack: 0, held: 0 };

  constructor(options: SenderOptions) {
    const { sender, senders, groupsMax, seed, url, evidence, signal } = options;
    this.name = `sender-${sender + 1}`;
    this.#options = options;
    this.#records = new Records(sender);
    this.#window = newWindow(groupsMax);
    this.#random = randomOf(seed, sender, -1);
    const writer = { url, evidence, signal, process: this.name };
    this.#selectors = allSelectors(senders);
    this.#main = new Writer(writer);
    this.#second = new Writer(writer);
    signal.addEventListener('abort', () => this.#wake?.(), { once: true });
  }

  get counts(): SenderCounts {
    const [main, second] = [this.#main, this.#second];
    const losses = main.losses + second.losses;
    return { ...this.#counts, losses, unknown: main.unknown + second.unknown };
  }

  get isWriting(): boolean {
    return this.#isWriting;
  }

  /** Groups that are not acknowledged. */
  get underWay(): number {
    return this.#window.owed.size;
  }

  /** A receiver has the record that ends the group. */
  acknowledge(group: number, receiver: string): void {
    this.#window = seen(this.#window, group, receiver);
    const id = this.#endOf.get(group);
    if (id === undefined || this.#window.owed.has(group)) return;
    this.#endOf.delete(group);
    this.#records.release(id);
    this.#wake?.();
  }

  /** Writes groups until `stop`; the last one is a final marker of its own. */
  async run(): Promise<void> {
    const { signal } = this.#options;
    this.#isWriting = true;
    try {
      while (!this.#isStopping) {
        await this.#opened();
        if (!this.#isStopping) await this.#writeGroup();
      }
      this.#group += 1;
      await this.#writeEnd();
    } finally {
      this.#isWriting = false;
      if (!signal.aborted) await Promise.all([this.#main.end(), this.#second.end()]);
    }
  }

  /** Ends after the present group. */
  stop(): void {
    this.#isStopping = true;
    this.#wake?.();
  }

  /** Waits while the window is full. */
  async #opened(): Promise<void> {
    const { signal } = this.#options;
    while (isFull(this.#window) && !this.#isStopping) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = null;
    }
    signal.throwIfAborted();
  }

  async #writeGroup(): Promise<void> {
    this.#group += 1;
    const { least, most } = TRANSACTIONS_PER_GROUP;
    const count = this.#random.between(least, most);
    for (let index = 0; index < count; index += 1) {
      if (this.#random.next() < HELD_SHARE) await this.#writeHeld();
      else await this.#write(this.#main, drawTransaction(this.#context({ isBeside: false })));
    }
    await this.#writeEnd();
  }

  /** One transaction stays open on the second connection while others commit: commit order is not start order. */
  async #writeHeld(): Promise<void> {
    const plan = drawTransaction(this.#context({ isBeside: false }));
    const open = await this.#second.open(jobOf(plan, this.#selectors));
    const beside = this.#random.between(BESIDE.least, BESIDE.most);
    for (let index = 0; index < beside; index += 1) {
      await this.#write(this.#main, drawTransaction(this.#context({ isBeside: true })));
    }
    this.#counts.held += 1;
    await this.#finish(this.#second, plan, open);
  }

  /** Until it is committed: without its end a group would never be acknowledged. */
  async #writeEnd(): Promise<void> {
    const group = this.#group;
    for (let tries = 0; tries < WRITE_TRIES_MAX; tries += 1) {
      const plan = drawEnd(this.#context({ isBeside: false }));
      const [id] = plan.draft.changed.keys();
      assert(id !== undefined, 'a group ends with a record');
      this.#endOf.set(group, id);
      // Before it commits: a receiver may be faster than the answer.
      this.#window = sent(this.#window, group, this.#options.receivers);
      const isWritten = await this.#write(this.#main, plan);
      if (isWritten && !this.#window.owed.has(group)) this.#records.release(id);
      if (isWritten) return;
    }
  }

  async #write(writer: Writer, plan: TransactionPlan): Promise<boolean> {
    const open = await writer.open(jobOf(plan, this.#selectors));
    return this.#finish(writer, plan, open);
  }

  async #finish(
    writer: Writer,
    plan: TransactionPlan,
    open: OpenTransaction | null,
  ): Promise<boolean> {
    const isCommitted = open !== null && (await writer.finish(open)) === 'committed';
    if (plan.undone !== null) this.#records.settle(plan.undone.draft, false);
    this.#records.settle(plan.draft, isCommitted);
    if (isCommitted) {
      this.#counts.committed += 1;
      this.#counts.rows += open.changes;
    } else this.#counts.rolledBack += 1;
    return isCommitted;
  }

  #context({ isBeside }: { readonly isBeside: boolean }): PlanContext {
    const { sender, senders, seed } = this.#options;
    this.#index += 1;
    return {
      ...{ sender, senders, isBeside, group: this.#group, records: this.#records },
      tx: `${this.name}/${this.#index}`,
      random: randomOf(seed, sender, this.#index),
    };
  }
}
