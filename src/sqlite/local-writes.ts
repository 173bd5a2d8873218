/** The port of local writes (client/store.ts) over one replica file. Each change is one SQLite transaction. */
import { assert } from '../core/assert.ts';
import type { UploadValue } from '../core/upload.ts';
import type { LocalCounts, LocalRejection, LocalUpload, Refusal } from './local-pending.ts';
import type { BasePlace, LocalStore } from './local-store.ts';

export type LocalAnswer = BasePlace & {
  readonly accepted: number;
  readonly rejected: readonly (Refusal & {
    readonly number: number;
    readonly table?: string | undefined;
    readonly key?: readonly UploadValue[] | undefined;
  })[];
};

/** The store's transaction around a change of local writes. */
export type LocalContext = {
  readonly local: LocalStore;
  /** All of `work` or nothing; what programs wrote is sealed before it. */
  readonly change: <T>(work: () => T) => T;
  /** Tells failures of SQLite in our own codes. */
  readonly guard: <T>(work: () => T) => T;
  /** The store has an open transaction. */
  readonly isBlocked: () => boolean;
};

export class LocalWrites {
  readonly #context: LocalContext;

  constructor(context: LocalContext) {
    this.#context = context;
  }

  get isBlocked(): boolean {
    return this.#context.isBlocked();
  }

  get site(): string {
    return this.#read((pending) => pending.head().site);
  }

  get user(): string | null {
    return this.#read((pending) => pending.user());
  }

  claim(user: string): void {
    if (this.user === user) return;
    this.#change(() => {
      const owner = this.#pending.user();
      if (owner !== null && this.#pending.counts().pending > 0) return;
      if (owner !== null) this.#context.local.renew();
      this.#pending.setUser(user);
    });
  }

  get last(): number {
    return this.#read((pending) => pending.head().last);
  }

  get settled(): number {
    return this.#read((pending) => pending.head().settled);
  }

  get included(): number {
    return this.#read((pending) => pending.included(pending.head().last));
  }

  get counts(): LocalCounts {
    return this.#read((pending) => pending.counts());
  }

  seal(): boolean {
    if (!this.#context.guard(() => this.#context.local.hasLog)) return false;
    this.#change(() => {});
    return true;
  }

  cautions(): readonly string[] {
    return this.#context.guard(() => this.#context.local.cautions());
  }

  nextUpload(after: number, bytesMax: number): LocalUpload | null {
    return this.#read((pending) => pending.nextUpload(after, bytesMax));
  }

  settle(answer: LocalAnswer): readonly LocalRejection[] {
    return this.#change(() => {
      const before = this.#pending.lastRejection();
      for (const { number, code, message } of answer.rejected) {
        if (number <= answer.accepted) this.#context.local.refuse(number, { code, message });
      }
      this.#context.local.accept(answer.accepted, answer);
      return this.#pending.rejections(before);
    });
  }

  park(number: number, reason: Refusal): void {
    this.#change(() => {
      this.#context.local.refuse(number, reason);
    });
  }

  rejections(): readonly LocalRejection[] {
    return this.#read((pending) => pending.rejections(0));
  }

  forgetRejections(upTo: number): void {
    this.#change(() => this.#pending.forgetRejections(upTo));
  }

  renewSite(): void {
    this.#change(() => this.#context.local.renew());
  }

  get #pending(): LocalStore['pending'] {
    return this.#context.local.pending;
  }

  #read<T>(work: (pending: LocalStore['pending']) => T): T {
    return this.#context.guard(() => work(this.#pending));
  }

  #change<T>(work: () => T): T {
    assert(!this.isBlocked, 'local writes change between the transactions of the store');
    return this.#context.change(work);
  }
}
