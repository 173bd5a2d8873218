/** Bugs in keeping what was received: a log store over the log store. */
import type { Lsn, Ts } from '../../../core/lsn.ts';
import type { TableDef } from '../../../core/table.ts';
import type { GroupHead, NewGroup, StoredGroup } from '../../../log/group.ts';
import type { LogStore } from '../../../log/port.ts';
import type { BugName } from './catalog.ts';
import { standIn } from './stand-in.ts';

/** Everything is on disk so much later than it is confirmed. */
const LATE_MS = 1500;

/** The log with the bug; the log itself when the bug is another one. */
export function plantInLog(bug: BugName, log: LogStore): LogStore {
  if (bug === 'ack-before-fsync') return new LateLog(log).store;
  if (bug === 'silent-new-slot') return silentLog(log);
  return log;
}

/** The first history never ends: a new slot's position is taken for the next one of the old slot. */
function silentLog(log: LogStore): LogStore {
  return standIn(log, {
    reset: (identity, tables) => {
      if (log.identity === null) log.reset(identity, tables);
      else if (identity.startTs > log.upper) log.noteUpper(identity.startTs);
    },
  });
}

type Pending = {
  readonly groups: readonly NewGroup[];
  readonly heads: readonly GroupHead[];
  readonly tables: readonly TableDef[] | undefined;
};

/** Says that groups are durable, and keeps them in memory for a while. */
class LateLog {
  readonly store: LogStore;
  readonly #log: LogStore;
  #pending: Pending[] = [];
  #noted: Lsn | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(log: LogStore) {
    this.#log = log;
    const first = <A extends readonly unknown[], R>(act: (...args: A) => R) => {
      return (...args: A): R => {
        this.#flush();
        return act(...args);
      };
    };
    this.store = standIn(log, {
      ...{
        append: (groups, tables) => this.#append(groups, tables),
        noteUpper: (upper) => this.#note(upper),
        read: (seq) => this.#read(seq),
        reset: first(log.reset.bind(log)),
        seal: first(log.seal.bind(log)),
        merge: first(log.merge.bind(log)),
        purge: first(log.purge.bind(log)),
        close: first(log.close.bind(log)),
      },
    });
    const heads = (): readonly GroupHead[] => this.#heads;
    const upper = (): Ts => this.#upper;
    this.store = standIn(this.store, {
      get heads() {
        return heads();
      },
      get upper() {
        return upper();
      },
    });
  }

  get #heads(): readonly GroupHead[] {
    const { heads } = this.#log;
    return this.#pending.length === 0
      ? heads
      : [...heads, ...this.#pending.flatMap((pending) => pending.heads)];
  }

  get #upper(): Ts {
    const appended = this.#pending.at(-1)?.heads.at(-1)?.lastTs ?? this.#log.upper;
    return this.#noted !== null && this.#noted > appended ? this.#noted : appended;
  }

  #append(groups: readonly NewGroup[], tables?: readonly TableDef[]): readonly GroupHead[] {
    const seq = this.#heads.at(-1)?.seq ?? 0;
    const heads = groups.map(({ head }, index) => ({ ...head, seq: seq + 1 + index }));
    this.#pending.push({ groups, heads, tables });
    this.#flushLater();
    return heads;
  }

  #note(upper: Lsn): void {
    this.#noted = upper;
    this.#flushLater();
  }

  #read(seq: number): StoredGroup {
    for (const { heads, groups } of this.#pending) {
      const index = heads.findIndex((head) => head.seq === seq);
      const [head, group] = [heads[index], groups[index]];
      if (head !== undefined && group !== undefined) return { head, content: group.content };
    }
    return this.#log.read(seq);
  }

  #flushLater(): void {
    this.#timer ??= setTimeout(() => this.#flush(), LATE_MS).unref();
  }

  #flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const noted = this.#noted;
    for (const { groups, tables } of this.#pending.splice(0)) {
      if (tables === undefined) this.#log.append(groups);
      else this.#log.append(groups, tables);
    }
    this.#noted = null;
    if (noted !== null && noted > this.#log.upper) this.#log.noteUpper(noted);
  }
}
