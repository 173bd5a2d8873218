/**
 * The disk under the server's log: the product's own log store on SQLite in memory, and a journal of what was
 * written to it. A crash of the process keeps everything; one of the machine keeps what was synced and, of
 * what came after the last sync, a part from its beginning.
 */
import { TidelockError } from '../core/errors.ts';
import type { Lsn, Ts } from '../core/lsn.ts';
import type { TableDef } from '../core/table.ts';
import type { GroupHead, NewGroup, StoredGroup } from '../log/group.ts';
import type {
  LogIdentity,
  LogStore,
  SealedPart,
  StagedIndex,
  StagedPart,
  StagedRef,
  StoredLease,
  TransactionMark,
} from '../log/port.ts';
import { openLogStoreOn } from '../sqlite/log-store.ts';
import { openSql, type Sql } from '../sqlite/sql.ts';
import type { Chance } from './chance.ts';
import { type Life, SimulatedCrash } from './scheduler.ts';

type Entry = { readonly write: (store: LogStore) => unknown; readonly isSynced: boolean };

export class LogDisk {
  /** Nothing more can be written. */
  isFull = false;
  readonly #isLazy: boolean;
  #sql: Sql = newSql();
  /** Everything that was written; null stands for a restart of the process. */
  #journal: (Entry | null)[] = [];

  /** `isLazy`: nothing is ever synced, whatever the log believes. */
  constructor(isLazy: boolean) {
    this.#isLazy = isLazy;
  }

  /** The log as the process `life` finds it. */
  open(life: Life): LogStore {
    const store = openLogStoreOn(this.#sql, 'the log');
    this.#journal.push(null);
    return new DiskLog(store, {
      check: () => {
        if (life.isOver) throw new SimulatedCrash('its process is gone');
      },
      write: (isSynced, write) => {
        if (life.isOver) throw new SimulatedCrash('its process is gone');
        if (this.isFull) throw full();
        const result = write(store);
        this.#journal.push({ write, isSynced: isSynced && !this.#isLazy });
        return result;
      },
    });
  }

  /** The machine dies. Returns how many writes are lost. */
  loseUnsynced(chance: Chance): number {
    const lastSync = this.#journal.findLastIndex((entry) => entry?.isSynced === true);
    const kept = chance.between(lastSync + 1, this.#journal.length);
    const lost = this.#journal.slice(kept).filter((entry) => entry !== null).length;
    this.#journal = this.#journal.slice(0, kept);
    this.#sql.close();
    this.#sql = newSql();
    let store: LogStore | null = null;
    for (const entry of this.#journal) {
      if (entry === null || store === null) store = openLogStoreOn(this.#sql, 'the log');
      entry?.write(store);
    }
    return lost;
  }

  close(): void {
    this.#sql.close();
  }
}

function newSql(): Sql {
  return openSql(':memory:', { timeoutMs: 0 });
}

function full(): TidelockError {
  const hint = 'free space on its disk; the write is tried again';
  return new TidelockError({ code: 'LOG_WRITE_FAILED', message: 'the disk is full', hint });
}

type Door = {
  readonly check: () => void;
  readonly write: <T>(isSynced: boolean, write: (store: LogStore) => T) => T;
};

/** The log, with every write through the door. Which ones are synced is what the port promises. */
class DiskLog implements LogStore {
  readonly #store: LogStore;
  readonly #door: Door;

  constructor(store: LogStore, door: Door) {
    this.#store = store;
    this.#door = door;
  }

  get identity(): LogIdentity | null {
    return this.#store.identity;
  }

  get heads(): readonly GroupHead[] {
    return this.#store.heads;
  }

  get upper(): Ts {
    return this.#store.upper;
  }

  get since(): Ts {
    return this.#store.since;
  }

  get purgedTxid(): number {
    return this.#store.purgedTxid;
  }

  get purgedLines(): number | undefined {
    return this.#store.purgedLines;
  }

  get purgedEnd(): TransactionMark | undefined {
    return this.#store.purgedEnd;
  }

  get sizeBytes(): number {
    return this.#store.sizeBytes;
  }

  get tables(): readonly TableDef[] {
    return this.#store.tables;
  }

  reset(identity: LogIdentity, tables: readonly TableDef[]): void {
    this.#door.write(true, (store) => store.reset(identity, tables));
  }

  noteIdentity(identity: LogIdentity): void {
    this.#door.write(true, (store) => store.noteIdentity(identity));
  }

  append(groups: readonly NewGroup[], tables?: readonly TableDef[]): readonly GroupHead[] {
    return this.#door.write(true, (store) =>
      tables === undefined ? store.append(groups) : store.append(groups, tables),
    );
  }

  stage(xid: number, part: StagedPart): StagedRef {
    return this.#door.write(false, (store) => store.stage(xid, part));
  }

  stagedIndex(ref: StagedRef): StagedIndex {
    return this.#store.stagedIndex(ref);
  }

  seal(
    xid: number,
    parts: Iterable<SealedPart>,
    last: NewGroup | null,
    tables?: readonly TableDef[],
  ): readonly GroupHead[] {
    const list = [...parts];
    return this.#door.write(true, (store) => store.seal(xid, list, last, tables));
  }

  discard(xid: number): void {
    this.#door.write(false, (store) => store.discard(xid));
  }

  noteUpper(upper: Lsn): void {
    this.#door.write(true, (store) => store.noteUpper(upper));
  }

  read(seq: number): StoredGroup {
    this.#door.check();
    return this.#store.read(seq);
  }

  merge(firstSeq: number, lastSeq: number): GroupHead {
    return this.#door.write(false, (store) => store.merge(firstSeq, lastSeq));
  }

  purge(seq: number, lines?: number): void {
    this.#door.write(false, (store) => store.purge(seq, lines));
  }

  readLeases(): readonly StoredLease[] {
    return this.#store.readLeases();
  }

  storeLeases(kept: Iterable<StoredLease>, ended: Iterable<string>): void {
    const lists = { kept: [...kept], ended: [...ended] };
    this.#door.write(false, (store) => store.storeLeases(lists.kept, lists.ended));
  }

  /** The disk stays; the process has let go of it. */
  close(): void {}
}
