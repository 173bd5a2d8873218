/**
 * A few reader processes. Reads take one each, and wait in the order in which they came when all are busy. One is kept
 * ready, so that nobody waits for a start.
 */
import { sqlError } from '../../../sql/errors.ts';
import type { Clock, TimerHandle } from '../../clock.ts';
import type { Readers, ReadListener, ReadRequest, RunningRead } from './read-port.ts';
import { ReaderProcess } from './reader-process.ts';

/** Reads that are computed at the same time. */
export const READERS_MAX = 5;
/** Those that are kept when there is nothing to do: one to take the next read, one more that was needed just now. */
const IDLE_MAX = 2;
/** Reads that wait for a process. */
const WAITING_MAX = 1000;
/** While others wait, a read whose rows nobody takes keeps its process so long. */
export const STALLED_MS_MAX = 10_000;
/** Of one process. */
export const READER_BYTES_MAX = 512 * 2 ** 20;

export type ReaderPoolOptions = {
  readonly file: string;
  readonly clock: Clock;
  readonly memoryBytesMax?: number | undefined;
};

type Job = {
  readonly request: ReadRequest;
  readonly listener: ReadListener;
  reader: ReaderProcess | null;
};

export class ReaderPool implements Readers {
  readonly #options: ReaderPoolOptions;
  readonly #readers = new Set<ReaderProcess>();
  readonly #waiting: Job[] = [];
  #relieving: TimerHandle | null = null;
  #isClosed = false;

  constructor(options: ReaderPoolOptions) {
    this.#options = options;
  }

  /** Of the processes that run, for tests that end them. */
  get pids(): readonly number[] {
    return [...this.#readers].flatMap(({ pid }) => pid ?? []);
  }

  /** Starts the one that is kept ready. */
  warm(): void {
    if (this.#readers.size === 0) this.#spawn();
  }

  start(request: ReadRequest, listener: ReadListener): RunningRead {
    const job: Job = { request, listener, reader: null };
    if (this.#isClosed || this.#waiting.length >= WAITING_MAX) {
      listener.failed(sqlError('53300', 'too many reads wait', { hint: 'try again later' }));
      return { next: () => undefined, end: () => undefined };
    }
    this.#waiting.push(job);
    this.#assign();
    return {
      next: () => job.reader?.next(),
      end: () => this.#drop(job),
    };
  }

  /** Ends what runs, without a word. Resolves when nobody has the file open any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#relieving?.cancel();
    this.#waiting.length = 0;
    const readers = [...this.#readers];
    for (const reader of readers) reader.kill();
    await Promise.all(readers.map(({ gone }) => gone));
  }

  #drop(job: Job): void {
    const at = this.#waiting.indexOf(job);
    if (at >= 0) this.#waiting.splice(at, 1);
    else job.reader?.end();
  }

  /** Gives those that are idle what waits, and starts as many as are missing. */
  #assign(): void {
    for (const reader of this.#readers) {
      if (this.#waiting.length === 0) break;
      if (reader.isIdle) this.#give(reader);
    }
    const free = [...this.#readers].filter(({ isFree }) => isFree).length;
    const missing = this.#waiting.length + 1 - free;
    for (let n = 0; n < missing && this.#readers.size < READERS_MAX; n += 1) this.#spawn();
    if (this.#waiting.length > 0) this.#relieveLater();
  }

  #relieveLater(): void {
    this.#relieving ??= this.#options.clock.after(STALLED_MS_MAX, () => {
      this.#relieving = null;
      this.#relieve();
      if (this.#waiting.length > 0) this.#relieveLater();
    });
  }

  /** Ends reads whose rows nobody takes, the oldest first, as many as others wait. */
  #relieve(): void {
    const until = this.#options.clock.now() - STALLED_MS_MAX;
    const stalled = [...this.#readers]
      .flatMap((reader) => (reader.stalledAt === null ? [] : { reader, at: reader.stalledAt }))
      .filter(({ at }) => at <= until)
      .toSorted((a, b) => a.at - b.at);
    for (const { reader } of stalled.slice(0, this.#waiting.length)) {
      const seconds = STALLED_MS_MAX / 1000;
      const message = `others wait for a process, and nobody took a row of this read for ${seconds} s`;
      reader.giveUp(sqlError('53300', message, { hint: 'take all rows, or read it again' }));
    }
  }

  #give(reader: ReaderProcess): void {
    const job = this.#waiting.shift();
    if (job === undefined) return;
    const { listener } = job;
    job.reader = reader;
    reader.read(job.request, {
      rows: (rows, batch) => {
        if (batch.isLast) job.reader = null;
        listener.rows(rows, batch);
      },
      failed: (error) => {
        job.reader = null;
        listener.failed(error);
      },
      stale: () => {
        job.reader = null;
        listener.stale();
      },
    });
  }

  #spawn(): void {
    const { file, clock, memoryBytesMax = READER_BYTES_MAX } = this.#options;
    this.#readers.add(
      new ReaderProcess({
        ...{ file, clock, memoryBytesMax },
        onIdle: (reader) => this.#onIdle(reader),
        onGone: (reader) => this.#onGone(reader),
      }),
    );
  }

  #onIdle(reader: ReaderProcess): void {
    if (this.#waiting.length > 0) this.#assign();
    else if ([...this.#readers].filter(({ isIdle }) => isIdle).length > IDLE_MAX) reader.kill();
  }

  /** One that could not even start is not replaced for its own sake: the next read tries again. */
  #onGone(reader: ReaderProcess): void {
    this.#readers.delete(reader);
    if (this.#isClosed) return;
    if (reader.hasStarted) {
      this.#assign();
      return;
    }
    if (this.#readers.size > 0) return;
    for (const { listener } of this.#waiting.splice(0)) {
      listener.failed(sqlError('58000', 'no process that computes reads can be started'));
    }
  }
}
