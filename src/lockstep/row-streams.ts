/** Lockstep streams of one Postgres: readers, their copies, and one poller per relation. */
import { assert } from '../core/assert.ts';
import { TidelockError } from '../core/errors.ts';
import {
  describeRelation,
  type LockstepRelation,
  lockstepRelations,
  readRows,
} from '../postgres/lockstep-relation.ts';
import { PgSession } from '../postgres/session.ts';
import { SINCE_START } from '../protocol/lockstep.ts';
import type { RelationStatus, RowStreams, Sink, StreamRequest } from './api.ts';
import { LineMaker, type RowLine } from './lines.ts';
import { Poller } from './poller.ts';
import { Reader, type ReaderClock } from './reader.ts';
import { isDue, resumeAt, type Seen } from './seen.ts';

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

const OLDEST_SQL = `
  SELECT coalesce(extract(epoch FROM pg_catalog.max(pg_catalog.clock_timestamp() - xact_start)), 0)::float8 AS seconds
  FROM pg_catalog.pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_catalog.pg_backend_pid()`;

export class PollingRowStreams implements RowStreams {
  readonly #options: RowStreamsOptions;
  readonly #pollers = new Map<string, Poller>();
  readonly #copying = new Set<Reader>();
  /** Readers in line for their copy. */
  readonly #waiting: (() => void)[] = [];
  #asking: Promise<PgSession> | null = null;
  #rounds = 0;
  #isClosed = false;

  constructor(options: RowStreamsOptions) {
    this.#options = options;
  }

  async relations(): Promise<readonly string[]> {
    const found = await lockstepRelations(await this.#session());
    const { allowed } = this.#options;
    return allowed === null ? found : found.filter((name) => allowed.includes(name));
  }

  async open(request: StreamRequest): Promise<{ run(sink: Sink): void }> {
    if (this.#waiting.length >= WAITING_MAX) throw this.#busy();
    const relation = await this.#describe(request.relation);
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
    const { seconds } = await (await this.#session()).queryOne(OLDEST_SQL);
    return Number(seconds);
  }

  wake(): void {
    for (const poller of this.#pollers.values()) poller.wake();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { sink } of this.#copying) sink.fail(shuttingDown());
    for (const admit of this.#waiting.splice(0)) admit();
    await Promise.all([...this.#pollers.values()].map((poller) => poller.close()));
    const session = await this.#asking?.catch(() => null);
    await session?.end();
  }

  async #describe(name: string): Promise<LockstepRelation> {
    const relation = await describeRelation(await this.#session(), name);
    const { allowed } = this.#options;
    if (allowed === null || allowed.includes(relation.name)) return relation;
    throw new TidelockError({
      code: 'NOT_FOUND',
      message: `${relation.name} may not be streamed from here`,
      hint: 'add it to the setting lockstep.relations of the server',
    });
  }

  async #run(reader: Reader): Promise<void> {
    try {
      await this.#turn(reader);
      await this.#copy(reader);
    } catch (error) {
      reader.release();
      if (reader.sink.isOpen) reader.sink.fail(error);
      return;
    } finally {
      this.#copying.delete(reader);
      this.#waiting.shift()?.();
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
    if (this.#copying.size >= this.#options.copiesMax) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    if (this.#isClosed) throw shuttingDown();
    if (!reader.sink.isOpen) throw readerGone();
    this.#copying.add(reader);
  }

  /** Everything from `since` on, and what came while that was read. */
  async #copy(reader: Reader): Promise<void> {
    const session = await PgSession.connect({ url: this.#options.url });
    reader.sink.onClose = () => session.destroy();
    try {
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
        ...{ ...this.#options, relation },
        onRound: () => {
          this.#rounds += 1;
        },
      });
      this.#pollers.set(relation, poller);
    }
    return poller;
  }

  #leave(reader: Reader, poller: Poller): void {
    poller.remove(reader);
    if (poller.isIdle) this.#pollers.delete(reader.request.relation);
  }

  /** The connection for questions, made anew after a loss. */
  async #session(): Promise<PgSession> {
    const present = await this.#asking?.catch(() => null);
    if (present !== undefined && present !== null && !present.isLost) return present;
    this.#asking = PgSession.connect({ url: this.#options.url });
    return this.#asking;
  }

  #busy(): TidelockError {
    return new TidelockError({
      code: 'BUSY',
      message: `${this.#options.copiesMax} copies are under way and ${this.#waiting.length} readers wait`,
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
    reader.write({ lines: due.map(({ line }) => line), framed: null });
  };
  const request = {
    ...{ relation, from: seen === null ? since : resumeAt(seen) },
    isSettledOnly: mode === 'strict',
    // Whoever begins has nothing that could be deleted.
    omitsDeleted: seen === null && since === SINCE_START,
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

function shuttingDown(): TidelockError {
  return new TidelockError({
    code: 'NOT_READY',
    message: 'the server is shutting down',
    hint: 'connect again in a moment; the stream resumes by since',
  });
}
