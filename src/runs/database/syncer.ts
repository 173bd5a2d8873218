/**
 * The syncer: carries what the local database has to the durable one, in the order of `seq`.
 *
 *   waiting (another has the lease) --its lease ended, it died--> following --lease lost--> waiting
 *   following --durable gone--> cut off --it answers--> following      any --stop--> ended
 *
 * The promise: no commit is older than 5 seconds while it is in the local database only. So a change is carried after a
 * small delay that joins a burst to one transaction, and a syncer that dies is replaced when its lease ends.
 */
import { hasCode, messageOf, TidelockError } from '../../core/errors.ts';
import type { CopyMark, DurableStore } from '../../planner/run-durable.ts';
import { KEPT, PRUNED_AT_ONCE } from '../../sqlite/runs/retention.ts';
import type { SqliteRunStore } from '../../sqlite/runs/run-store.ts';

/** The bound: how old the oldest commit may be that the durable database does not have. */
export const SYNC_AGE_MS_MAX = 5000;
/** A burst of changes is one transaction. */
const BATCH_MS = 150;
/** Who is silent for so long is replaced; with the delays around it below the bound by half. */
const LEASE_MS = 2000;
const RENEW_MS = 600;
/** How often who waits looks whether the holder lives. */
const LOOK_MS = 200;
/** Samples of the lag are as far apart, while there is something to carry. */
const SAMPLE_MS = 1000;
/** Between two looks for events and tasks that are too old or too many. */
const PRUNE_MS = 60_000;
const PAUSE_MS_MIN = 50;
const PAUSE_MS_MAX = 500;
/** What is left at the end is carried within this time. */
const STOP_MS_MAX = 3000;

export type SyncState = 'waiting' | 'following' | 'cut off' | 'ended';

export type SyncStatus = {
  readonly state: SyncState;
  readonly owner: string;
  readonly durable: string;
  /** What the durable database has, and the local one. */
  readonly syncedSeq: number;
  readonly seq: number;
  /** Age of the oldest commit that is in the local database only; 0: there is none. */
  readonly ageMs: number;
  /** The oldest that one became since this syncer began. */
  readonly ageMsMax: number;
  /** Batches carried. */
  readonly batches: number;
  readonly error: string | null;
};

export type SyncerOptions = {
  readonly store: SqliteRunStore;
  readonly durable: DurableStore;
  /** Unique among processes: host, pid and its start. */
  readonly owner: string;
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  /** The local database was replaced or removed under us; the syncer has ended. */
  readonly onLost: (error: TidelockError) => void;
  /** True when this owner's process is known to be dead. */
  readonly isGone: (owner: string) => boolean;
  /** False when the open file is not the one that others open. */
  readonly isPresent: () => boolean;
  readonly ageMsMax?: number | undefined;
};

export class Syncer {
  readonly #options: SyncerOptions;
  #state: SyncState = 'waiting';
  #mark: CopyMark | null = null;
  #error: string | null = null;
  #ageMsMax = 0;
  /** Since the last sample, for time lines. */
  #lagMs = 0;
  #sampledAt = 0;
  #batches = 0;
  #pruneAt = 0;
  #isLate = false;
  #renewedAt = 0;
  #isEnding = false;
  #wake: () => void = () => undefined;
  #isChanged = true;
  readonly #waiters = new Set<{ readonly seq: number; readonly done: () => void }>();
  readonly #unlisten: () => void;
  readonly #running: Promise<void>;

  constructor(options: SyncerOptions) {
    this.#options = options;
    this.#unlisten = options.store.onChange(() => {
      this.#isChanged = true;
      this.#wake();
    });
    this.#running = this.#run();
  }

  get status(): SyncStatus {
    const { store, owner, durable } = this.#options;
    const ageMs = this.#age();
    return {
      ...{ state: this.#state, owner, durable: durable.where, error: this.#error },
      ...{ syncedSeq: this.#mark?.seq ?? 0, seq: store.seq, batches: this.#batches },
      ...{ ageMs, ageMsMax: Math.max(this.#ageMsMax, ageMs) },
    };
  }

  /** Resolves when the durable database has what the local one has now. Throws `TIMEOUT`. */
  async carried(timeoutMs: number): Promise<void> {
    const { seq } = this.#options.store;
    if ((this.#mark?.seq ?? 0) >= seq && this.#state === 'following') return;
    await new Promise<void>((resolve, reject) => {
      const waiter = { seq, done: () => settle(resolve) };
      const settle = (act: () => void): void => {
        this.#waiters.delete(waiter);
        clearTimeout(timer);
        act();
      };
      const timer = setTimeout(() => settle(() => reject(this.#notCarried())), timeoutMs);
      this.#waiters.add(waiter);
      this.#wake();
    });
  }

  /** Carries what is left, gives the lease back and ends. The stores stay open. */
  async stop(): Promise<void> {
    if (this.#isEnding) return this.#running;
    await this.carried(this.#state === 'following' ? STOP_MS_MAX : 0).catch(() => undefined);
    this.#isEnding = true;
    this.#wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { durable, owner } = this.#options;
    for (let failures = 0; !this.#isEnding; ) {
      try {
        await this.#takeLease();
        await this.#follow();
        failures = 0;
      } catch (error) {
        if (!this.#endure(error)) break;
        failures += 1;
        await this.#pause(failures);
      }
    }
    this.#state = 'ended';
    this.#unlisten();
    await durable.release(owner).catch(() => undefined); // it ends by itself
  }

  /** A dead holder is not waited for: on its own host a process is known to be dead at once. */
  async #takeLease(): Promise<void> {
    const { durable, owner, now, isGone } = this.#options;
    for (let gone: string | undefined; !this.#isEnding; ) {
      const at = now();
      const lease = await durable.lease({ owner, now: at, ms: LEASE_MS, gone });
      this.#renewedAt = at;
      if (lease.isOurs) return;
      this.#state = 'waiting';
      this.#error = `${lease.owner} syncs`;
      const isOver = (): boolean => now() >= lease.until || isGone(lease.owner);
      do await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      while (!this.#isEnding && !isOver());
      gone = isGone(lease.owner) ? lease.owner : undefined;
    }
  }

  async #follow(): Promise<void> {
    this.#mark = await this.#adopt();
    this.#isChanged = true;
    while (!this.#isEnding) {
      if (this.#isChanged || (this.#mark?.seq ?? 0) < this.#options.store.seq) await this.#carry();
      this.#state = 'following';
      this.#error = null;
      this.#answerWaiters();
      const dueMs = this.#renewedAt + RENEW_MS - this.#options.now();
      if (!this.#isChanged && dueMs > 0) await this.#sleep(dueMs);
      if (this.#options.now() - this.#renewedAt >= RENEW_MS) await this.#renew();
      if (this.#isChanged && this.#waiters.size === 0) await this.#batch();
    }
  }

  /** Joins a burst. */
  async #batch(): Promise<void> {
    const ageMs = this.#age();
    if (ageMs < BATCH_MS) await new Promise((resolve) => setTimeout(resolve, BATCH_MS - ageMs));
  }

  async #renew(): Promise<void> {
    const { durable, owner, now, store, isPresent } = this.#options;
    if (!isPresent()) throw lost(store.area);
    const at = now();
    const lease = await durable.lease({ owner, now: at, ms: LEASE_MS });
    if (!lease.isOurs) throw taken(lease.owner);
    this.#renewedAt = at;
  }

  /** The copy must be of this database's life, or be what it was made from. */
  async #adopt(): Promise<CopyMark | null> {
    const { store, durable } = this.#options;
    const mark = await durable.mark();
    const { base } = store;
    const isOurs = mark?.history === store.history;
    const isBase = mark?.history === base?.history && mark?.seq === base?.seq;
    if (isOurs || isBase) return mark;
    throw new TidelockError({
      code: 'RUNS_UNUSABLE',
      message: `the durable database ${durable.where} follows another run database than this host's`,
      hint: 'another host or an earlier file wrote it: move the local file away to go on from the durable one',
    });
  }

  async #carry(): Promise<void> {
    const { store, durable, owner } = this.#options;
    this.#isChanged = false;
    const snapshot = store.snapshot();
    try {
      if (snapshot.seq === this.#mark?.seq && snapshot.history === this.#mark.history) return;
      const to = { history: snapshot.history, seq: snapshot.seq };
      const pages = snapshot.changes(this.#mark?.seq ?? 0);
      await durable.apply({ owner, from: this.#mark, to, pages });
      this.#judge(this.#age());
      this.#mark = to;
      this.#batches += 1;
    } finally {
      snapshot.close();
    }
    store.forgetCommits(this.#mark.seq);
    this.#judge(this.#age());
    this.#say();
    this.#prune(this.#mark.seq);
  }

  /** Only what the durable database has goes; it hears of it with the next batch. */
  #prune(upTo: number): void {
    const { store, now } = this.#options;
    if (now() < this.#pruneAt) return;
    const counts = (['events', 'tasks'] as const).map((table) =>
      store.prune(table, { upTo, ...KEPT[table] }),
    );
    const isMore = counts.includes(PRUNED_AT_ONCE);
    this.#pruneAt = isMore ? 0 : now() + PRUNE_MS;
  }

  /** The excess stands among the events, beside what happened at that time; its end too. */
  #judge(ageMs: number): void {
    this.#ageMsMax = Math.max(this.#ageMsMax, ageMs);
    this.#lagMs = Math.max(this.#lagMs, ageMs);
    if (ageMs > (this.#options.ageMsMax ?? SYNC_AGE_MS_MAX) === this.#isLate) return;
    this.#isLate = !this.#isLate;
    const cause = this.#isLate
      ? `the oldest commit that the durable database does not have is ${ageMs} ms old`
      : 'the durable database has caught up';
    const words = { kind: 'lag' as const, old: null, new: `${ageMs} ms`, cause };
    const event = { ...words, runId: null, testId: null };
    this.#options.store.write({ actor: this.#options.owner, writes: [{ kind: 'note', event }] });
  }

  /** For other processes of this host: who syncs, and how it goes. */
  #say(): void {
    const { store, now } = this.#options;
    const at = now();
    store.setFact('sync', JSON.stringify({ ...this.status, at }));
    if (at - this.#sampledAt < SAMPLE_MS) return;
    store.noteLag({ at, ageMs: this.#lagMs });
    this.#sampledAt = at;
    this.#lagMs = 0;
  }

  #age(): number {
    const { store, now } = this.#options;
    const oldest = store.oldestCommit(this.#mark?.seq ?? 0);
    return oldest === null ? 0 : Math.max(0, now() - oldest);
  }

  /** False: nothing of it can be mended here. */
  #endure(error: unknown): boolean {
    this.#error = messageOf(error);
    if (hasCode(error, 'RUNS_UNUSABLE')) {
      this.#options.onLost(error);
      return false;
    }
    if (hasCode(error, 'SYNC_TAKEN')) this.#state = 'waiting';
    else if (hasCode(error, 'DURABLE_DOWN') || hasCode(error, 'BUSY')) this.#state = 'cut off';
    else throw error;
    this.#judge(this.#age());
    this.#say();
    return true;
  }

  /** A change does not end it: the durable database is not asked more often for it. */
  async #pause(failures: number): Promise<void> {
    const ms = Math.min(PAUSE_MS_MIN * 2 ** Math.min(failures, 8), PAUSE_MS_MAX);
    await new Promise((resolve) => setTimeout(resolve, ms * (0.5 + this.#options.random() / 2)));
  }

  /** Ends early when something changes or the syncer is to end. */
  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#wake = () => undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#wake = done;
    });
  }

  #answerWaiters(): void {
    const seq = this.#mark?.seq ?? 0;
    for (const waiter of [...this.#waiters]) if (seq >= waiter.seq) waiter.done();
  }

  #notCarried(): TidelockError {
    return new TidelockError({
      code: 'TIMEOUT',
      message: `the durable database is behind: ${this.#error ?? 'it takes longer than allowed'}`,
      hint: 'nothing is lost: it follows when it answers; see `tidelock runs status`',
    });
  }
}

function taken(owner: string): TidelockError {
  return new TidelockError({ code: 'SYNC_TAKEN', message: `${owner} syncs now` });
}

function lost(area: string): TidelockError {
  return new TidelockError({
    code: 'RUNS_UNUSABLE',
    message: `the local run database of ${area} was removed or replaced while it was open`,
    hint: 'start again: it is rebuilt from the durable one',
  });
}
