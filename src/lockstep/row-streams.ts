/** Lockstep streams of one Postgres: readers, their copies, and one poller per relation. */
import { assert } from '../core/assert.ts';
import { TidelockError } from '../core/errors.ts';
import { parseTxidSnapshot } from '../core/txid-snapshot.ts';
import {
  describeRelation,
  endWithReader,
  type LockstepRelation,
  lockstepRelations,
  readRows,
} from '../postgres/lockstep-relation.ts';
import { oldestTransactionS } from '../postgres/oldest-transaction.ts';
import { PgSession } from '../postgres/session.ts';
import { type LockstepSince, SINCE_START } from '../protocol/lockstep.ts';
import type { RelationStatus, RowStreams, Sink, StreamRequest } from './api.ts';
import type { ReaderClock } from './clock.ts';
import { LineMaker, type RowLine } from './lines.ts';
import { Poller } from './poller.ts';
import { Reader } from './reader.ts';
import { isDue, resumeAt, type Seen } from './seen.ts';
import { SessionPool } from './session-pool.ts';

export type RowStreamsOptions = {
  readonly url: string;
  readonly clock: ReaderClock;
  /** Relations that may be streamed; null: every one that carries the fields. */
  readonly allowed: readonly string[] | null;
  /** How often a followed relation is read when nothing wakes the poller. */
  readonly pollMs: number;
  /** The least time between two rounds when something does. */
  readonly wakeMs: number;
  /** Copies that run at the same time. */
  readonly copiesMax: number;
};

/** A copy that took longer is followed by another one of what has come since, before the reader joins the others. */
const CATCH_UP_MS = 1000;
const CATCH_UPS_MAX = 5;
/** Readers that may wait for their copy. */
const WAITING_MAX = 10_000;
/** A Postgres that does not answer a small question for so long is taken for one that is down. */
const ASK_MS_MAX = 10_000;

export class PollingRowStreams implements RowStreams {
  readonly #options: RowStreamsOptions;
  readonly #pollers = new Map<string, Poller>();
  /** Readers that copy, or are in line for their copy. */
  readonly #beginning = new Set<Reader>();
  readonly #waiting = new Set<() => void>();
  readonly #sessions: SessionPool;
  #copies = 0;
  /** Every id of the source that was seen is below. */
  #xmax: LockstepSince = 0;
  #asking: Promise<PgSession> | null = null;
  #rounds = 0;
  #isClosed = false;

  constructor(options: RowStreamsOptions) {
    this.#options = options;
    this.#sessions = new SessionPool(options.url);
  }

  async relations(): Promise<readonly string[]> {
    const found = await this.#ask(lockstepRelations);
    const { allowed } = this.#options;
    return allowed === null ? found : found.filter((name) => allowed.includes(name));
  }

  async open(request: StreamRequest): Promise<{ run(sink: Sink): void }> {
    if (this.#waiting.size >= WAITING_MAX) throw this.#busy();
    const relation = await this.#describe(request.relation);
    if (request.since > this.#xmax) await this.#requireKnown(request.since);
    return {
      run: (sink) => {
        const reader = new Reader(
          { ...request, relation: relation.name },
          sink,
          this.#options.clock,
        );
        void this.#run(reader);
      },
    };
  }

  get status(): readonly RelationStatus[] {
    return [...this.#pollers.values()].map(({ status }) => status);
  }

  get rounds(): number {
    return this.#rounds;
  }

  async oldestTransactionS(): Promise<number> {
    return await this.#ask(oldestTransactionS);
  }

  wake(): void {
    for (const poller of this.#pollers.values()) poller.wake();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { sink } of this.#beginning) sink.fail(shuttingDown());
    for (const admit of [...this.#waiting]) admit();
    await Promise.all([...this.#pollers.values()].map((poller) => poller.close()));
    const session = await this.#asking?.catch(() => null);
    await Promise.all([session?.end(), this.#sessions.close()]);
  }

  async #describe(name: string): Promise<LockstepRelation> {
    const relation = await this.#ask((session) => describeRelation(session, name));
    const { allowed } = this.#options;
    if (allowed === null || allowed.includes(relation.name)) return relation;
    throw new TidelockError({
      code: 'NOT_FOUND',
      message: `${relation.name} may not be streamed from here`,
      hint: 'add it to the setting lockstep.relations of the server',
    });
  }

  /** A position ahead of every transaction is that of another database, or of this one before it was restored. */
  async #requireKnown(since: LockstepSince): Promise<void> {
    const { snapshot } = await this.#ask((session) =>
      session.queryOne('SELECT pg_catalog.pg_current_snapshot() AS snapshot'),
    );
    this.#xmax = Math.max(this.#xmax, parseTxidSnapshot(snapshot ?? '')?.xmax ?? 0);
    if (since <= this.#xmax) return;
    throw new TidelockError({
      code: 'BAD_POSITION',
      message: `since ${since} is ahead of every transaction of this database, whose next is ${this.#xmax}`,
      hint: 'is it the same database, not restored from a backup? Else begin with since=0 and an empty table',
    });
  }

  async #run(reader: Reader): Promise<void> {
    reader.start();
    this.#beginning.add(reader);
    try {
      await this.#turn(reader);
      await this.#copy(reader).finally(() => this.#endTurn());
    } catch (error) {
      reader.release();
      if (reader.sink.isOpen) reader.sink.fail(error);
      return;
    } finally {
      this.#beginning.delete(reader);
    }
    if (!reader.request.isFollowing || !reader.sink.isOpen || this.#isClosed) {
      reader.release();
      reader.sink.end();
      return;
    }
    const poller = this.#pollerOf(reader.request.relation);
    poller.add(reader);
    reader.sink.onClose = () => this.#leave(reader, poller);
  }

  /** Waits until few enough others copy, first come first served. */
  async #turn(reader: Reader): Promise<void> {
    if (this.#isClosed) throw shuttingDown();
    if (this.#copies < this.#options.copiesMax) this.#copies += 1;
    else await this.#wait(reader);
  }

  /** The place goes straight to the next in line, so nobody can overtake. */
  #endTurn(): void {
    const [admit] = this.#waiting;
    if (admit === undefined) this.#copies -= 1;
    else admit();
  }

  #wait({ sink }: Reader): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        this.#waiting.delete(admit);
        sink.onClose = null;
        act();
      };
      const admit = (): void =>
        settle(this.#isClosed ? () => reject(shuttingDown()) : () => resolve());
      sink.onClose = () => settle(() => reject(readerGone()));
      this.#waiting.add(admit);
    });
  }

  /** Everything from `since` on, and what came while that was read. */
  async #copy(reader: Reader): Promise<void> {
    const session = await PgSession.connect({ url: this.#options.url });
    reader.sink.onClose = () => session.destroy();
    try {
      if (!reader.sink.isOpen) throw readerGone();
      await endWithReader(session);
      let seen: Seen | null = null;
      for (let turn = 0; ; turn += 1) {
        const startedAt = this.#options.clock.now();
        seen = await copyOnce(session, reader, seen);
        const tookMs = this.#options.clock.now() - startedAt;
        if (tookMs < CATCH_UP_MS || turn >= CATCH_UPS_MAX) return reader.complete(seen);
      }
    } finally {
      reader.sink.onClose = null;
      await session.end();
    }
  }

  #pollerOf(relation: string): Poller {
    let poller = this.#pollers.get(relation);
    if (poller === undefined) {
      poller = new Poller({
        ...{ ...this.#options, relation, sessions: this.#sessions },
        onRound: () => {
          this.#rounds += 1;
        },
        onIdle: (idle) => this.#forget(idle, relation),
      });
      this.#pollers.set(relation, poller);
    }
    return poller;
  }

  #leave(reader: Reader, poller: Poller): void {
    poller.remove(reader);
    this.#forget(poller, reader.request.relation);
  }

  /** Readers may leave late: by then the relation may have another poller. */
  #forget(poller: Poller, relation: string): void {
    if (!poller.isIdle || this.#pollers.get(relation) !== poller) return;
    this.#pollers.delete(relation);
    if (this.#pollers.size === 0) this.#sessions.rest();
  }

  /** Asks over the connection for questions. Throws `SOURCE_DOWN` also when no answer comes. */
  async #ask<T>(question: (session: PgSession) => Promise<T>): Promise<T> {
    const session = await this.#session();
    let stop: () => void = () => undefined;
    const silence = new Promise<never>((_, reject) => {
      stop = this.#options.clock.after(ASK_MS_MAX, () => {
        this.#asking = null;
        session.destroy();
        reject(silent());
      });
    });
    try {
      return await Promise.race([question(session), silence]);
    } finally {
      stop();
    }
  }

  /** One for all that ask at the same time; made anew after a loss. */
  async #session(): Promise<PgSession> {
    const asking = this.#asking ?? PgSession.connect({ url: this.#options.url });
    this.#asking = asking;
    try {
      const session = await asking;
      if (!session.isLost) return session;
    } catch (error) {
      if (this.#asking === asking) this.#asking = null;
      throw error;
    }
    if (this.#asking === asking) this.#asking = null;
    return await this.#session();
  }

  #busy(): TidelockError {
    return new TidelockError({
      code: 'BUSY',
      message: `${this.#options.copiesMax} copies are under way and ${this.#waiting.size} readers wait`,
      hint: 'try again in a moment, or raise the setting lockstep.copiesMax',
    });
  }
}

/** Writes what the reader lacks: everything from its `since` on, or what `seen` does not show. */
async function copyOnce(session: PgSession, reader: Reader, seen: Seen | null): Promise<Seen> {
  const { mode, since, relation } = reader.request;
  let now: Seen | null = null;
  let maker: LineMaker | null = null;
  const hand = (lines: readonly RowLine[]): void => {
    const due = lines.filter(
      ({ txid }) => seen === null || now === null || isDue(seen, now.snapshot, txid),
    );
    const frame = { lines: due.map(({ line }) => line), framed: null };
    reader.write(frame, due.at(-1)?.since ?? since);
  };
  const request = {
    ...{ relation, from: seen === null ? since : resumeAt(seen) },
    isSettledOnly: mode === 'strict',
    // Whoever begins has nothing that could be deleted.
    omitsDeleted: seen === null && since === SINCE_START,
    omitsFuture: seen !== null,
  };
  await readRows(session, request, {
    onStart: (found, snapshot) => {
      // A reader may come with a position of a later look than this one.
      now = {
        mode,
        snapshot: { ...snapshot, xmin: Math.max(snapshot.xmin, mode === 'strict' ? since : 0) },
      };
      maker = new LineMaker(found, mode, snapshot.xmin);
    },
    onRows: async (rows) => {
      hand(maker?.lines(rows) ?? []);
      await reader.sink.room();
      if (!reader.sink.isOpen) throw readerGone();
    },
  });
  hand((maker as LineMaker | null)?.end() ?? []);
  assert(now !== null, 'a read that ended has begun');
  return now;
}

function readerGone(): TidelockError {
  return new TidelockError({ code: 'SERVER_UNREACHABLE', message: 'the reader is gone' });
}

function silent(): TidelockError {
  return new TidelockError({
    code: 'SOURCE_DOWN',
    message: `Postgres did not answer for ${ASK_MS_MAX / 1000} s`,
    hint: 'look at its load and its locks; the next request asks again',
  });
}

function shuttingDown(): TidelockError {
  return new TidelockError({
    code: 'NOT_READY',
    message: 'the server is shutting down',
    hint: 'connect again in a moment; the stream resumes by since',
  });
}
