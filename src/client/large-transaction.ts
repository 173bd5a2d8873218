/**
 * A transaction that is too large for memory, on its way into the store. Streamed into an open storage transaction
 * while it arrives; or, where others write into the same file, spooled, and written in one go at its end: nobody
 * else's write may have to wait for the network.
 */
import type { Ts } from '../core/lsn.ts';
import type { RowChange } from '../core/row-change.ts';
import type { DigestEntry } from '../protocol/feed.ts';
import type { RawLine } from '../protocol/lines.ts';
import { countChanges } from './companions.ts';
import type { ReplicaStore, ReplicaTransaction, Spool } from './store.ts';

export class LargeTransaction {
  readonly #store: ReplicaStore;
  readonly #spool: Spool | null;
  readonly #decode: (lines: readonly RawLine[]) => readonly RowChange[];
  #transaction: ReplicaTransaction | null;
  #changes = 0;

  constructor(parts: {
    readonly store: ReplicaStore;
    readonly spool: Spool | null;
    readonly decode: (lines: readonly RawLine[]) => readonly RowChange[];
  }) {
    this.#store = parts.store;
    this.#spool = parts.spool;
    this.#decode = parts.decode;
    this.#spool?.clear();
    this.#transaction = parts.spool === null ? parts.store.begin() : null;
  }

  /** Changes that were written, or will be at the end. */
  get changes(): number {
    return this.#changes;
  }

  take(lines: readonly RawLine[]): void {
    if (this.#spool === null) this.#write(lines);
    else this.#spool.write(lines);
  }

  /** After a throw the caller calls `rollback`. */
  commit(ts: Ts): readonly DigestEntry[] {
    const transaction = this.#transaction ?? this.#store.begin();
    this.#transaction = transaction;
    if (this.#spool !== null) for (const lines of this.#spool.read()) this.#write(lines);
    const changed = transaction.commit(ts);
    this.#spool?.clear();
    return changed;
  }

  rollback(): void {
    this.#spool?.clear();
    this.#transaction?.rollback();
  }

  #write(lines: readonly RawLine[]): void {
    const changes = this.#decode(lines);
    this.#transaction?.apply(changes);
    this.#changes += countChanges(changes, this.#store.tables);
  }
}
