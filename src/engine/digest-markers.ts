/**
 * Digests in `progress` lines: Postgres' state by full scan, for readers that want to check themselves. One
 * scan at a time; readers of the same selectors share it. A reader gets one when it has caught up, then
 * every so often when something of its own has changed.
 */
import { formatLsn, type Ts } from '../core/lsn.ts';
import type { ProgressLine } from '../protocol/feed.ts';
import type { DigestAnswer } from './api.ts';
import type { Clock, TimerHandle } from './clock.ts';

/** A reader that wants digests; engine/log-feed.ts. */
export interface CheckedReader {
  readonly key: string;
  readonly selectors: readonly string[];
  readonly isClosed: boolean;
  /** Position of the last transaction that was delivered; what the next scan is compared with. */
  readonly deliveredAt: Ts;
  /** Delivers the line as soon as everything up to `ts` has been. */
  offer(line: Uint8Array, ts: Ts): void;
}

export type DigestMarkersOptions = {
  readonly clock: Clock;
  readonly everyMs: number;
  readonly scan: (selectors: readonly string[], signal: AbortSignal) => Promise<DigestAnswer>;
  /** A scan that failed is tried again at the next turn; the reader is not disturbed. */
  readonly onFailure: (error: unknown) => void;
};

type Checked = { readonly reader: CheckedReader; checkedAt: Ts | null };

export class DigestMarkers {
  readonly #options: DigestMarkersOptions;
  readonly #readers = new Map<CheckedReader, Checked>();
  readonly #stopping = new AbortController();
  #queue: CheckedReader[] = [];
  #isScanning = false;
  #timer: TimerHandle | null = null;

  constructor(options: DigestMarkersOptions) {
    this.#options = options;
  }

  /** The reader has caught up for the first time. */
  add(reader: CheckedReader): void {
    if (this.#readers.has(reader)) return;
    this.#readers.set(reader, { reader, checkedAt: null });
    this.#queue.push(reader);
    this.#work();
    this.#timer ??= this.#later();
  }

  remove(reader: CheckedReader): void {
    this.#readers.delete(reader);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#stopping.abort();
  }

  #later(): TimerHandle {
    return this.#options.clock.after(this.#options.everyMs, () => {
      this.#timer = this.#readers.size === 0 ? null : this.#later();
      for (const { reader, checkedAt } of this.#readers.values()) {
        if (reader.deliveredAt !== checkedAt) this.#queue.push(reader);
      }
      this.#work();
    });
  }

  #work(): void {
    if (this.#isScanning || this.#queue.length === 0) return;
    const [first] = this.#queue;
    if (first === undefined) return;
    const together = this.#queue.filter(({ key, isClosed }) => key === first.key && !isClosed);
    this.#queue = this.#queue.filter(({ key }) => key !== first.key);
    if (together.length === 0) {
      this.#work();
      return;
    }
    this.#isScanning = true;
    this.#scan(first, together)
      .catch((error: unknown) => {
        if (!this.#stopping.signal.aborted) this.#options.onFailure(error);
      })
      .finally(() => {
        this.#isScanning = false;
        this.#work();
      });
  }

  async #scan(first: CheckedReader, together: readonly CheckedReader[]): Promise<void> {
    const checkedAt = new Map(together.map((reader) => [reader, reader.deliveredAt]));
    const { ts, digests } = await this.#options.scan(first.selectors, this.#stopping.signal);
    const message: ProgressLine = { type: 'progress', ts: formatLsn(ts), digests };
    const line = Buffer.from(`${JSON.stringify(message)}\n`);
    for (const reader of together) {
      const checked = this.#readers.get(reader);
      if (checked !== undefined) checked.checkedAt = checkedAt.get(reader) ?? null;
      reader.offer(line, ts);
    }
  }
}
